"""How an annotation is written as a Feature of its slide: in answers, and in what commands print."""

from collections.abc import Callable
from functools import cache
from typing import Any

from pathserve.annotations import ClassSchemas
from pathserve.catalog import SlideRecord
from pathserve.formats.geojson import geojson
from pathserve.labels import Annotation, Color


def feature_writer(classes: ClassSchemas, slide: SlideRecord) -> Callable[[Annotation], dict[str, Any]]:
    """Give the function that writes this slide's annotations as Features, with their classes' colours.

    It asks for the colours once, with the first annotation that has a class.
    """

    @cache
    def colors() -> dict[str, Color]:
        return {c.name: c.color for c in classes.of(slide.project)}

    def write(annotation: Annotation) -> dict[str, Any]:
        name = annotation.class_name
        return geojson.feature(annotation, None if name is None else colors().get(name))

    return write
