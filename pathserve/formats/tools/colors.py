"""Colours as annotation formats write them."""

import re
from typing import Any

from pathserve.labels import Color

_HEX = re.compile(r"#?([0-9a-fA-F]{3,8})")
_FUNCTION = re.compile(r"rgba?\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*[\d.]+\s*)?\)")


def parse_color(value: object) -> Color | None:
    """Read ``#rgb``, ``#rgba``, ``#rrggbb``, ``#rrggbbaa``, ``rgb(r, g, b)`` or ``rgba(r, g, b, a)``; else None.

    Opacity is passed over.
    """
    if not isinstance(value, str):
        return None
    text = value.strip()
    match = _HEX.fullmatch(text)
    if match is not None and len(match[1]) in (3, 4, 6, 8):
        digits = match[1] if len(match[1]) > 4 else "".join(2 * digit for digit in match[1])
        return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    match = _FUNCTION.fullmatch(text)
    if match is not None and all(int(part) <= 255 for part in match.groups()):
        return int(match[1]), int(match[2]), int(match[3])
    return None


def hex_color(color: Color) -> str:
    """Write ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def bgr_color(value: object) -> Color | None:
    """Read one whole number, 65536 blue + 256 green + red, as Windows (and so ImageScope and HALO) packs colours."""
    packed = _whole(value)
    return None if packed is None else (packed & 255, packed >> 8 & 255, packed >> 16 & 255)


def packed_bgr(color: Color) -> int:
    """Write what `bgr_color` reads."""
    red, green, blue = color
    return red | green << 8 | blue << 16


def rgba_color(value: object) -> Color | None:
    """Read one signed 32-bit number whose bytes are red, green, blue, opacity, as OME-XML packs colours."""
    packed = _whole(value)
    return None if packed is None else (packed >> 24 & 255, packed >> 16 & 255, packed >> 8 & 255)


def packed_rgba(color: Color) -> int:
    """Write what `rgba_color` reads, opaque."""
    red, green, blue = color
    packed = red << 24 | green << 16 | blue << 8 | 255
    return packed - 2**32 if packed >= 2**31 else packed


def _whole(value: Any) -> int | None:  # noqa: ANN401 - whatever a file holds
    try:
        packed = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return packed if -(2**31) <= packed < 2**32 else None
