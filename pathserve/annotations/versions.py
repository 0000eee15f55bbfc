"""The append-only table of versions and the table of heads: every write of annotations is made of these steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from pathserve.annotations.query import current_revision
from pathserve.annotations.rows import COLUMNS, JOINS, Content, to_annotation, to_content
from pathserve.annotations.schema import ensure_classes
from pathserve.db import Transaction, Value, as_int, as_real, now
from pathserve.errors import NotFound, Stale
from pathserve.labels import Annotation, FeatureIssue, NewAnnotation

_INSERT_VERSION = (
    "insert into feature_version (id, revision, slide, layer, previous, deleted, x0, y0, x1, y1, class, state, "
    "score, exhaustive, geometry, properties, drawn, author, at) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


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


@dataclass(frozen=True, slots=True)
class Head:
    """What is current of one annotation."""

    slide: str
    layer: int
    revision: int
    deleted: bool


def find_current(tx: Transaction, feature_id: UUID) -> Annotation | None:
    """Read the newest version, deleted or not; None when there never was one."""
    row = tx.row(
        f"select {COLUMNS} from feature_version v {JOINS} where v.id = ? and v.revision = h.revision",  # noqa: S608 - constants only
        str(feature_id),
    )
    return None if row is None else to_annotation(row)


def require_head(tx: Transaction, feature_id: UUID, expected: int) -> Head:
    """Read what is current and refuse when it is not the revision that the writer saw."""
    row = tx.row("select slide, layer, revision, deleted from head where id = ?", str(feature_id))
    if row is None:
        raise NotFound("There is no such annotation.")
    head = Head(str(row[0]), as_int(row[1]), as_int(row[2]), bool(row[3]))
    if head.revision != expected:
        raise Stale("This annotation was changed meanwhile; read it again and write with its current revision.")
    return head


def content_at(tx: Transaction, feature_id: UUID, revision: int) -> Content:
    """Read what one version says."""
    row = tx.row(
        "select x0, y0, x1, y1, class, state, score, exhaustive, geometry, properties, drawn from feature_version "
        "where id = ? and revision = ?",
        str(feature_id),
        revision,
    )
    if row is None:
        raise NotFound("There is no such annotation.")
    x0, y0, x1, y1, class_name, state, score, exhaustive, geometry, properties, drawn = row
    return Content(
        box=(as_real(x0), as_real(y0), as_real(x1), as_real(y1)),
        class_name=None if class_name is None else str(class_name),
        state=str(state),
        score=None if score is None else as_real(score),
        exhaustive=bool(exhaustive),
        geometry=str(geometry),
        properties=str(properties),
        drawn=None if drawn is None else str(drawn),
    )


def _next_revision(tx: Transaction, slide: str, author: str, at: str) -> int:
    revision = current_revision(tx, slide) + 1
    tx.run("update slide set revision = ? where id = ?", revision, slide)
    tx.run("insert into revision (slide, revision, author, at) values (?, ?, ?, ?)", slide, revision, author, at)
    return revision


def _version_row(
    feature_id: str,
    revision: int,
    slide: str,
    layer: int,
    previous: int | None,
    deleted: bool,
    content: Content,
    author: str,
    at: str,
) -> tuple[Value, ...]:
    return (
        feature_id,
        revision,
        slide,
        layer,
        previous,
        int(deleted),
        *content.box,
        content.class_name,
        content.state,
        content.score,
        int(content.exhaustive),
        content.geometry,
        content.properties,
        content.drawn,
        author,
        at,
    )


def append_version(
    tx: Transaction, feature_id: UUID, head: Head, content: Content, *, author: str, deleted: bool = False
) -> Annotation:
    """Append the next version and move the head to it; a new revision of the slide."""
    at = now()
    revision = _next_revision(tx, head.slide, author, at)
    row = _version_row(str(feature_id), revision, head.slide, head.layer, head.revision, deleted, content, author, at)
    tx.run(_INSERT_VERSION, *row)
    tx.run(
        "update head set revision = ?, deleted = ?, x0 = ?, y0 = ?, x1 = ?, y1 = ? where id = ?",
        revision,
        int(deleted),
        *content.box,
        str(feature_id),
    )
    annotation = find_current(tx, feature_id)
    if annotation is None:
        raise NotFound("There is no such annotation.")
    return annotation


def _layer_id(tx: Transaction, slide: str, name: str, author: str, at: str) -> int:
    row = tx.row("select id from layer where slide = ? and name = ?", slide, name)
    if row is None:
        tx.run("insert into layer (slide, name, author, created) values (?, ?, ?, ?)", slide, name, author, at)
        row = tx.row("select id from layer where slide = ? and name = ?", slide, name)
    return as_int(row[0]) if row else 0


def add_missing_classes(tx: Transaction, slide: str, new: Sequence[NewAnnotation]) -> None:
    """Add the classes that these annotations name to the schema of the slide's project."""
    row = tx.row("select project from slide where id = ?", slide)
    if row is None:
        raise NotFound("There is no such slide.")
    wanted = {item.class_name: item.class_color for item in reversed(new) if item.class_name is not None}
    ensure_classes(tx, str(row[0]), reversed(wanted.items()))


def add_batch(
    tx: Transaction, *, slide: str, batch: Sequence[NewAnnotation], start: int, layer: str, author: str
) -> Added:
    """Add some annotations as one revision; ``start`` is the place of the first one in the whole input."""
    ids = list[UUID | None]()
    refused = list[FeatureIssue]()
    fresh = dict[UUID, Content]()
    for place, item in enumerate(batch):
        content = to_content(item)
        feature_id = item.id or uuid4()
        there = fresh.get(feature_id) or _stored_content(tx, slide, feature_id)
        if there is None:
            fresh[feature_id] = content
        elif there != content:
            refused.append(
                FeatureIssue(start + place, "conflict", "An annotation of this id is there with other content.")
            )
            ids.append(None)
            continue
        ids.append(feature_id)
    if not fresh:
        return Added(ids, 0, refused, current_revision(tx, slide))
    add_missing_classes(tx, slide, batch)
    return Added(ids, len(fresh), refused, _insert(tx, slide, fresh, layer, author))


def _stored_content(tx: Transaction, slide: str, feature_id: UUID) -> Content | str | None:
    """Give the content of a live annotation of this slide, None when the id is free, a word when it is taken."""
    row = tx.row("select slide, revision, deleted from head where id = ?", str(feature_id))
    if row is None:
        return None
    if row[0] != slide or row[2]:
        return "taken"
    return content_at(tx, feature_id, as_int(row[1]))


def _insert(tx: Transaction, slide: str, fresh: dict[UUID, Content], layer: str, author: str) -> int:
    at = now()
    layer_id = _layer_id(tx, slide, layer, author, at)
    revision = _next_revision(tx, slide, author, at)
    row = tx.row("select last_number from slide where id = ?", slide)
    last = as_int(row[0]) if row else 0
    tx.run("update slide set last_number = ? where id = ?", last + len(fresh), slide)
    tx.run_many(
        _INSERT_VERSION,
        (
            _version_row(str(i), revision, slide, layer_id, None, False, content, author, at)
            for i, content in fresh.items()
        ),
    )
    tx.run_many(
        "insert into head (id, slide, number, layer, revision, deleted, x0, y0, x1, y1, created) "
        "values (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
        (
            (str(i), slide, last + n, layer_id, revision, *content.box, at)
            for n, (i, content) in enumerate(fresh.items(), start=1)
        ),
    )
    return revision
