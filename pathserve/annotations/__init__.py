"""The store of annotations: append-only revisions, optimistic writes, reads at any revision."""

from pathserve.annotations.bulk import BulkAdded, BulkWriter, OnConflict, sweep_unpublished
from pathserve.annotations.compaction import CompactionRule
from pathserve.annotations.differences import Difference, conflict_message
from pathserve.annotations.edits import MAX_EDITS, Edit, Edited, NotEdited
from pathserve.annotations.found_edits import EditedFound, edit_found
from pathserve.annotations.layers import LayerKind, Layers
from pathserve.annotations.query import AnnotationPage, AnnotationQuery, Order, Summary
from pathserve.annotations.revisions import Change
from pathserve.annotations.rows import DEFAULT_STATE
from pathserve.annotations.schema import ClassSchemas, SchemaVersion
from pathserve.annotations.store import AnnotationStore
from pathserve.annotations.versions import Added

__all__ = [
    "DEFAULT_STATE",
    "MAX_EDITS",
    "Added",
    "AnnotationPage",
    "AnnotationQuery",
    "AnnotationStore",
    "BulkAdded",
    "BulkWriter",
    "Change",
    "ClassSchemas",
    "CompactionRule",
    "Difference",
    "Edit",
    "Edited",
    "EditedFound",
    "LayerKind",
    "Layers",
    "NotEdited",
    "OnConflict",
    "Order",
    "SchemaVersion",
    "Summary",
    "conflict_message",
    "edit_found",
    "sweep_unpublished",
]
