"""``pathserve annotations``: find, count and edit many, and the history of one."""

import sys
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import typer

from pathserve.annotations import DEFAULT_STATE, AnnotationQuery, Order, edit_found
from pathserve.cli.annotation_filters import with_question
from pathserve.cli.options import AUTHOR, AsJson, Data, usage
from pathserve.cli.output import Exit, counted, note, say, say_items, say_json, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.errors import Invalid, Stale
from pathserve.labels import Annotation, clean_name
from pathserve.server.features import feature_writer
from pathserve.server.models_search import SummaryModel
from pathserve.server.question_text import MAX_LIMIT

_COLUMNS = ("number", "id", "class", "layer", "state", "score", "author", "revision", "updated")
_FEW = 100

search = typer.Typer()

Id = Annotated[UUID, typer.Argument(metavar="ID", help="The annotation's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands to those about annotations."""
    app.add_typer(search)


@search.command("list")
@with_question
def list_annotations(
    asked: AnnotationQuery,
    *,
    order: Annotated[
        Order | None, typer.Option(metavar="O", help="Sorted by; a minus sign turns it round. Default: number.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="Most of them.")] = _FEW,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where the list before ended; with the same filters.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List annotations of a slide, in any order, as they are or were at a revision."""
    with open_rooms(data) as rooms:
        slide = rooms.catalog.slide(asked.slide)
        page = rooms.annotations.page(asked, limit=limit, cursor=cursor, order=order)
        if as_json:
            features = list(map(feature_writer(rooms.classes, slide), page.annotations))
            say_json({"items": features, "next": page.next, "revision": page.revision})
            return
    say_table(_COLUMNS, list(map(_row, page.annotations)), empty="There are none.")
    if page.next is not None:
        note(f"There are more: --cursor {page.next}")


@search.command("count")
@with_question
def count_annotations(asked: AnnotationQuery, *, data: Data = None, as_json: AsJson = False) -> None:
    """Count annotations of a slide exactly, all and by class, layer and state."""
    with open_rooms(data) as rooms:
        rooms.catalog.slide(asked.slide)
        summary = SummaryModel.of(rooms.annotations.summary(asked))
    if as_json:
        say_json(summary.model_dump())
        return
    kinds = {"class": summary.classes, "layer": summary.layers, "state": summary.states}
    rows = [(kind, "(none)" if c.name is None else c.name, f"{c.count:,}") for kind in kinds for c in kinds[kind]]
    say_table(("by", "name", "count"), rows, empty="There are none.")
    say(f"{counted(summary.total, 'annotation')}, revision {summary.revision}.")


@search.command("edit")
@with_question
def edit_annotations(
    asked: AnnotationQuery,
    *,
    set_class: Annotated[str | None, typer.Option(help="Their class from now on; an empty text for none.")] = None,
    set_state: Annotated[str | None, typer.Option(help="Their state from now on.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; `revert` brings each back.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Change class or state of all annotations that are found, or delete them; says first how many there are."""
    with usage():
        wanted = _wanted(set_class, set_state, delete=delete)
    with open_rooms(data) as rooms:
        rooms.catalog.slide(asked.slide)
        store = rooms.annotations
        found = store.summary(asked)
        seen = {"revision": found.revision, "found": found.total}
        if dry_run or not found.total:
            _tell_edit({**seen, "done": 0, "stale": 0}, as_json=as_json)
            return
        _confirm(found.total, delete=delete, yes=yes)
        made = edit_found(store, replace(asked, as_of=found.revision), author=AUTHOR, deleted=delete or None, **wanted)
    _tell_edit({**seen, "revision": made.revision, "done": made.done, "stale": made.stale}, as_json=as_json)
    if made.stale:
        raise typer.Exit(Exit.PARTLY if made.done else Exit.REFUSED)


@search.command("history")
def annotation_history(annotation: Id, data: Data = None, as_json: AsJson = False) -> None:
    """List every version of one annotation, oldest first, also of a deleted one."""
    with open_rooms(data) as rooms:
        versions = rooms.annotations.history(annotation)
        if as_json:
            write = feature_writer(rooms.classes, rooms.catalog.slide(versions[0].slide))
            say_items([write(version) | {"deleted": version.deleted} for version in versions])
            return
    columns = ("revision", "at", "author", "did", "class", "layer", "state")
    firsts = ["added", *["changed"] * (len(versions) - 1)]
    rows = [
        (v.revision, _moment(v), v.author, "deleted" if v.deleted else did, v.class_name, v.layer, _state(v))
        for v, did in zip(versions, firsts, strict=True)
    ]
    say_table(columns, rows, empty="There are none.")


@search.command("revert")
def revert_annotation(
    annotation: Id,
    revision: Annotated[int, typer.Argument(metavar="REVISION", help="The version to bring back, see `history`.")],
    seen: Annotated[
        int | None, typer.Option(help="Only if this revision is still the current one. Default: whichever is.")
    ] = None,
    data: Data = None,
) -> None:
    """Bring back an earlier version of one annotation as its next one; undeletes."""
    with open_rooms(data) as rooms:
        store = rooms.annotations
        expected = store.latest(annotation).revision if seen is None else seen
        try:
            written = store.revert(annotation, revision, expected=expected, author=AUTHOR)
        except Stale as error:
            raise Stale(f"{error.message} That is {error.revision}.", revision=error.revision) from error
    say(f"As at revision {revision} again, revision {written.revision}.")


def _wanted(set_class: str | None, set_state: str | None, *, delete: bool) -> dict[str, str | None]:
    """Check what an edit shall do.

    Raises
    ------
    Invalid
        When it would do nothing, or delete and change at once.
    """
    if delete == (set_class is not None or set_state is not None):
        raise Invalid("Give --set-class, --set-state or both; or --delete alone.")
    return {
        "class_name": clean_name(set_class, "class name") if set_class else set_class,
        "state": None if set_state is None else clean_name(set_state, "state"),
    }


def _confirm(count: int, *, delete: bool, yes: bool) -> None:
    """Ask before many annotations are changed.

    Raises
    ------
    typer.Abort
        When the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        found = f"{counted(count, 'annotation')} {'is' if count == 1 else 'are'} found"
        raise typer.BadParameter(f"{found}; without a terminal nothing is done but with --yes.")
    typer.confirm(f"{'Delete' if delete else 'Change'} {counted(count, 'annotation')}?", abort=True, err=True)


def _tell_edit(report: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        say_json(report)
        return
    say(f"{report['found']:,} found, {report['done']:,} changed, revision {report['revision']}.")
    if report["stale"]:
        note(f"{report['stale']:,} were changed by somebody else meanwhile and stay as they are.")


def _row(annotation: Annotation) -> tuple[object, ...]:
    score = annotation.properties.get("score")
    facts = (annotation.number, annotation.id, annotation.class_name, annotation.layer, _state(annotation), score)
    return (*facts, annotation.author, annotation.revision, _moment(annotation))


def _state(annotation: Annotation) -> object:
    return annotation.properties.get("state", DEFAULT_STATE)


def _moment(annotation: Annotation) -> str:
    return annotation.updated.isoformat(timespec="milliseconds")
