"""The class of a Feature as QuPath writes it, in its present and its older forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pathserve.errors import Invalid
from pathserve.labels import Color, require_name

NEUTRAL = (144, 144, 144)
"""Colour written for a class that has none."""


@dataclass(frozen=True, slots=True)
class Classified:
    """What a ``classification`` says.

    Parameters
    ----------
    name
        The class, or None when there is none.
    color
        (r, g, b), each 0-255, or None.
    rest
        Its members that are neither name nor colour.
    note
        One sentence when the colour could not be read, or None.
    """

    name: str | None = None
    color: Color | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


def parse_classification(value: object) -> Classified:
    """Read a classification: ``{name, color: [r, g, b]}``, ``{name, colorRGB}``, ``{names: [...]}``, a text, or null.

    Raises
    ------
    Invalid
        When it is none of these, or the name has no printable characters or too many.
    """
    if value is None:
        return Classified()
    if isinstance(value, str):
        return Classified(name=require_name(value, "class name"))
    if not isinstance(value, dict):
        raise Invalid("A classification must be an object with a name.", code="bad_classification")
    name = value.get("name")
    names = value.get("names")
    if name is None and isinstance(names, list) and all(isinstance(part, str) for part in names):
        # QuPath's derived classes, in its own spelling.
        name = ": ".join(names)
    if name is None or name == "":
        return Classified(rest=dict(value))
    if not isinstance(name, str):
        raise Invalid("The name of a class must be a text.", code="bad_classification")
    rest = {key: part for key, part in value.items() if key not in ("name", "names", "color", "colorRGB")}
    color = _parse_color(value)
    stated = value.get("color") is not None or value.get("colorRGB") is not None
    note = "The colour of the class could not be read; it was left out." if stated and color is None else None
    return Classified(require_name(name, "class name"), color, rest, note)


def write_classification(name: str | None, color: Color | None, rest: object) -> dict[str, Any] | None:
    """Write a classification; ``rest`` as `Classified` has it. None when there is nothing to write."""
    kept = dict(rest) if isinstance(rest, Mapping) else {}
    if name is None:
        return kept or None
    return {"name": name, "color": list(color or NEUTRAL), **kept}


def _parse_color(value: dict[str, Any]) -> Color | None:
    """Read ``color: [r, g, b]`` (a fourth number is opacity) or the older ``colorRGB``, one packed integer."""
    color, packed = value.get("color"), value.get("colorRGB")
    if isinstance(color, list):
        parts = color[:3]
        if len(parts) == 3 and all(type(part) is int and 0 <= part <= 255 for part in parts):
            return parts[0], parts[1], parts[2]
    elif type(packed) is int and -(2**31) <= packed < 2**32:
        return packed >> 16 & 255, packed >> 8 & 255, packed & 255
    return None
