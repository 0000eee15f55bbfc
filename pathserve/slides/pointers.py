"""Formats that name further files in a text: what they name must lie beside it, before OpenSlide follows the text.

Hamamatsu's VMS and VMU are such texts, whatever the file is called; MIRAX has one (``Slidedat.ini``) in the folder of
its own name. OpenSlide opens what they name by its path: one that climbs or a link would have it read other people's
files.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import openslide

from pathserve.errors import Corrupt, TooLarge

MAX_TEXT = 1 << 20
"""Most bytes of such a text; OpenSlide refuses larger ones itself."""

_OUTSIDE = "This scan names files outside its own folder."
_HAMAMATSU = (b"imagefile", b"mapfile", b"optimisationfile", b"macroimage")
_MIRAX = (b"indexfile", b"file_")
_MIRAX_TEXT = "Slidedat.ini"
_TIFF = (b"II", b"MM")


def require_own_files(path: Path) -> None:
    """Refuse a scan whose text names files that are not its own; everything else passes.

    Raises
    ------
    Corrupt
        When a name has a separator in it or climbs, or a file that is named is a link out of the folder.
    TooLarge
        When the text is too long.
    """
    vendor = _vendor(path)
    if vendor == "mirax":
        folder = Path(os.fspath(path)[: -len(".mrxs")])
        if not _lies_in(folder, path.parent):
            raise Corrupt(_OUTSIDE)
        _require_inside(folder, folder / _MIRAX_TEXT, _MIRAX)
    elif vendor == "hamamatsu" and not _is_tiff(path):
        _require_inside(path.parent, path, _HAMAMATSU)


def named_beside(path: Path) -> tuple[Path, ...]:
    """List the files beside a VMS or VMU text that it names, sorted, without the text itself."""
    with path.open("rb") as file:
        text = file.read(MAX_TEXT)
    names = {value for _, value in _lines(text) if _is_plain(value)}
    beside = (path.parent / _decoded(name) for name in names)
    return tuple(sorted(each for each in beside if each != path and each.is_file()))


def _require_inside(folder: Path, text: Path, keys: tuple[bytes, ...]) -> None:
    if not _lies_in(text, folder):
        raise Corrupt(_OUTSIDE)
    try:
        with text.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except OSError:
        raise Corrupt("A file of this scan cannot be read.") from None
    if len(data) > MAX_TEXT:
        raise TooLarge("The text that names this scan's files is too long.")
    if b"\0" in data:  # the text would end here for some readers and go on for others
        raise Corrupt("The text that names this scan's files is damaged.")
    for key, value in _lines(data):
        named = value and key.lower().startswith(keys)
        if named and not (_is_plain(value) and _lies_in(folder / _decoded(value), folder)):
            raise Corrupt(_OUTSIDE)


def _lines(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give keys and values as GLib's reader of key files sees them: only a line feed ends a line."""
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        key, _, value = line.partition(b"=")
        yield key.strip(), value.strip()


def _is_plain(name: bytes) -> bool:
    """Tell whether a name leads nowhere; a backslash separates on Windows, and begins an escape in a key file."""
    return name not in (b"", b".", b"..") and not any(bad in name for bad in (b"/", b"\\", b"\0"))


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _lies_in(path: Path, folder: Path) -> bool:
    """Tell whether a file is directly in a folder, links followed; one that is not there leads nowhere."""
    try:
        return path.resolve().parent == folder.resolve()
    except (OSError, RuntimeError, ValueError):  # a ring of links, or a name that no file can have
        return False


def _vendor(path: Path) -> str | None:
    try:
        vendor: str | None = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        return None
    return vendor


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) in _TIFF
    except OSError:
        return False
