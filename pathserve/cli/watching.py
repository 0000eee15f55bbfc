"""What ``pathserve watch`` has to do at each look: the scans that are ready, and their lines of the manifest."""

from collections.abc import Iterator
from pathlib import Path

from pathserve.cli.ingesting import bases_of
from pathserve.cli.output import note
from pathserve.errors import NotFound, PathServeError
from pathserve.ingest.manifest_apply import Matches, match_rows
from pathserve.ingest.manifest_csv import Manifest, ManifestRow
from pathserve.ingest.manifest_file import ManifestWatch, read_manifest
from pathserve.ingest.watch import FolderWatch
from pathserve.slides import Scan


class Arrivals:
    """Looks at a folder and at the manifest of its scans; says on standard error what keeps scans waiting, once each.

    With a manifest a scan waits until a line speaks of it: without one it would come into a project, and be shown
    there, that nobody chose for it.

    Raises
    ------
    NotFound, Invalid, TooLarge
        When there is no such folder, or the manifest cannot be read. Both may go and come back later.
    """

    def __init__(self, folder: Path, manifest: Path | None) -> None:
        self._folder = folder
        self._manifest = manifest
        self._seen = FolderWatch(folder)
        self._lines = None if manifest is None else ManifestWatch(manifest)
        self._table: Manifest | None = None
        self._issues = set[str]()
        self._waiting = set[Path]()
        self._trouble = dict[str, str]()
        if not folder.is_dir():
            raise NotFound("There is no such folder.")
        if manifest is not None:
            read_manifest(manifest)

    def look(self) -> Iterator[tuple[Scan, ManifestRow | None]]:
        """Look once, and give each scan that is ready with its line (None without a manifest)."""
        ready = without(self._manifest, self._ready())
        if self._manifest is None or self._lines is None:
            yield from ((scan, None) for scan in ready)
            return
        table = self._read(self._lines)
        if table is None or (table is self._table and not ready):
            return
        # Against all scans, not only those that are new: a name that two of them have is the line of neither.
        known = without(self._manifest, self._seen.known)
        matches = match_rows(table.rows, known, bases_of([self._folder], self._manifest))
        self._tell(table, matches)
        self._waiting &= {scan.main for scan in ready}
        for scan in ready:
            row = matches.rows.get(scan.main)
            if row is not None:
                yield scan, row
            elif scan.main not in self._waiting:
                self._waiting.add(scan.main)
                note(f"{scan.main} waits for its line in the manifest.")

    def settle(self, scan: Scan) -> None:
        """Leave a scan alone, ingested or refused, until it has changed."""
        self._seen.settle(scan)

    def _ready(self) -> list[Scan]:
        try:
            ready = self._seen.ready()
        except NotFound as error:
            self._say("folder", error.message)
            return []
        self._over("folder", "The folder is there again.")
        return ready

    def _read(self, lines: ManifestWatch) -> Manifest | None:
        try:
            table = lines.table()
        except PathServeError as error:
            self._say("manifest", f"{error.message} Scans wait until it reads well.")
            return None
        if table is not None:
            self._over("manifest", "The manifest reads well again.")
        return table

    def _tell(self, table: Manifest, matches: Matches) -> None:
        """Name the lines that cannot be used, once for each manifest; the scan of a line may come later."""
        if table is not self._table:
            self._table, self._issues = table, set()
            if table.unknown:
                note(f"Nothing is taken from these columns of the manifest: {', '.join(table.unknown)}.")
        for issue in sorted((*table.issues, *matches.issues), key=lambda issue: issue.line):
            if not issue.absent and issue.message not in self._issues:
                self._issues.add(issue.message)
                note(f"pathserve: manifest: {issue.message}")

    def _say(self, what: str, message: str) -> None:
        if self._trouble.get(what) != message:
            self._trouble[what] = message
            note(f"pathserve: {message}")

    def _over(self, what: str, message: str) -> None:
        if self._trouble.pop(what, None) is not None:
            note(message)


def without(manifest: Path | None, scans: list[Scan]) -> list[Scan]:
    """Leave the manifest out of the scans: it may lie among them."""
    return [scan for scan in scans if manifest is None or scan.main.resolve() != manifest.resolve()]
