"""Names of classes on their way in: blanks at an end go, for nobody can tell such names apart."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pathserve.formats.contract import Losses
from pathserve.labels import Columns, NewAnnotation

T = TypeVar("T")

TRIMMED = ("class_trimmed", "Blanks at the ends of class names were left out.")


def trim_columns(columns: Columns, losses: Losses) -> Columns:
    """Give rows whose classes have no blanks at their ends, and count the rows that this changes."""
    names = columns.class_names
    trimmed = [name.strip() for name in names]
    if trimmed == list(names):
        return columns
    places = {name: place for place, name in enumerate(dict.fromkeys(trimmed))}
    # The last one is that of -1, no class.
    changed = np.array([*(a != b for a, b in zip(names, trimmed, strict=True)), False])
    count = int(changed[columns.classes].sum())
    if count:
        losses.note(*TRIMMED, count)
    classes = np.array([*(places[name] for name in trimmed), -1], np.int32)[columns.classes]
    return replace(columns, class_names=tuple(places), classes=classes)


def trim_annotations(annotations: Iterable[NewAnnotation], losses: Losses) -> list[NewAnnotation]:
    """Give annotations as `trim_columns` gives rows."""
    return [_trim(annotation, losses) for annotation in annotations]


def _trim(annotation: NewAnnotation, losses: Losses) -> NewAnnotation:
    name = annotation.class_name
    if name is None or name == name.strip():
        return annotation
    losses.note(*TRIMMED)
    return replace(annotation, class_name=name.strip())


def trimmed_keys(said: Mapping[str, T]) -> Mapping[str, T]:
    """Give what is said of classes by their names without blanks; what is said of such a name itself counts first."""
    if all(name == name.strip() for name in said):
        return said
    return {name.strip(): value for name, value in said.items()} | {n: v for n, v in said.items() if n == n.strip()}
