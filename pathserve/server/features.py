"""How an annotation is written as a Feature of its slide: in answers, and in what commands print."""

from collections.abc import Callable
from typing import Any

from pathserve.annotations import ClassSchemas
from pathserve.catalog import SlideRecord
from pathserve.formats.geojson import geojson
from pathserve.labels import Annotation


def feature_writer(classes: ClassSchemas, slide: SlideRecord) -> Callable[[Annotation], dict[str, Any]]:
    """Give the function that writes this slide's annotations as Features, with their classes' colours."""
    colors = {c.name: c.color for c in classes.of(slide.project)}
    return lambda annotation: geojson.feature(annotation, colors.get(annotation.class_name or ""))
