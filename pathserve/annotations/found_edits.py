"""One change to all that a question finds, however many they are."""

from dataclasses import dataclass, replace
from uuid import UUID

from pathserve.annotations.edits import MAX_EDITS, Edit, Edited
from pathserve.annotations.query import AnnotationQuery
from pathserve.annotations.store import AnnotationStore

_ID = 16
"""Bytes of an id."""


@dataclass(frozen=True, slots=True)
class EditedFound:
    """What became of a change to all that a question found.

    Parameters
    ----------
    done
        How many annotations have a new version.
    stale
        How many were changed, deleted or taken away since the revision that was looked at; they stay as they are.
    revision
        The slide's revision of now.
    """

    done: int
    stale: int
    revision: int


def edit_found(
    store: AnnotationStore,
    query: AnnotationQuery,
    *,
    author: str,
    class_name: str | None = None,
    state: str | None = None,
    deleted: bool | None = None,
) -> EditedFound:
    """Change all annotations of an answer; each `MAX_EDITS` of them are one revision.

    Memory: the ids of the answer, 16 bytes each.

    Parameters
    ----------
    query
        Which ones, in the state of ``as_of``: what was changed since then is left alone.
    class_name, state, deleted
        As in `Edit`.
    """
    seen = store.resolve(query.slide, query.as_of)
    # All are found before the first one is changed: nobody asks a slide what it is like while it changes.
    columns = store.columns(replace(query, as_of=seen), properties=False)
    found = b"".join(some.ids.tobytes() for some in columns)
    done = 0
    for start in range(0, len(found), MAX_EDITS * _ID):
        ids = found[start : start + MAX_EDITS * _ID]
        edits = [
            Edit(UUID(bytes=ids[at : at + _ID]), None, class_name, state, None, deleted, unless_changed_since=seen)
            for at in range(0, len(ids), _ID)
        ]
        done += sum(isinstance(answer, Edited) for answer in store.edit_many(query.slide, edits, author=author))
    return EditedFound(done, len(found) // _ID - done, store.revision(query.slide))
