"""Outlines as they were drawn, beside their repaired form, in files that have room for a member of ours.

The member names the form that it belongs to, so that an outline which another tool changed since then is not said to be
a repair of it.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

AS_DRAWN = "asDrawn"
"""Member of a Feature, and of our marks: ``{"geometry": ..., "repaired": ...}``."""

_GEOMETRY, _REPAIRED = "geometry", "repaired"
_DEEPEST = 8


def write_as_drawn(drawn: Mapping[str, Any], geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Give the member: the outline as drawn, and a digest of what was made of it."""
    return {_GEOMETRY: drawn, _REPAIRED: _digest(geometry)}


def read_as_drawn(value: object, geometry: object) -> dict[str, Any] | None:
    """Read what `write_as_drawn` wrote; None when it is not that, or the geometry beside it is another one now."""
    drawn = value.get(_GEOMETRY) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(drawn, dict) or not isinstance(geometry, Mapping):
        return None
    return drawn if _is_outline(drawn) and value.get(_REPAIRED) == _digest(geometry) else None


def _is_outline(drawn: Mapping[str, Any]) -> bool:
    return drawn.get("type") in ("Polygon", "MultiPolygon", "GeometryCollection") and _digest(drawn) is not None


def _digest(geometry: Mapping[str, Any]) -> str | None:
    """Digest a geometry's numbers, whatever their form; None when it is no geometry."""
    try:
        numbers = _numbers(geometry, 0)
    except (KeyError, TypeError, OverflowError):
        return None
    return blake2b(orjson.dumps(numbers), digest_size=8).hexdigest()


def _numbers(value: Any, depth: int) -> Any:  # noqa: ANN401 - depth goes by geometry type
    if depth > _DEEPEST:
        raise TypeError("nested too deep")
    if isinstance(value, Mapping):
        kind = value["type"]
        return [kind, _numbers(value["geometries" if kind == "GeometryCollection" else "coordinates"], depth + 1)]
    if isinstance(value, list | tuple):
        return [_numbers(part, depth + 1) for part in value]
    if type(value) not in (int, float):
        raise TypeError("not a number")
    return float(value) + 0.0  # plus nothing, so that there is one zero only
