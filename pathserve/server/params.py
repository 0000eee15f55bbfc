"""Query parameters: one model per kind of address, which parses them, limits them and describes them."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Literal, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from starlette.datastructures import QueryParams

from pathserve.catalog import SlideFilter, SlideRecord
from pathserve.errors import Invalid
from pathserve.geometry import PixelGrid
from pathserve.jobs import State
from pathserve.labels import MAX_NAME
from pathserve.server.question_text import MAX_LIMIT
from pathserve.tiles import DEFAULT_VIEW, ImageFormat, PictureFormat, View, colour
from pathserve.tiles.view import parse_channels, parse_depth

_SHORT = 256  # bytes of a query string that is worth remembering
_M = TypeVar("_M", bound=BaseModel)
_T = TypeVar("_T")

_NO_OBJECT = frozenset({"model_type", "model_attributes_type"})

_MAX_DEPTH = 20  # characters of a plane, or of two

Color = Annotated[
    colour.Color,
    Field(description="`source`: the scan's own values; `srgb`: converted by the scan's ICC profile."),
]


class NoQuery(BaseModel):
    """An address without parameters; one that it does not know is refused, so that no typing error goes unseen."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class PageQuery(NoQuery):
    """A page of a list."""

    limit: int = Field(1000, ge=1, le=MAX_LIMIT, description="Most items of one answer.")
    cursor: str | None = Field(None, max_length=200, description="`next` of the answer before.")

    @property
    def offset(self) -> int:
        """The cursor as a number, for lists that are paged by one."""
        cursor = self.cursor or "0"
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise Invalid("This cursor is none that this server gave.")
        return int(cursor)

    def page(self, items: Sequence[_T]) -> tuple[Sequence[_T], str | None]:
        """Cut one page out of a whole list; gives it and the next cursor."""
        end = self.offset + self.limit
        return items[self.offset : end], str(end) if end < len(items) else None


class SlidesQuery(PageQuery):
    """A page of slides."""

    project: str | None = Field(None, max_length=MAX_NAME, description="Only slides of this project.")
    case: str | None = Field(None, max_length=MAX_NAME, description="Only slides of this case.")
    patient: str | None = Field(None, max_length=MAX_NAME, description="Only slides of this patient (pseudonym).")
    stain: str | None = Field(None, max_length=MAX_NAME, description="Only slides of this stain.")
    q: str = Field(
        "",
        max_length=MAX_NAME,
        description="Words, each in the slide's name, id, project, case, patient or stain.",
    )

    def filter(self, projects: Sequence[str] | None) -> SlideFilter:
        """Give what is asked for, of the projects that the caller may know of (None: all)."""
        return SlideFilter(projects, self.project, self.case, self.patient, self.stain, self.q)


class OriginalsSearch(PageQuery):
    """A page of what pseudonyms stand for; sent as a body, since the text names people and addresses end in logs."""

    q: str = Field("", max_length=MAX_NAME, description="Stands in the original or in the pseudonym, in any case.")
    kind: Literal["patient", "case", "slide"] | None = Field(None, description="Only originals of this kind.")
    project: str | None = Field(None, max_length=MAX_NAME, description="Only patients and cases of this project.")


class JobsQuery(PageQuery):
    """A page of jobs."""

    state: State | None = Field(None, description="Only jobs in this state.")
    project: str | None = Field(None, max_length=MAX_NAME, description="Only jobs of this project.")

    @property
    def before(self) -> int | None:
        """The number of a job before which the page begins."""
        return None if self.cursor is None else self.offset

    def projects(self, known: list[str] | None) -> list[str] | None:
        """Give the projects that are asked for, of those that the caller may know of (None: all)."""
        if self.project is None:
            return known
        return [self.project] if known is None or self.project in known else []


class ViewQuery(NoQuery):
    """Which planes of a slide a picture shows, and how."""

    c: list[str] = Field(
        [],
        description=(
            "Channels, from 0: `0,2`; default all. Behind each, in any order, a colour, a window (`start-end` or"
            " `auto`) and a gamma: `0:ff0000:100-4000:0.8,2:auto`. A colour scan has nothing to choose."
        ),
    )
    z: str | None = Field(
        None,
        max_length=_MAX_DEPTH,
        description=(
            "Plane of a stack, from 0; default the middle one. `max`, or `3-9`: the greatest value over all planes, or"
            " over these."
        ),
    )
    t: int = Field(0, ge=0, lt=1 << 31, description="Point in time, from 0.")

    @field_validator("c", "z", mode="before")
    @classmethod
    def _text(cls, given: object) -> object:
        # In a body of JSON, numbers may stand as numbers.
        if isinstance(given, list):
            return [cls._text(each) for each in given]
        return str(given) if isinstance(given, int) and not isinstance(given, bool) else given

    @field_validator("c")
    @classmethod
    def _channels(cls, given: list[str]) -> list[str]:
        parse_channels(given)
        return given

    @field_validator("z")
    @classmethod
    def _depth(cls, given: str | None) -> str | None:
        if given is not None:
            parse_depth(given)
        return given

    @cached_property
    def view(self) -> View:
        """The planes as values."""
        if not self.c and self.z is None and not self.t:
            return DEFAULT_VIEW
        return View(parse_channels(self.c), None if self.z is None else parse_depth(self.z), self.t)


class GenerationQuery(NoQuery):
    """A picture that was made of a slide."""

    g: int | None = Field(None, description="The slide's generation; a caller's own mark, which changes nothing.")


