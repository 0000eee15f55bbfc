"""Which files are one DICOM scan: told by the first elements of each, without building anything of them.

Folders are searched by the server and the command line themselves, before a scan goes to the process that may fail. So
nothing here parses a header: pydicom makes objects of whatever a file claims, sequences in sequences included. The walk
of :mod:`pathserve.slides.dicom.elements` looks at some thousand heads at most, keeps a few short values, skips the
rest, and stops at the series.
"""

import io
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pathserve.errors import Corrupt
from pathserve.slides.dicom.bytesource import START, is_dicom
from pathserve.slides.dicom.elements import first_values

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR: an index of other files."""

_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_CLASS, _SYNTAX = 0x00020002, 0x00020010  # MediaStorageSOPClassUID, TransferSyntaxUID
_SERIES = 0x0020000E  # SeriesInstanceUID
_META_ENDS = 0x0002FFFF
_INFLATED = 1 << 18


@dataclass(frozen=True, slots=True)
class Heading:
    """What a file is and which series it belongs to, both empty when it does not say."""

    sop_class: str
    series: str


def read_heading(path: Path) -> Heading:
    """Read the first elements of a file; whatever cannot be read is not stated.

    Memory: 256 KiB.
    """
    sop_class = ""
    try:
        with path.open("rb") as file:
            file.seek(START)
            meta = first_values(file, explicit=True, little=True, wanted={_CLASS, _SYNTAX}, last=_META_ENDS)
            sop_class = _uid(meta.get(_CLASS, b""))
            return Heading(sop_class, _series(file, _uid(meta.get(_SYNTAX, b""))))
    except (Corrupt, OSError, OverflowError, zlib.error):
        return Heading(sop_class, "")


def _series(file: BinaryIO, syntax: str) -> str:
    if syntax == _DEFLATED:
        file = io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(_INFLATED), _INFLATED))
    explicit, little = syntax != _IMPLICIT, syntax != _BIG
    return _uid(first_values(file, explicit=explicit, little=little, wanted={_SERIES}, last=_SERIES).get(_SERIES, b""))


def _uid(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def group_files(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Put DICOM files that are one scan together: those of one folder that belong to the same series.

    A slide's levels, label and overview are one series, and so are the slices of a volume. The same series in another
    folder is another copy. Indexes (DICOMDIR) are left out; a file that does not say what it belongs to stands alone.

    Returns
    -------
    The files of each scan, sorted; the scans are in the order of their first files.
    """
    groups: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(set(paths)):
        heading = read_heading(path)
        if heading.sop_class == DIRECTORY_CLASS:
            continue
        key = (os.fspath(path.parent), heading.series) if heading.series else (os.fspath(path),)
        groups.setdefault(key, []).append(path)
    return [tuple(group) for group in groups.values()]


def series_of(path: Path) -> tuple[Path, ...]:
    """List the files that are one scan with a DICOM file: those of its series in its folder, sorted.

    A level alone is not what somebody wants who names its file; OpenSlide opens the whole series as well. Hidden files
    are left out, unless it is one itself.
    """
    series = read_heading(path).series
    if not series:
        return (path,)
    try:
        beside = [path.parent / name for name in os.listdir(path.parent) if not name.startswith(".")]
    except OSError:
        return (path,)
    others = (other for other in beside if other != path and other.is_file() and is_dicom(other))
    return tuple(sorted({path, *(other for other in others if read_heading(other).series == series)}))
