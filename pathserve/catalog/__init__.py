"""Projects, cases and slides: what there is, without any pixel; and apart from it, the originals of pseudonyms."""

from pathserve.catalog.catalog import Catalog
from pathserve.catalog.filters import SlideFilter
from pathserve.catalog.pseudonyms import Kind, Original, PseudonymKey, Pseudonyms
from pathserve.catalog.records import BUILDING, DEFAULT_PROJECT, READY, SlideFacts, SlideRecord, make_slide_id

__all__ = [
    "BUILDING",
    "DEFAULT_PROJECT",
    "READY",
    "Catalog",
    "Kind",
    "Original",
    "PseudonymKey",
    "Pseudonyms",
    "SlideFacts",
    "SlideFilter",
    "SlideRecord",
    "make_slide_id",
]
