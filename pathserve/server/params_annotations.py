"""Query parameters of addresses about annotations: which ones, in which order, as they were when."""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from pathserve.annotations import AnnotationQuery, Order
from pathserve.annotations.filters import Filter, parse_filter
from pathserve.catalog import SlideRecord
from pathserve.errors import Invalid
from pathserve.labels import MAX_NAME
from pathserve.server.params import Color, GridQuery, NoQuery, PageQuery, ViewQuery
from pathserve.server.question_text import Box, parse_as_of, parse_box, parse_polygon

MAX_NAMED = 1000
"""Most numbers, or ids, of one question."""

_MAX_CURSOR = 8 * MAX_NAME
"""It can hold a class name, of at most 4 bytes a character, in base64."""

_Number = Annotated[int, Field(ge=1, lt=2**63)]


class AsOfQuery(NoQuery):
    """The state at some time."""

    as_of: str | None = Field(None, description="A revision number, or an RFC 3339 time.")

    @property
    def as_of_value(self) -> int | datetime | None:
        """The revision or the moment that is asked for."""
        return None if self.as_of is None else parse_as_of(self.as_of)


class ClassesQuery(NoQuery):
    """A class schema at some time."""

    as_of: str | None = Field(None, description="A version number of the schema, or an RFC 3339 time.")

    @property
    def as_of_value(self) -> int | datetime | None:
        """The version or the moment that is asked for."""
        return None if self.as_of is None else parse_as_of(self.as_of)


class FilterQuery(AsOfQuery):
    """Which annotations; parameters that repeat mean "any of these", different ones hold together."""

    class_: list[str] = Field([], alias="class", description="Class name; repeats.")
    layer: list[str] = Field([], description="Layer name; repeats.")
    author: list[str] = Field([], description="Author; repeats.")
    state: list[str] = Field([], description="State; repeats.")
    min_score: float | None = Field(None, allow_inf_nan=False, description="Least score.")
    max_score: float | None = Field(None, allow_inf_nan=False, description="Greatest score.")
    min_area: float | None = Field(None, allow_inf_nan=False, description="Least area in square level-0 pixels.")
    max_area: float | None = Field(None, allow_inf_nan=False, description="Greatest area in square level-0 pixels.")
    number: list[_Number] = Field([], max_length=MAX_NAMED, description="Number on the slide; repeats.")
    id: list[str] = Field([], max_length=MAX_NAMED, description="Id; repeats.")
    polygon: str | None = Field(
        None,
        description=(
            "A ring in level-0 pixels, `x,y,x,y,...` or WKT `POLYGON((x y, x y, ...))`: annotations that share a place"
            " with it."
        ),
    )
    q: str | None = Field(
        None, min_length=1, max_length=MAX_NAME, description="Stands in a text of the properties, in any case."
    )
    filter: str | None = Field(
        None, description="A condition such as `class = 'Tumor' AND area > 40`, in a part of CQL2's text form."
    )

    @cached_property
    def _where(self) -> Filter | None:
        return None if self.filter is None else parse_filter(self.filter)

    @cached_property
    def _ring(self) -> tuple[tuple[float, float], ...] | None:
        return None if self.polygon is None else parse_polygon(self.polygon)

    @property
    def _ids(self) -> tuple[UUID, ...]:
        try:
            return tuple(map(UUID, self.id))
        except ValueError as error:
            raise Invalid("The parameter id: it must be a UUID.") from error

    def question(self, slide: SlideRecord, *, box: Box | None = None) -> AnnotationQuery:
        """Turn the parameters into a question to the store.

        Raises
        ------
        Invalid
            When a parameter makes no sense.
        """
        return AnnotationQuery(
            slide=slide.id,
            bbox=box,
            classes=tuple(self.class_),
            layers=tuple(self.layer),
            authors=tuple(self.author),
            states=tuple(self.state),
            min_score=self.min_score,
            max_score=self.max_score,
            min_area=self.min_area,
            max_area=self.max_area,
            numbers=tuple(self.number),
            ids=self._ids,
            polygon=self._ring,
            text=self.q,
            where=self._where,
            as_of=self.as_of_value,
        )


class SearchQuery(FilterQuery):
    """Which annotations, of which part of the slide."""

    bbox: str | None = Field(None, max_length=200, description="`x0,y0,x1,y1` in level-0 pixels, half-open.")

    def asked(self, slide: SlideRecord) -> AnnotationQuery:
        """Turn all parameters into a question to the store; raises as `question`."""
        return self.question(slide, box=None if self.bbox is None else parse_box(self.bbox))


class AnnotationsQuery(SearchQuery, PageQuery):
    """A page of annotations."""

    cursor: str | None = Field(
        None, max_length=_MAX_CURSOR, description="`next` of the answer before; the filters are repeated beside it."
    )
    order: Order | None = Field(
        None, description="What they are sorted by, number if nothing else; a minus sign turns it round."
    )

    @property
    def looks_at_all(self) -> bool:
        """Whether a page can take a look at every annotation of the slide, and not only at those that it gives."""
        return self.order not in (None, "number") or any((self.filter, self.q, self.polygon))


class VectorTileQuery(FilterQuery):
    """A vector tile."""

    r: int | None = Field(
        None, ge=0, lt=2**63, description="A revision of the slide: the state of then, immutable for caches."
    )


class LayerQuery(NoQuery):
    """Where new annotations go."""

    layer: str | None = Field(None, max_length=200, description="Layer name, made when absent; default: the caller's.")


class MaskQuery(GridQuery, FilterQuery):
    """A mask on the same grid as a region."""

    kind: Literal["semantic", "instance", "boundary", "distance", "coverage"] = "semantic"
    format: Literal["png", "npy"] = "png"


class PairQuery(GridQuery, FilterQuery, ViewQuery):
    """A region and its mask."""

    kind: Literal["semantic", "instance", "boundary", "distance", "coverage"] = "semantic"
    color: Color = "source"
    format: Literal["npz"] = "npz"
