"""What experts and models say about tissue: classes, annotations, layers, revisions. Values only, no storage.

Single annotations are `Annotation` and `NewAnnotation`; many at once are `Columns`, the same things as arrays.
"""

from pathserve.labels.columns import Columns, GeometryKind
from pathserve.labels.texts import Texts
from pathserve.labels.values import (
    BACKGROUND,
    EXHAUSTIVE,
    IGNORE,
    MAX_CLASSES,
    MAX_NAME,
    STATE,
    Annotation,
    AnnotationClass,
    ClassSchema,
    CodedTerm,
    Color,
    FeatureIssue,
    Layer,
    NewAnnotation,
    clean_name,
    require_clear,
    require_name,
    unclear,
)

__all__ = [
    "BACKGROUND",
    "EXHAUSTIVE",
    "IGNORE",
    "MAX_CLASSES",
    "MAX_NAME",
    "STATE",
    "Annotation",
    "AnnotationClass",
    "ClassSchema",
    "CodedTerm",
    "Color",
    "Columns",
    "FeatureIssue",
    "GeometryKind",
    "Layer",
    "NewAnnotation",
    "Texts",
    "clean_name",
    "require_clear",
    "require_name",
    "unclear",
]
