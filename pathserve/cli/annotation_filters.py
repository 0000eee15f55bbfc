"""Which annotations: the options that all commands about some annotations of a slide share."""

import inspect
import math
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any
from uuid import UUID

import typer

from pathserve.annotations import AnnotationQuery
from pathserve.annotations.filters import parse_filter
from pathserve.cli.options import usage
from pathserve.errors import Invalid
from pathserve.server.question_text import parse_as_of, parse_box, parse_polygon

Several = list[str] | None


def question(
    slide: Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")],
    *,
    bbox: Annotated[str | None, typer.Option(metavar="x0,y0,x1,y1", help="In level-0 pixels.")] = None,
    polygon: Annotated[
        str | None, typer.Option(metavar="x,y,x,y,...", help="That share a place with this ring, in level-0 pixels.")
    ] = None,
    class_: Annotated[Several, typer.Option("--class", help="Of this class; repeats.")] = None,
    layer: Annotated[Several, typer.Option(help="On this layer; repeats.")] = None,
    author: Annotated[Several, typer.Option(help="By this author; repeats.")] = None,
    state: Annotated[Several, typer.Option(help="In this state; repeats.")] = None,
    min_score: Annotated[float | None, typer.Option(help="Least score.")] = None,
    max_score: Annotated[float | None, typer.Option(help="Greatest score.")] = None,
    min_area: Annotated[float | None, typer.Option(help="Least area in square level-0 pixels.")] = None,
    max_area: Annotated[float | None, typer.Option(help="Greatest area in square level-0 pixels.")] = None,
    number: Annotated[list[int] | None, typer.Option(min=1, help="With this number on the slide; repeats.")] = None,
    id_: Annotated[list[UUID] | None, typer.Option("--id", help="With this id; repeats.")] = None,
    text: Annotated[str | None, typer.Option(help="Stands in a text of the properties, in any case.")] = None,
    filter_: Annotated[
        str | None, typer.Option("--filter", metavar="EXPR", help="Such as \"class = 'Tumor' AND area > 40\".")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="R", help="A revision, or an RFC 3339 time.")] = None,
) -> AnnotationQuery:
    """Make a question to the store of the options.

    Raises
    ------
    Invalid
        When an option makes no sense.
    """
    if not all(math.isfinite(bound) for bound in (min_score, max_score, min_area, max_area) if bound is not None):
        raise Invalid("Scores and areas are finite numbers.")
    return AnnotationQuery(
        slide,
        bbox=None if bbox is None else parse_box(bbox),
        polygon=None if polygon is None else parse_polygon(polygon),
        classes=tuple(class_ or ()),
        layers=tuple(layer or ()),
        authors=tuple(author or ()),
        states=tuple(state or ()),
        min_score=min_score,
        max_score=max_score,
        min_area=min_area,
        max_area=max_area,
        numbers=tuple(number or ()),
        ids=tuple(id_ or ()),
        text=text,
        where=None if filter_ is None else parse_filter(filter_),
        as_of=None if as_of is None else parse_as_of(as_of),
    )


def with_question(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take SLIDE and the options of `question`; it is given the question that they make first."""
    shared = inspect.signature(question).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401 - whatever the options are
        with usage():
            asked = question(**{name: given.pop(name) for name in shared})
        command(asked, **given)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared.values(), *own)]
    # Typer asks a command for its signature and its hints to learn what it takes.
    run.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run
