"""Projects, cases and slides: what there is, without any pixel."""

from pathserve.catalog.catalog import Catalog
from pathserve.catalog.records import DEFAULT_PROJECT, SlideRecord, make_slide_id

__all__ = ["DEFAULT_PROJECT", "Catalog", "SlideRecord", "make_slide_id"]
