"""All annotation formats, and which of them a file is: told by its content, never by its name."""

from pathlib import Path

from pathserve.errors import Invalid, PathServeError, Unsupported
from pathserve.formats.contract import HEAD_BYTES, Format
from pathserve.formats.dicom import dicom
from pathserve.formats.geojson import geojson_file
from pathserve.formats.json_head import BYTE_ORDER_MARK, outline
from pathserve.formats.rasters import coco, label_mask, label_zarr
from pathserve.formats.tables import flatgeobuf, geoparquet, tiatoolbox
from pathserve.formats.tools import (
    asap,
    contours,
    cytomine,
    dlup,
    dsa,
    halo,
    imagescope,
    ncrf,
    ndpa,
    omexml,
    patches,
    sectra,
    w3c,
    wkt,
)
from pathserve.formats.tools.xml_events import DOCTYPE_REFUSED, document_type

# Whatever has a mark of its own comes before what is told by a loose likeness.
FORMATS: tuple[Format, ...] = (
    tiatoolbox.TIATOOLBOX,
    geoparquet.GEOPARQUET,
    geoparquet.GEOFEATHER,
    flatgeobuf.FLATGEOBUF,
    dicom.DICOM_ANN,
    dicom.DICOM_SEG,
    label_mask.LABEL_MASK,
    label_zarr.OME_ZARR_LABELS,
    coco.COCO,
    asap.ASAP,
    imagescope.IMAGESCOPE,
    halo.HALO,
    ndpa.NDPA,
    dlup.DLUP,
    omexml.OMEXML,
    dsa.DSA,
    w3c.W3C,
    ncrf.NCRF,
    sectra.SECTRA,
    cytomine.CYTOMINE,
    contours.CONTOURS,
    patches.PATCHES,
    wkt.WKT,
    geojson_file.SEQUENCE,
    geojson_file.QUPATH,
    geojson_file.GEOJSON,
)

_JAVA_STREAM = b"\xac\xed\x00\x05"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"(\xb5/\xfd", b"7z\xbc\xaf")
_QUPATH_PROJECT = ({"images", "version"}, {"pathClasses"}, {"builderType"}, {"hierarchy", "server"})


def by_name(name: str) -> Format:
    """Give a format by its name.

    Raises
    ------
    Invalid
        When there is none of this name.
    """
    found = next((known for known in FORMATS if known.name == name), None)
    if found is None:
        raise Invalid(f"There is no such format. Formats are: {', '.join(f.name for f in FORMATS)}.", code="bad_format")
    return found


def recognise(head: bytes) -> Format:
    """Tell the format of a file from its first `HEAD_BYTES`.

    Raises
    ------
    Unsupported
        When it is something else that PathServe knows of, or nothing that it knows.
    Invalid
        When the file is empty.
    """
    head = head[:HEAD_BYTES]
    found = next((known for known in FORMATS if known.recognise(head)), None)
    if found is None:
        raise _refusal(head)
    return found


def recognise_path(path: Path) -> Format:
    """Tell the format of a file, or of a folder that is one.

    Raises
    ------
    Unsupported, Invalid
        As for `recognise`.
    """
    if path.is_dir():
        if not label_zarr.is_label_folder(path):
            raise Unsupported("This folder is no annotation of a format known here.", code="unknown_format")
        return label_zarr.OME_ZARR_LABELS
    with path.open("rb") as file:
        return recognise(file.read(HEAD_BYTES))


def _refusal(head: bytes) -> PathServeError:
    """Say why a file of no known format is refused."""
    if not head.removeprefix(BYTE_ORDER_MARK).strip():
        return Invalid("The file is empty.", code="empty_file")
    if _JAVA_STREAM in head[:16]:
        return Unsupported(
            "This is QuPath's own data file, a stream of Java objects; export the objects as GeoJSON from QuPath.",
            code="qupath_data",
        )
    if head.startswith(_PACKED):
        return Unsupported("The file is compressed; unpack it first.", code="compressed")
    if head.startswith(b"PK\x03\x04"):
        return Unsupported("The file is an archive or a table that holds no annotations known here.", code="archive")
    if (document_type(head) or "html").lower() != "html":
        return Invalid(DOCTYPE_REFUSED, code="xml_doctype")
    members = set(outline(head).members)
    if "pathClasses" in members:
        return Unsupported(
            "This is QuPath's list of classes, which `pathserve classes set` takes; it holds no objects.",
            code="class_list",
        )
    if any(mark <= members for mark in _QUPATH_PROJECT):
        return Unsupported(
            "This file of a QuPath project holds no objects; export the objects as GeoJSON from QuPath.",
            code="qupath_project",
        )
    if members or outline(head).kind:
        return Unsupported("This JSON is of no annotation format known here.", code="unknown_json")
    if _is_table(head):
        return Unsupported("This is a table of texts, which holds no outlines that are known here.", code="table")
    return Unsupported("This is no annotation file of a format known here.", code="unknown_format")


def _is_table(head: bytes) -> bool:
    """Tell whether a text looks like comma- or tab-separated values: as many of them in each of its first lines."""
    if b"\x00" in head:
        return False
    lines = head.splitlines()[:3]
    return any(len(lines) > 1 and lines[0].count(mark) and lines[1].count(mark) for mark in (b",", b"\t", b";"))
