"""The file that a manifest is in: read once, or again and again while somebody may rewrite it."""

import os
from pathlib import Path

from pathserve.errors import Invalid, TooLarge
from pathserve.ingest.manifest_csv import MAX_BYTES, Manifest, parse_manifest


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from its file.

    Raises
    ------
    Invalid
        When the file cannot be read, or is no manifest.
    TooLarge
        When it is over a limit.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(error) from None
    if len(content) > MAX_BYTES:
        raise TooLarge(f"A manifest has at most {MAX_BYTES >> 20} MiB.")
    return parse_manifest(content)


class ManifestWatch:
    """Follows a manifest: as with scans, only what looks the same twice was written to its end.

    A manifest that was cut off in the middle of a line may read well, and say half of a case's name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._look: tuple[int, ...] | None = None
        self._table: Manifest | None = None

    def table(self) -> Manifest | None:
        """Look once, and give what the manifest says; None while it is another one than at the last look.

        The same object comes as long as the file stays the same, and the file is not read again.

        Raises
        ------
        Invalid, TooLarge
            When it cannot be read, or is no manifest.
        """
        look = self._taken()
        if look != self._look:
            self._look, self._table = look, None
            return None
        if self._table is None:
            table = read_manifest(self._path)
            if self._taken() != look:
                return None  # rewritten while it was read; the next look sees that
            self._table = table
        return self._table

    def _taken(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._path)
        except OSError as error:
            self._look = self._table = None
            raise _unreadable(error) from None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unreadable(error: OSError) -> Invalid:
    """Say so in one sentence, without the path that the system's own text would hold."""
    return Invalid(f"The manifest cannot be read: {(error.strerror or 'the system refused').lower()}.")
