"""What may name a person in a scan, of whatever format.

Searching reads foreign files: only in a worker process. Nothing here stores or logs anything.
"""

from pathserve.slides.identity.find import search_scan
from pathserve.slides.identity.findings import Finding, Findings, IdentityReport, Values

__all__ = ["Finding", "Findings", "IdentityReport", "Values", "search_scan"]
