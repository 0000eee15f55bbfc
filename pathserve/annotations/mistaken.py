"""Names of layers and classes that somebody asks for and that are not there."""

from collections.abc import Sequence

from pathserve.annotations.query import AnnotationQuery
from pathserve.annotations.store import AnnotationStore
from pathserve.errors import NotFound
from pathserve.labels import ClassSchema

_MOST_NAMED = 20


def require_layers(store: AnnotationStore, query: AnnotationQuery) -> None:
    """Refuse a layer that is mistaken: a file with nothing in it would look like an answer.

    Raises
    ------
    NotFound
        When a layer is asked for that is not there at the query's revision.
    """
    if not query.layers:
        return
    there = store.layer_names(query.slide, store.resolve(query.slide, query.as_of))
    if not set(query.layers) <= set(there):
        raise NotFound(f"There is no such layer. Layers are: {_named(there)}." if there else "There are no layers yet.")


def require_classes(schema: ClassSchema, query: AnnotationQuery) -> None:
    """Refuse a class that is mistaken: a mask with nothing in it would look like background.

    Raises
    ------
    NotFound
        When a class is asked for that the project does not have.
    """
    there = [entry.name for entry in schema]
    if not set(query.classes) <= set(there):
        known = f"There is no such class. Classes are: {_named(there)}."
        raise NotFound(known if there else "This project has no classes yet.")


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
