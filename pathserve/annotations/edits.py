"""Edits of many annotations at once: one transaction, one revision, and an answer for each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.heads import Head, adopt, contents_at
from pathserve.annotations.layers import is_removed
from pathserve.annotations.revisions import begin_revision, lock_slide
from pathserve.annotations.rows import DEFAULT_STATE, Content, content_with
from pathserve.annotations.schema import ensure_classes
from pathserve.annotations.versions import append_versions
from pathserve.db import Transaction, now
from pathserve.errors import Invalid, TooLarge

MAX_EDITS = 10_000
"""Most edits of one write."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What shall become of one annotation; what is None stays as it is.

    Parameters
    ----------
    expected
        The revision of this annotation that the writer saw; None when ``unless_changed_since`` says what was seen.
    class_name
        Its class from now on; an empty text for none.
    state
        Its review state from now on.
    properties
        Merged into its properties as JSON Merge Patch does (RFC 7396): null takes a member away.
    deleted
        True deletes it, False brings it back with what it said last.
    unless_changed_since
        The revision of the slide that the writer saw; only looked at where ``expected`` is None.

    Raises
    ------
    Invalid
        When neither revision is given.
    """

    id: UUID
    expected: int | None
    class_name: str | None = None
    state: str | None = None
    properties: Mapping[str, Any] | None = None
    deleted: bool | None = None
    unless_changed_since: int | None = None

    def __post_init__(self) -> None:
        if self.expected is None and self.unless_changed_since is None:
            raise Invalid("An edit names the revision that the writer saw.")


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that was made; ``revision`` is that of the new version."""

    id: UUID
    revision: int


@dataclass(frozen=True, slots=True)
class NotEdited:
    """An edit that was not made, and what is current instead.

    Parameters
    ----------
    revision
        The current revision; None when this slide has no such annotation.
    deleted
        Whether it is deleted now.
    """

    id: UUID
    revision: int | None
    deleted: bool


def apply_edits(
    tx: Transaction, reader: ChunkReader, slide: str, edits: Sequence[Edit], *, author: str
) -> list[Edited | NotEdited]:
    """Make those of some edits whose annotations are still as their writer saw them, as one revision.

    An edit of a deleted annotation is made when it brings it back. An edit that deletes keeps what was said.

    Returns
    -------
    An answer for each edit, in their order.

    Raises
    ------
    Invalid
        When an annotation is named twice, or an edit names a revision of the slide that is not reached yet.
    TooLarge
        When there are more than `MAX_EDITS` of them.
    """
    if len(edits) > MAX_EDITS:
        raise TooLarge(f"At most {MAX_EDITS:,} annotations are edited at once.")
    if any(count > 1 for count in Counter(edit.id for edit in edits).values()):
        raise Invalid("An annotation is edited once at a time.")
    locked = lock_slide(tx, slide)
    if any((edit.unless_changed_since or 0) > locked.revision for edit in edits):
        raise Invalid(f"This slide has the revisions 0 to {locked.revision}.")
    heads = adopt(tx, reader, [edit.id for edit in edits])
    removed = {layer for layer in {head.layer for head in heads.values()} if is_removed(tx, layer)}
    known = {i: head for i, head in heads.items() if head.slide == slide and head.layer not in removed}
    made = [edit for edit in edits if edit.id in known and _may(edit, known[edit.id])]
    if not made:
        return [_answer(edit, known, None) for edit in edits]
    classes = dict.fromkeys(edit.class_name for edit in made if edit.class_name)
    ensure_classes(tx, locked.project, ((name, None) for name in classes), author=author)
    before = contents_at(tx, reader, [(edit.id, known[edit.id].revision) for edit in made])
    changed = {
        edit.id: (known[edit.id], _after(edit, before[edit.id]), _is_deleted(edit, known[edit.id])) for edit in made
    }
    at = now()
    revision = begin_revision(tx, slide, author, at)
    append_versions(tx, revision, changed, author=author, at=at)
    done = set(changed)
    return [_answer(edit, known, revision if edit.id in done else None) for edit in edits]


def _may(edit: Edit, head: Head) -> bool:
    since = edit.unless_changed_since if edit.expected is None else None
    seen = edit.expected == head.revision if since is None else head.revision <= since
    return seen and (not head.deleted or edit.deleted is False)


def _is_deleted(edit: Edit, head: Head) -> bool:
    return head.deleted if edit.deleted is None else edit.deleted


def _answer(edit: Edit, known: Mapping[UUID, Head], revision: int | None) -> Edited | NotEdited:
    if revision is not None:
        return Edited(edit.id, revision)
    head = known.get(edit.id)
    return NotEdited(edit.id, None, deleted=False) if head is None else NotEdited(edit.id, head.revision, head.deleted)


def _after(edit: Edit, content: Content) -> Content:
    if edit.properties is not None or edit.state is not None:
        properties = _merged(orjson.loads(content.properties), edit.properties or {})
        if edit.state == DEFAULT_STATE:
            properties.pop("state", None)  # it goes without saying, as in what is imported
        elif edit.state is not None:
            properties["state"] = edit.state
        content = content_with(content, properties)
    if edit.class_name is not None:
        content = replace(content, class_name=edit.class_name or None)
    return content


def _merged(target: Any, patch: Any) -> Any:  # noqa: ANN401 - any JSON
    """Merge as RFC 7396, section 2, does."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), value)
    return found
