"""Questions to the store: filters, pages, and the state at any revision. Builds SQL; every value is a placeholder."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime

from pathserve.annotations.rows import COLUMNS, JOINS, to_annotation
from pathserve.db import Transaction, Value, as_int
from pathserve.errors import Invalid, NotFound
from pathserve.labels import Annotation


@dataclass(frozen=True, slots=True)
class AnnotationQuery:
    """Which annotations of one slide are asked for; an empty tuple or None leaves a filter out.

    Parameters
    ----------
    bbox
        (x0, y0, x1, y1) in level-0 pixels: annotations whose bounding box meets this half-open rectangle.
    as_of
        The state at this revision, or at this moment; None is now.
    exhaustive_only
        Only areas that are marked as exhaustively annotated.
    """

    slide: str
    bbox: tuple[float, float, float, float] | None = None
    classes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    min_score: float | None = None
    as_of: int | datetime | None = None
    exhaustive_only: bool = False


@dataclass(frozen=True, slots=True)
class AnnotationPage:
    """One page of an answer, in the order of the annotations' numbers.

    Parameters
    ----------
    revision
        The slide's revision whose state this is; later pages of the same cursor show the same one.
    next
        Cursor of the next page, or None at the end.
    """

    annotations: list[Annotation]
    revision: int
    next: str | None


def current_revision(tx: Transaction, slide: str) -> int:
    """Give the slide's newest revision; 0 before the first write.

    Raises
    ------
    NotFound
        When there is no such slide.
    """
    row = tx.row("select revision from slide where id = ?", slide)
    if row is None:
        raise NotFound("There is no such slide.")
    return as_int(row[0])


def resolve_revision(tx: Transaction, slide: str, as_of: int | datetime | None) -> int:
    """Turn a revision number or a moment into the revision that was current then.

    Raises
    ------
    Invalid
        When the number is negative or not yet reached.
    """
    newest = current_revision(tx, slide)
    if as_of is None:
        return newest
    if isinstance(as_of, datetime):
        try:
            moment = as_of.astimezone(UTC).isoformat(timespec="milliseconds")
        except OverflowError:
            raise Invalid("This time lies outside of the calendar.") from None
        row = tx.row("select coalesce(max(revision), 0) from revision where slide = ? and at <= ?", slide, moment)
        return as_int(row[0]) if row else 0
    if not 0 <= as_of <= newest:
        raise Invalid(f"This slide has the revisions 0 to {newest}.")
    return as_of


def read_page(tx: Transaction, query: AnnotationQuery, *, limit: int, cursor: str | None) -> AnnotationPage:
    """Read one page.

    Raises
    ------
    Invalid
        When the cursor is none of ours or the revision is not there.
    NotFound
        When there is no such slide.
    """
    newest = current_revision(tx, query.slide)
    if cursor is None:
        revision, after = resolve_revision(tx, query.slide, query.as_of), 0
    else:
        revision, after = _parse_cursor(cursor, newest)
    source, values = _source(revision, newest)
    conditions, more = _conditions(query)
    rows = tx.rows(
        f"select {COLUMNS} from {source} and v.slide = ? and v.deleted = 0 and h.number > ? {conditions} "  # noqa: S608 - placeholders only
        "order by h.number limit ?",
        *values,
        query.slide,
        after,
        *more,
        limit + 1,
    )
    annotations = [to_annotation(row) for row in rows[:limit]]
    following = _make_cursor(revision, annotations[-1].number) if len(rows) > limit else None
    return AnnotationPage(annotations, revision, following)


def _source(revision: int, newest: int) -> tuple[str, tuple[Value, ...]]:
    """Choose where a state is read from: the heads when it is the current one, else each id's last version by then."""
    if revision == newest:
        return f"feature_version v {JOINS} where v.revision = h.revision", ()
    last = "select max(w.revision) from feature_version w where w.id = v.id and w.revision <= ?"
    return f"feature_version v {JOINS} where v.revision = ({last})", (revision,)


def _conditions(query: AnnotationQuery) -> tuple[str, list[Value]]:
    text, values = "", list[Value]()
    if query.bbox is not None:
        x0, y0, x1, y1 = query.bbox
        # Half-open like every region; a box without extent (a point on the left edge) still counts.
        text += "and v.x0 < ? and v.x1 >= ? and v.y0 < ? and v.y1 >= ? "
        values += [x1, x0, y1, y0]
    for column, wanted in (
        ("v.class", query.classes),
        ("l.name", query.layers),
        ("v.author", query.authors),
        ("v.state", query.states),
    ):
        if wanted:
            text += f"and {column} in ({', '.join('?' * len(wanted))}) "
            values += wanted
    if query.min_score is not None:
        text += "and v.score >= ? "
        values.append(query.min_score)
    if query.exhaustive_only:
        text += "and v.exhaustive = 1 "
    return text, values


def _make_cursor(revision: int, number: int) -> str:
    return urlsafe_b64encode(f"{revision}.{number}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str, newest: int) -> tuple[int, int]:
    try:
        revision, number = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii").split(".")
        parsed = int(revision), int(number)
    except (binascii.Error, ValueError) as error:
        raise Invalid("This cursor is none that this server gave.") from error
    if not 0 <= parsed[0] <= newest or not 0 <= parsed[1] < 2**63:
        raise Invalid("This cursor is none that this server gave.")
    return parsed
