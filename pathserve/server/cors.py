"""Cross-origin reads (CORS): which addresses pages of other sites may read with a token, and how they learn so.

Never with cookies: no answer allows credentials, so a browser shows nothing to another site that needs a session.
"""

from collections.abc import Mapping
from types import MappingProxyType

OPEN_PREFIXES = ("/dzi/", "/iiif/", "/zarr/")
"""Addresses that viewers of other sites read."""

ALLOWED: tuple[tuple[bytes, bytes], ...] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Accept-Ranges, Content-Length, Content-Range, ETag, Link, Location, Pathserve-Dtype, Pathserve-Shape, "
        b"Retry-After, X-Request-Id",
    ),
)
"""What every answer of such an address has, errors too."""

PREFLIGHT: Mapping[str, str] = MappingProxyType(
    {
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
        # The star would not cover Authorization.
        "access-control-allow-headers": "Authorization, Accept, Cache-Control, If-Match, If-Modified-Since, "
        "If-None-Match, If-Range, If-Unmodified-Since, Pragma, Range, X-Requested-With",
        "access-control-max-age": "86400",
    }
)
"""What such an address answers to ``OPTIONS`` in addition."""


def answer_headers(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """Give the headers that answers of an address have for pages of other sites."""
    return ALLOWED if path.startswith(OPEN_PREFIXES) else ()