class SamplesQuery(ViewQuery):
    """Samples of a tile."""

    g: int | None = Field(None, description="The slide's generation; makes the answer immutable for caches.")


class ImageQuery(ViewQuery):
    """An image address."""

    g: int | None = Field(None, description="The slide's generation; makes the answer immutable for caches.")
    color: Color = "source"


class DeepZoomQuery(ImageQuery):
    """A Deep Zoom description, and its tiles: viewers ask for those with the parameters of the description."""

    format: PictureFormat = Field(
        "jpeg", description="Which tiles the description names; of a tile, the ending of its address counts."
    )


class FileQuery(NoQuery):
    """A file of a slide as it is stored."""

    g: int | None = Field(None, description="The slide's generation; makes the answer immutable for caches.")


class ThumbnailQuery(ImageQuery):
    """A thumbnail."""

    size: int = Field(512, ge=16, le=4096, description="Longer side in pixels.")
    format: PictureFormat | None = Field(None, description="Default: what `Accept` would rather have, else `jpeg`.")


class PictureQuery(NoQuery):
    """A picture that is no part of a slide's pixels."""

    format: PictureFormat | None = Field(None, description="Default: what `Accept` would rather have, else `jpeg`.")


class GridQuery(NoQuery):
    """An output pixel grid: corner in level-0 pixels, size in output pixels, and how coarse."""

    x: float = Field(allow_inf_nan=False, description="Left edge in level-0 pixels.")
    y: float = Field(allow_inf_nan=False, description="Top edge in level-0 pixels.")
    width: int = Field(ge=1, le=1_000_000, description="Output pixels across.")
    height: int = Field(ge=1, le=1_000_000, description="Output pixels down.")
    mpp: float | None = Field(None, gt=0, allow_inf_nan=False, description="Micrometres per output pixel.")
    downsample: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Level-0 pixels per output pixel; default 1."
    )

    @model_validator(mode="after")
    def _one_scale(self) -> "GridQuery":
        if self.mpp is not None and self.downsample is not None:
            raise ValueError("give mpp or downsample, not both")
        return self

    def grid(self, slide: SlideRecord, *, max_pixels: int) -> PixelGrid:
        """Give the grid on this slide.

        Raises
        ------
        Invalid
            When mpp is asked for of a slide that states none, or an implausible one.
        TooLarge
            When it has more than ``max_pixels`` pixels.
        """
        if self.mpp is not None:
            slide_mpp = slide.require_mpp()
            grid = PixelGrid.at_mpp(self.x, self.y, self.width, self.height, mpp=self.mpp, slide_mpp=slide_mpp)
        else:
            scale = self.downsample or 1.0
            grid = PixelGrid(self.x, self.y, self.width, self.height, scale, scale)
        grid.require_at_most(max_pixels)
        return grid


class RegionQuery(GridQuery, ImageQuery):
    """A region of pixels."""

    format: ImageFormat | None = Field(None, description="Default: what `Accept` would rather have, else `jpeg`.")


def parse_query(query_string: bytes, model: type[_M]) -> _M:
    """Parse a query string by its model.

    Raises
    ------
    Invalid
        With the first thing that is wrong, by parameter; never with the value, which could be anything.
    """
    if len(query_string) > _SHORT:
        return _parse(query_string, model)
    return model.model_validate(_parse_short(query_string, model))


@lru_cache(maxsize=4096)
def _parse_short(query_string: bytes, model: type[BaseModel]) -> BaseModel:
    # All tiles of a view have the same query; parsing it costs as much as finding the tile.
    return _parse(query_string, model)


def _parse(query_string: bytes, model: type[_M]) -> _M:
    given = QueryParams(query_string)
    values: dict[str, object] = {}
    repeated = {info.alias or name for name, info in model.model_fields.items() if get_origin(info.annotation) is list}
    for name in given:
        all_values = given.getlist(name)
        if name in repeated:
            values[name] = all_values
        elif len(all_values) > 1:
            raise Invalid(f"The parameter {_safe(name)} stands more than once.")
        else:
            values[name] = all_values[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    place, kind, message = _first_mistake(error)
    name = next((_safe(part) for part in place if isinstance(part, str)), "")
    if kind == "missing":
        return f"The parameter {name} is missing."
    if kind == "extra_forbidden":
        return f"This address has no parameter {name}."
    return f"The parameter {name}: {message}." if name else f"The parameters: {message}."


def body_sentence(error: ValidationError) -> str:
    """Tell what is wrong with a JSON body, as `parse_query` does of parameters: its first mistake, never a value.

    What stands in a list is named by its index from 0: ``edits[3].class``.
    """
    place, kind, message = _first_mistake(error)
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{_safe(part)}" for part in place).removeprefix(".")
    if kind == "missing":
        return f"The body's member {name} is missing."
    if kind == "extra_forbidden":
        return f"The body has no member {name}."
    return f"The body's member {name}: {message}." if name else f"The body: {message}."


def _first_mistake(error: ValidationError) -> tuple[tuple[str | int, ...], str, str]:
    """Give where the first mistake is, by names and places in lists, its kind, and what it is in plain words."""
    first = error.errors(include_url=False, include_input=False)[0]
    # Of these pydantic tells which of our classes it would have.
    message = "it must be an object" if first["type"] in _NO_OBJECT else first["msg"].removeprefix("Value error, ")
    return first["loc"], first["type"], message


def _safe(name: str) -> str:
    return name if len(name) <= 40 and name.replace("_", "").isalnum() else "given"
