"""DICOM's formats of annotations: told by their class; what reads and writes them is loaded when it is first needed.

The package behind them takes a third of a second and 20 MB, which a server that meets no such file is spared.
"""

import struct

from pathserve.formats.contract import Format
from pathserve.formats.optional import later

ANNOTATIONS = "1.2.840.10008.5.1.4.1.1.91.1"
"""SOP class of Microscopy Bulk Simple Annotations."""

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
"""SOP classes of segmentations, and of those that are label maps."""

_MARK, _MARK_AT = b"DICM", 128
_META_BYTES = 4096


def is_dicom(head: bytes, *classes: str) -> bool:
    """Tell whether a file is DICOM of one of some SOP classes, by its own meta information."""
    if head[_MARK_AT : _MARK_AT + 4] != _MARK:
        return False
    meta = head[:_META_BYTES]
    # (0002,0002), UI, length, value: explicit and little-endian in every file.
    found = meta.find(b"\x02\x00\x02\x00UI")
    if found < 0:
        return False
    (length,) = struct.unpack_from("<H", meta, found + 6) if len(meta) >= found + 8 else (0,)
    return meta[found + 8 : found + 8 + length].rstrip(b"\x00 ").decode("latin-1") in classes


_PLACED = ("matrix_origin", "matrix_orientation")
_SLIDES_OWN = ("study", "series", "instance")

DICOM_ANN = Format(
    name="dicom-ann",
    title="DICOM Microscopy Bulk Simple Annotations",
    endings=(".dcm",),
    media_type="application/dicom",
    recognise=lambda head: is_dicom(head, ANNOTATIONS),
    read=later("pathserve.formats.dicom.dicom_ann", "read_annotations"),
    write=later("pathserve.formats.dicom.dicom_ann_writer", "write_annotations"),
    origin=None,
    unit=None,
    options=(*_PLACED, *_SLIDES_OWN),
)

DICOM_SEG = Format(
    name="dicom-seg",
    title="DICOM Segmentation",
    endings=(".dcm",),
    media_type="application/dicom",
    recognise=lambda head: is_dicom(head, SEGMENTATION, LABEL_MAP),
    read=later("pathserve.formats.dicom.dicom_seg", "read_segmentation"),
    write=later("pathserve.formats.dicom.dicom_seg_writer", "write_segmentation"),
    origin=None,
    unit=None,
    options=("threshold", "downsample", *_PLACED, *_SLIDES_OWN),
)
