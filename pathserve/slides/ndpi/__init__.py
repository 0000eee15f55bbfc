"""Hamamatsu NDPI: levels are one huge JPEG each, whose restart markers let parts of it be copied as they lie."""

from pathserve.slides.ndpi.source import VENDOR, open_ndpi

__all__ = ["VENDOR", "open_ndpi"]
