"""Scans as files: one reader per file kind, chosen by what the file holds and never by its name.

Foreign files are hostile: a few megabytes can abort the process, hang it or eat its memory. The readers hold limits
before they decode, but only :mod:`pathserve.ingest` opens what strangers bring, in a worker process that can be killed.
"""

from pathserve.slides.omezarr import is_zarr
from pathserve.slides.registry import open_slide
from pathserve.slides.scan import Scan

__all__ = ["Scan", "is_zarr", "open_slide"]
