"""All of one scan: its files by what they hold, and what files and folders are called."""

from importlib import import_module
from pathlib import Path

from openslide import OpenSlide, OpenSlideError

from pathserve.errors import PathServeError
from pathserve.slides.identity.czi import search_czi
from pathserve.slides.identity.findings import Findings, IdentityReport, Values
from pathserve.slides.identity.omezarr import is_zarr, search_omezarr
from pathserve.slides.identity.pictures import (
    search_codestream,
    search_jp2_file,
    search_jpeg_file,
    search_png_file,
)
from pathserve.slides.identity.text import MAX_TEXT, decode_text, search_text
from pathserve.slides.identity.tiff import search_tiff
from pathserve.slides.pointers import require_own_files
from pathserve.slides.scan import Scan

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_JP2 = b"\x00\x00\x00\x0cjP  "
_J2K = b"\xff\x4f\xff\x51"
_CZI = b"ZISRAWFILE"
_MAX_FILES = 2_000
_TEXT_ENDINGS = (".ini", ".txt", ".xml", ".json", ".csv", ".vms", ".vmu")


def search_scan(scan: Path | Scan, *, values: Values = "none") -> IdentityReport:
    """Find every field of a scan that may name a person.

    Parameters
    ----------
    scan
        A path stands for the file or folder with all that lies in it.
    values
        Whether the report holds no values, masked ones, or the values themselves.
    """
    found = Findings(values)
    whole = scan if isinstance(scan, Scan) else Scan.of(scan)
    _search_names(found, whole)
    if whole.main.is_dir() and is_zarr(whole.main):
        search_omezarr(found, whole.main)
        return found.report()
    for number, path in enumerate(whole.files[:_MAX_FILES], start=1):
        _search_file(found, path, "" if len(whole.files) == 1 else f"file {number}")
    if len(whole.files) > _MAX_FILES:
        found.stopped("files")
    return found.report()


def _search_names(found: Findings, scan: Scan) -> None:
    """Note the names themselves: they are the most common place of all."""
    main = scan.main.resolve()
    found.add("file system", "folder name" if main.is_dir() else "file name", main.name, kind="file name", known=True)
    for folder in list(main.parents)[:-1]:
        found.add("file system", "names of the folders above", folder.name, kind="file name", known=True)
    if not is_zarr(main):
        for path in scan.files[:_MAX_FILES]:
            if path != scan.main:
                found.add("file system", "names of its files", path.name, kind="file name", known=True)


def _search_file(found: Findings, path: Path, place: str) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        found.stopped(place or "file")
        return
    if head[128:132] == b"DICM":  # first: a DICOM file may begin as a TIFF does
        # Loaded only now, for pydicom takes 9 MB that the workers of other scans need not have.
        # The files of one series say the same: together, with counts.
        import_module("pathserve.slides.identity.dicom").search_dicom(found, path, "DICOM files" if place else "DICOM")
    elif head.startswith(_TIFF):
        search_tiff(found, path)
    elif head.startswith(_CZI):
        search_czi(found, path)
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        search_png_file(found, path)
    elif head.startswith(_JP2):
        search_jp2_file(found, path)
    elif head.startswith(b"\xff\xd8\xff"):
        search_jpeg_file(found, path)
        _search_openslide(found, path)
    elif head.startswith(_J2K):
        search_codestream(found, path.read_bytes()[:MAX_TEXT])
    elif path.suffix.lower() in _TEXT_ENDINGS:
        search_text(found, place or "file", "text", decode_text(path.read_bytes()[:MAX_TEXT]), kind="free text")
    else:
        _search_openslide(found, path)


def _search_openslide(found: Findings, path: Path) -> None:
    """Note what OpenSlide knows of a format that nothing here reads (MIRAX, VMS)."""
    try:
        require_own_files(path)
        with OpenSlide(path) as slide:
            for name, value in slide.properties.items():
                if not name.startswith("openslide.") or name == "openslide.comment":
                    search_text(found, "properties", name, value)
            for name in slide.associated_images:
                found.add("properties", name, "picture", kind="picture")
    except (OpenSlideError, OSError, PathServeError):
        return
