"""The store of annotations: append-only revisions, optimistic writes, reads at any revision."""

from pathserve.annotations.query import AnnotationPage, AnnotationQuery
from pathserve.annotations.schema import ClassSchemas
from pathserve.annotations.store import AnnotationStore
from pathserve.annotations.versions import Added

__all__ = ["Added", "AnnotationPage", "AnnotationQuery", "AnnotationStore", "ClassSchemas"]
