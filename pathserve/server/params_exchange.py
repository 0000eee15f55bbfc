"""Query parameters of imports and exports."""

from typing import Annotated, Literal

from pydantic import Field

from pathserve.exchange import FrameOptions, OnFileConflict, frame_options
from pathserve.labels import MAX_NAME
from pathserve.server.params import NoQuery
from pathserve.server.params_annotations import SearchQuery

_Format = Annotated[str, Field(max_length=40)]


class FrameQuery(NoQuery):
    """The frame of a file's coordinates."""

    origin: Literal["slide", "bounds"] | None = Field(
        None, description="Where (0, 0) is: the corner of level 0, or of what is not empty. Default: the format's."
    )
    unit: Literal["px", "um"] | None = Field(None, description="Default: the format's.")
    mpp: str | None = Field(
        None, max_length=100, description="`X` or `X,Y`: micrometres per pixel for `um`. Default: the slide's."
    )
    affine: str | None = Field(
        None,
        max_length=300,
        description="`a,b,c,d,e,f`: x' = a x + b y + c and y' = d x + e y + f, of the file's numbers before all else.",
    )
    option: list[str] = Field(
        [], max_length=20, description="What a format has to be told: `NAME=VALUE`; repeats. See the formats."
    )

    @property
    def frame(self) -> FrameOptions:
        """The frame as a value; raises `Invalid`."""
        return frame_options(origin=self.origin, unit=self.unit, mpp=self.mpp, affine=self.affine)


class ImportQuery(FrameQuery):
    """How a file of annotations is brought in."""

    format: _Format | None = Field(None, description="Name of the format; default: told by the content.")
    layer: str | None = Field(
        None, max_length=MAX_NAME, description="Layer name, made when absent; default: the caller's."
    )
    on_conflict: OnFileConflict = Field(
        "report", description="Of an id that is there with other content: refuse, give a new id, or write a version."
    )
    force: bool = Field(False, description="Keep repairs that lose more than 1 % of an outline's area.")


class ExportQuery(FrameQuery, SearchQuery):
    """Which annotations go out, in which format and frame."""

    format: _Format = Field("geojson", description="Name of the format.")
