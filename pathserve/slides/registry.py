"""Which reader opens a file, told by its first bytes and by OpenSlide's own detection."""

from importlib import import_module
from pathlib import Path

from pathserve.errors import Corrupt, NotFound, Unsupported
from pathserve.pixels import PixelSource
from pathserve.slides.czi import MAGIC as CZI
from pathserve.slides.czi import CziSource
from pathserve.slides.dicom import is_dicom
from pathserve.slides.ndpi import VENDOR as HAMAMATSU
from pathserve.slides.ndpi import open_ndpi
from pathserve.slides.omezarr import OmeZarrSource, is_zarr
from pathserve.slides.openslide import OpenSlideSource, detect_vendor
from pathserve.slides.plain import MAGIC as PLAIN
from pathserve.slides.plain import PlainSource
from pathserve.slides.scan import Scan
from pathserve.slides.tiff import compression_name, open_tiff

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# What Olympus cellSens writes where other TIFFs have data: the length of a header of its own, and that header's mark.
_VSI_AT, _VSI = 8, b"\x18\x00IS"
# Makers whose tiles lie edge to edge on one raster. Others overlap, leave gaps or have several areas.
_SEAMLESS = ("aperio", "generic-tiff", None)


def open_slide(scan: Path | Scan, *, scene: int = 0) -> PixelSource:
    """Open a scan, whatever its name.

    Parameters
    ----------
    scan
        A path stands for the file or folder alone.
    scene
        Which of its ``info.scenes`` pictures.

    Raises
    ------
    NotFound
        When there is no such file, or no such scene.
    Unsupported
        When it is no scan, or one of a kind that PathServe does not read.
    Corrupt, TooLarge
        When it is damaged, or claims more than the limits allow.
    """
    path = scan.main if isinstance(scan, Scan) else scan
    if is_zarr(path):
        return OmeZarrSource(path, scene)
    head = _first_bytes(path)
    if is_dicom(path):  # first: a DICOM file may begin as a TIFF does
        return _open_dicom(scan.files if isinstance(scan, Scan) else (path,), scene)
    if head.startswith(CZI):
        return CziSource(path, scene)
    is_tiff = head.startswith(_TIFF)
    _require_no_vsi(path, head)
    vendor = detect_vendor(path)
    if is_tiff and vendor in _SEAMLESS:
        source = open_tiff(path, vendor, scene=scene)
        if source is not None:
            return source
    if scene != 0:
        raise NotFound("The scan has no such scene.")
    if is_tiff and vendor == HAMAMATSU:
        return open_ndpi(path)
    if vendor is None and head.startswith(PLAIN):
        return PlainSource(path)
    if vendor is None:
        raise Unsupported("This file is no scan of a kind that PathServe reads.")
    return OpenSlideSource(path, compression_name(path) if is_tiff else "unknown")


def _open_dicom(files: tuple[Path, ...], scene: int) -> PixelSource:
    """Open a DICOM scan; its reader is loaded only now, for pydicom takes 9 MB that other scans need not have."""
    source: PixelSource = import_module("pathserve.slides.dicom.opening").open_dicom(files, scene)
    return source


def _require_no_vsi(path: Path, head: bytes) -> None:
    """See to it that a TIFF is not the main file of an Olympus VSI scan: it would be its small overview alone.

    It has a header of its own, or beside ``x.vsi`` a folder ``_x_`` with tiles (``stack*/frame_t*.ets``).

    Raises
    ------
    Unsupported
        When it is one.
    """
    if not head.startswith(_TIFF):
        return
    if head.startswith(_VSI, _VSI_AT) or any(path.with_name(f"_{path.stem}_").glob("stack*/*.ets")):
        raise Unsupported(
            "Olympus VSI is not read: this file holds an overview alone, and the scan is in the .ets files beside it."
        )


def _first_bytes(path: Path) -> bytes:
    """Read what tells the kind of a file.

    Raises
    ------
    NotFound, Unsupported, Corrupt
        When there is no such file, it cannot be read, or it is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    except IsADirectoryError:
        raise Unsupported("This folder is no Zarr store that holds pictures.") from None
    except OSError:
        raise Unsupported("This is no file that can be read.") from None
    if not head:
        raise Corrupt("The file is empty.")
    return head
