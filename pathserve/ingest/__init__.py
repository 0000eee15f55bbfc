"""From a scan file to a catalog entry.

Scans come from strangers: they are opened and decoded only in a worker process with a memory limit and a deadline.
"""

from pathserve.ingest.find import find_scans
from pathserve.ingest.ingest import IngestOutcome, Progress, ingest_scan, inspect_scan, remove_slide

__all__ = ["IngestOutcome", "Progress", "find_scans", "ingest_scan", "inspect_scan", "remove_slide"]
