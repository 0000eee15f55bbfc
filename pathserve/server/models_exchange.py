"""Shapes of the reports of imports and exports."""

from pydantic import BaseModel, Field

from pathserve.server.models import IssueModel, LossModel


class FrameModel(BaseModel):
    """A file's frame; null where the format itself says where things lie."""

    origin: str | None
    unit: str | None
    mpp: list[float] | None
    to_slide: list[float] = Field(description="a, b, c, d, e, f from the file's numbers to level-0 pixels.")


class FitModel(BaseModel):
    """How many of the vertices would lie on the slide, and on tissue, if the frame were this one; 0 to 1."""

    origin: str
    unit: str
    on_slide: float
    on_tissue: float | None = Field(description="Null: it is not known where the slide has tissue.")


class LayerCountModel(BaseModel):
    """How many features lie in a layer."""

    layer: str
    count: int


class ImportModel(BaseModel):
    """What an import did; of each list the first 1,000, and how many there are."""

    format: str
    layer: str
    revision: int
    read: int = Field(description="Features of the file: those created, there already, replaced and refused together.")
    created: int
    there_already: int = Field(description="With the same id and content: nothing new.")
    there_already_elsewhere: list[LayerCountModel] = Field(
        description="How many of those there already lie in other layers than the one asked for; they stay there."
    )
    replaced: int
    made_ids: int = Field(description="Features without an id; theirs are made from their content.")
    outside_slide: int = Field(description="Features that lie outside of the slide, at least in part; they are kept.")
    conflicts: list[IssueModel] = Field(
        description="Which of those created got an id of their own, because theirs was there with other content."
    )
    conflicts_count: int
    repaired: list[IssueModel]
    repaired_count: int
    refused: list[IssueModel]
    refused_count: int
    losses: list[LossModel]
    frame: FrameModel
    assumed: list[str] = Field(description="What nobody said: `format`, `origin`, `unit`.")
    fit: list[FitModel]


class FormatModel(BaseModel):
    """One format of annotations."""

    name: str = Field(description="What `format` calls it.")
    title: str
    endings: list[str]
    reads: bool
    writes: bool
    origin: str | None = Field(description="The frame of its coordinates by default; null: it says that itself.")
    unit: str | None


class FormatsModel(BaseModel):
    """All formats of annotations."""

    items: list[FormatModel]
    next: None = None


class ExportModel(BaseModel):
    """What an export writes."""

    format: str
    revision: int
    written: int
    losses: list[LossModel]
    frame: FrameModel
