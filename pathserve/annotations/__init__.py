"""The store of annotations: append-only revisions, optimistic writes, reads at any revision."""

from pathserve.annotations.query import AnnotationPage, AnnotationQuery
from pathserve.annotations.store import Added, AnnotationStore

__all__ = ["Added", "AnnotationPage", "AnnotationQuery", "AnnotationStore"]
