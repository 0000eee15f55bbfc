"""From a scan file to a catalog entry.

Scans come from strangers: they are opened and decoded only in a worker process with a memory limit and a deadline.
"""

from pathserve.ingest.associated import damaged_pictures, kept_pictures, picture_bytes
from pathserve.ingest.find import find_scans
from pathserve.ingest.ingest import (
    IngestOptions,
    IngestOutcome,
    Progress,
    finish_slide,
    ingest_scan,
    inspect_scan,
    remove_slide,
)

__all__ = [
    "IngestOptions",
    "IngestOutcome",
    "Progress",
    "damaged_pictures",
    "find_scans",
    "finish_slide",
    "ingest_scan",
    "inspect_scan",
    "kept_pictures",
    "picture_bytes",
    "remove_slide",
]
