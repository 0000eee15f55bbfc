"""The bridge between annotation files of any format and the store."""

from pathserve.exchange.exporting import Export, ExportOptions, begin_export
from pathserve.exchange.frames import IDENTITY, Fit, Frame, FrameOptions, Matrix, Tissue
from pathserve.exchange.importing import ImportOptions, import_file
from pathserve.exchange.options import OnFileConflict, frame_options, parse_conflict, parse_told
from pathserve.exchange.posted import Posted, Posting, post_file, post_text
from pathserve.exchange.report import MAX_NAMED, ExportReport, ImportReport, Issues
from pathserve.exchange.slide import slide_frame, slide_tissue

__all__ = [
    "IDENTITY",
    "MAX_NAMED",
    "Export",
    "ExportOptions",
    "ExportReport",
    "Fit",
    "Frame",
    "FrameOptions",
    "ImportOptions",
    "ImportReport",
    "Issues",
    "Matrix",
    "OnFileConflict",
    "Posted",
    "Posting",
    "Tissue",
    "begin_export",
    "frame_options",
    "import_file",
    "parse_conflict",
    "parse_told",
    "post_file",
    "post_text",
    "slide_frame",
    "slide_tissue",
]
