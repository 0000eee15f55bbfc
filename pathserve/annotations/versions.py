"""The append-only table of versions and the table of heads: every write of annotations is made of these steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.differences import Difference, conflict_message
from pathserve.annotations.heads import (
    INSERT_HEAD,
    INSERT_VERSION,
    Head,
    Place,
    contents_at,
    each_version,
    find_firsts,
    find_heads,
    find_places,
    move_heads,
    override,
    release_unpublished,
)
from pathserve.annotations.layers import ensure_layer, is_name_of_removed, is_removed, layers_at
from pathserve.annotations.paging import annotations_of
from pathserve.annotations.revisions import (
    NAMED_IDS,
    Box,
    ChangeKind,
    begin_revision,
    current_revision,
    note_change,
    reserve_numbers,
    union_of,
)
from pathserve.annotations.rows import COLUMNS, JOINS, Content, content_of_row, to_annotation, to_content, version_row
from pathserve.annotations.schema import ensure_classes
from pathserve.db import Transaction, now
from pathserve.errors import NotFound
from pathserve.labels import Annotation, FeatureIssue, NewAnnotation


@dataclass(frozen=True, slots=True)
class Added:
    """What a write of many did.

    Parameters
    ----------
    ids
        One for each annotation of the input, in its order; None where it was refused.
    created
        How many are new; the others were there already with the same content.
    refused
        Conflicts, with the index into the input.
    revision
        The slide's revision after the write.
    """

    ids: list[UUID | None]
    created: int
    refused: list[FeatureIssue]
    revision: int


@dataclass(slots=True)
class Touched:
    """What a revision has done to one layer in one way so far; ``ids`` are the first `NAMED_IDS`."""

    slide: str
    box: Box
    count: int = 0
    ids: list[UUID] = field(default_factory=list)


Touches = dict[tuple[int, ChangeKind], Touched]


def find_current(tx: Transaction, reader: ChunkReader, feature_id: UUID) -> Annotation | None:
    """Read the newest version, deleted or not; None when there never was one.

    One whose layer was removed counts as deleted.
    """
    row = tx.row(
        f"select {COLUMNS} from feature_version v {JOINS} where v.id = ? and v.revision = h.revision",  # noqa: S608 - constants only
        str(feature_id),
    )
    if row is not None:
        found = to_annotation(row)
    else:
        place = find_places(tx, [feature_id]).get(feature_id)
        if place is None:
            return None
        found = _in_chunk(tx, reader, place)
    (named,) = _with_last_names(tx, [found])
    return replace(named, deleted=True) if is_name_of_removed(found.layer) else found


def read_history(tx: Transaction, reader: ChunkReader, feature_id: UUID) -> list[Annotation]:
    """Read every version of one annotation, oldest first; none when there never was one."""
    rows = tx.rows(
        f"select {COLUMNS} from feature_version v {JOINS} where v.id = ? order by v.revision",  # noqa: S608 - constants only
        str(feature_id),
    )
    place = find_firsts(tx, [feature_id]).get(feature_id)
    if place is None and not rows:
        place = find_places(tx, [feature_id]).get(feature_id)
    places = [] if place is None else [place for _, place in each_version(tx, reader, place)]
    found = [_in_chunk(tx, reader, place) for place in reversed(places)] + [to_annotation(row) for row in rows]
    return _with_last_names(tx, found)


def _with_last_names(tx: Transaction, found: list[Annotation]) -> list[Annotation]:
    """Name removed layers, in versions of one annotation, as they were called last."""
    if not any(is_name_of_removed(each.layer) for each in found):
        return found
    layers = layers_at(tx, found[0].slide, current_revision(tx, found[0].slide))
    return [
        replace(each, layer=layers[int(each.layer[1:])].layer.name) if is_name_of_removed(each.layer) else each
        for each in found
    ]


def _in_chunk(tx: Transaction, reader: ChunkReader, place: Place) -> Annotation:
    (columns,) = reader.columns(tx, [place.ref], properties=True)
    row = tx.row("select name from layer where id = ?", place.ref.layer)
    layer = str(row[0]) if row else ""
    return annotations_of(tx, place.slide, layer, columns, [place.row])[0]


def append_versions(
    tx: Transaction,
    revision: int,
    changed: Mapping[UUID, tuple[Head, Content, bool]],
    *,
    author: str,
    at: str,
) -> None:
    """Append the next version of some annotations of one slide as one revision, and note what it did.

    Parameters
    ----------
    changed
        By id: the head that the writer saw, what the next version says, and whether it is a deletion.
    """
    touches: Touches = {}
    write_versions(tx, revision, changed, touches, author=author, at=at)
    note_touches(tx, revision, touches)


def write_versions(
    tx: Transaction,
    revision: int,
    changed: Mapping[UUID, tuple[Head, Content, bool]],
    touches: Touches,
    *,
    author: str,
    at: str,
) -> None:
    """Append versions as `append_versions` does and add what was done to ``touches``, for `note_touches` in the end."""
    move_heads(tx, revision, {i: (head, content.box, deleted) for i, (head, content, deleted) in changed.items()})
    tx.run_many(
        "update feature_version set until = ? where id = ? and revision = ? and until is null",
        ((revision, str(i), head.revision) for i, (head, _, _) in changed.items()),
    )
    tx.run_many(
        INSERT_VERSION,
        (
            version_row(str(i), revision, head.slide, head.layer, head.revision, deleted, content, author=author, at=at)
            for i, (head, content, deleted) in changed.items()
        ),
    )
    override(tx, changed, revision)
    for i, (head, content, deleted) in changed.items():
        touch = touches.setdefault((head.layer, "deleted" if deleted else "updated"), Touched(head.slide, head.box))
        touch.count += 1
        touch.box = union_of((touch.box, head.box, content.box))
        if touch.count <= NAMED_IDS:
            touch.ids.append(i)


def note_touches(tx: Transaction, revision: int, touches: Touches) -> None:
    """Note what a revision did to layers."""
    for (layer, kind), touch in touches.items():
        ids = touch.ids if touch.count <= NAMED_IDS else []
        note_change(tx, touch.slide, revision, layer, kind, count=touch.count, ids=ids, box=touch.box)


def add_missing_classes(tx: Transaction, slide: str, new: Sequence[NewAnnotation], *, author: str = "") -> None:
    """Add the classes that these annotations name to the schema of the slide's project."""
    row = tx.row("select project from slide where id = ?", slide)
    if row is None:
        raise NotFound("There is no such slide.")
    wanted = {item.class_name: item.class_color for item in reversed(new) if item.class_name is not None}
    ensure_classes(tx, str(row[0]), reversed(wanted.items()), author=author)


