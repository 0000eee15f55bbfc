"""Class schemas as files: PathServe's own JSON, and the ``classes.json`` of a QuPath project."""

from typing import Any

import orjson

from pathserve.errors import Invalid
from pathserve.formats.classification import NEUTRAL, parse_classification
from pathserve.labels import AnnotationClass, ClassSchema, CodedTerm


def parse_class_file(text: bytes) -> list[AnnotationClass]:
    """Read classes; the store gives them their values, a file cannot.

    Two forms are known: a list of objects with ``name``, ``color`` ([r, g, b]) and maybe ``priority``, ``hotkey`` and
    ``code``, alone or as ``items``; and QuPath's ``{"pathClasses": [{"name", "color"}]}`` with packed colours.

    Raises
    ------
    Invalid
        When it is neither.
    """
    try:
        found = orjson.loads(text)
        if isinstance(found, dict) and "pathClasses" in found:
            return [c for item in found["pathClasses"] if (c := _of_qupath(item)) is not None]
        return [_of_ours(item) for item in (found["items"] if isinstance(found, dict) else found)]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Invalid(
            "A class file is JSON: a list of objects with name, color [r, g, b], and maybe priority, hotkey and code "
            "{system, code, meaning}; or QuPath's classes.json."
        ) from error


def write_classes(schema: ClassSchema) -> list[dict[str, Any]]:
    """Write what `parse_class_file` reads, with the values."""
    return [
        {
            "name": c.name,
            "color": c.color,
            "value": c.value,
            "priority": c.priority,
            "hotkey": c.hotkey,
            "code": None
            if c.code is None
            else {"system": c.code.system, "code": c.code.code, "meaning": c.code.meaning},
        }
        for c in schema
    ]


def _of_qupath(item: Any) -> AnnotationClass | None:  # noqa: ANN401 - whatever a file holds
    found = parse_classification({"name": item["name"], "colorRGB": item.get("color")})
    if found.name is None:
        return None  # QuPath's entry for what has no class
    return AnnotationClass(found.name, found.color or NEUTRAL, value=0)


def _of_ours(item: Any) -> AnnotationClass:  # noqa: ANN401 - whatever a file holds
    red, green, blue = (int(part) for part in item["color"])
    hotkey, code = item.get("hotkey"), item.get("code")
    return AnnotationClass(
        name=str(item["name"]),
        color=(red, green, blue),
        value=0,
        priority=int(item.get("priority", 0)),
        hotkey=None if hotkey is None else str(hotkey),
        code=None if code is None else CodedTerm(str(code["system"]), str(code["code"]), str(code["meaning"])),
    )
