"""The store of annotations: append-only revisions, optimistic writes, reads at any revision."""

from pathserve.annotations.edits import Edit, Edited, NotEdited
from pathserve.annotations.query import AnnotationPage, AnnotationQuery, Order, Summary
from pathserve.annotations.revisions import Change
from pathserve.annotations.schema import ClassSchemas
from pathserve.annotations.store import AnnotationStore
from pathserve.annotations.versions import Added

__all__ = [
    "Added",
    "AnnotationPage",
    "AnnotationQuery",
    "AnnotationStore",
    "Change",
    "ClassSchemas",
    "Edit",
    "Edited",
    "NotEdited",
    "Order",
    "Summary",
]