def add_batch(
    tx: Transaction,
    reader: ChunkReader,
    *,
    slide: str,
    batch: Sequence[NewAnnotation],
    layer: str,
    author: str,
) -> Added:
    """Add some annotations as one revision."""
    ids = list[UUID | None]()
    refused = list[FeatureIssue]()
    fresh = dict[UUID, Content]()
    stored = stored_contents(tx, reader, slide, [item.id for item in batch if item.id is not None])
    for place, item in enumerate(batch):
        content = to_content(item)
        feature_id = item.id or uuid4()
        there = fresh.get(feature_id) or stored.get(feature_id)
        if there is None:
            fresh[feature_id] = content
        elif difference := _difference(there, content, is_repeated=feature_id in fresh):
            refused.append(conflict_at(place, difference))
            ids.append(None)
            continue
        ids.append(feature_id)
    if not fresh:
        return Added(ids, 0, refused, current_revision(tx, slide))
    add_missing_classes(tx, slide, batch, author=author)
    release_unpublished(tx, [item.id for item in batch if item.id in fresh])
    return Added(ids, len(fresh), refused, _insert(tx, slide, fresh, layer, author))


def _difference(there: Content | str, content: Content, *, is_repeated: bool) -> Difference:
    """Tell in what an annotation differs from what is there under its id, if in anything."""
    if isinstance(there, str):
        return Difference.ELSEWHERE | Difference.DELETED
    found = there.differences(content)
    return Difference.REPEATED if found and is_repeated else found


def conflict_at(index: int, difference: Difference) -> FeatureIssue:
    """Say why the id of the annotation at this place of the input is not free."""
    return FeatureIssue(index, "conflict", conflict_message(difference))


def stored_contents(tx: Transaction, reader: ChunkReader, slide: str, ids: Sequence[UUID]) -> dict[UUID, Content | str]:
    """Give what live annotations of this slide say, and a word for ids that are taken; free ids are left out."""
    found = dict[UUID, Content | str]()
    heads = find_heads(tx, ids)
    removed = {layer for layer in {head.layer for head in heads.values()} if is_removed(tx, layer)}
    live = dict[UUID, int]()
    for i, head in heads.items():
        if head.slide != slide or head.deleted or head.layer in removed:
            found[i] = "taken"
        else:
            live[i] = head.revision
    found |= contents_at(tx, reader, list(live.items()))
    for i, place in find_places(tx, [i for i in ids if i not in heads]).items():
        if place.slide != slide or is_removed(tx, place.ref.layer):
            found[i] = "taken"
        else:
            (columns,) = reader.columns(tx, [place.ref], properties=True)
            found[i] = content_of_row(columns, place.row)
    return found


def _insert(tx: Transaction, slide: str, fresh: dict[UUID, Content], layer: str, author: str) -> int:
    at = now()
    layer_id = ensure_layer(tx, slide, layer, author=author, at=at).id
    revision = begin_revision(tx, slide, author, at)
    number = reserve_numbers(tx, slide, len(fresh))
    tx.run_many(
        INSERT_VERSION,
        (
            version_row(str(i), revision, slide, layer_id, None, False, content, author=author, at=at)
            for i, content in fresh.items()
        ),
    )
    tx.run_many(
        INSERT_HEAD,
        (
            (str(i), slide, number + n, layer_id, revision, 0, *content.box, at, revision, None, None)
            for n, (i, content) in enumerate(fresh.items())
        ),
    )
    boxes = union_of(content.box for content in fresh.values())
    note_change(tx, slide, revision, layer_id, "created", count=len(fresh), ids=list(fresh), box=boxes)
    return revision
