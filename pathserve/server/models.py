"""Shapes of JSON answers: what the handlers fill in is what the interface's description shows."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pathserve.access import Action, Actor, Resource, Role, allow
from pathserve.catalog import SlideFacts, SlideRecord
from pathserve.catalog.judgements import StoredJudgement


class ProblemModel(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable name of the cause, for programs.")
    detail: str = Field(description="One sentence for people.")
    request_id: str = Field(description="Names this request in the server's log.")


class SessionModel(BaseModel):
    """Who is asking."""

    user: str
    role: str
    project: str | None
    can_annotate: bool
    can_ingest: bool = Field(description="Whether the caller may bring scans in, and see ingest jobs.")
    can_see_originals: bool = Field(description="Whether the caller may see what pseudonyms stand for.")

    @classmethod
    def of(cls, actor: Actor) -> "SessionModel":
        """Describe an actor."""
        return cls(
            user=actor.name,
            role=actor.role,
            project=actor.project,
            can_annotate=actor.role is not Role.VIEWER,
            can_ingest=allow(actor, Action.SLIDE_INGEST, Resource()).allowed,
            can_see_originals=allow(actor, Action.PSEUDONYMS, Resource()).allowed,
        )


class ChannelModel(BaseModel):
    """One channel."""

    name: str
    color: tuple[int, int, int]


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in level-0 pixels; half-open."""


class HintModel(BaseModel):
    """Something that somebody should look at before the slide is used."""

    kind: str
    share: float | None
    boxes: list[Box] = Field(description="The largest or worst places, `[x0, y0, x1, y1]` in level-0 pixels.")
    sentence: str


class QualityModel(BaseModel):
    """What was found about a slide's quality."""

    tissue_share: float = Field(description="Share of the scanned area that is tissue.")
    focus: float | None = Field(description="Share of the tiles looked at that are in focus.")
    hints: list[HintModel]


class FocusTileModel(BaseModel):
    """A tile that was looked at."""

    box: Box
    blur: float | None = Field(description="In level-0 pixels.")


class QualityDetailModel(BaseModel):
    """All that was found about a slide's quality; empty with a `reason` when it could not be judged."""

    reason: str | None
    tissue_share: float | None = None
    focus: float | None = None
    hints: list[HintModel] = Field([])
    parts: list[Box] = Field([], description="The pieces of tissue, largest first.")
    blur_limit: float | None = Field(None, description="Blur in pixels from which a tile counts as out of focus.")
    tiles: list[FocusTileModel] = Field([])
    mask_downsample: float | None = Field(None, description="Level-0 pixels per pixel of the tissue mask.")


class SlideModel(BaseModel):
    """One slide of the catalog; sizes in level-0 pixels, mpp in micrometres per level-0 pixel (null: not stated)."""

    id: str
    name: str
    project: str
    width: int
    height: int
    mpp_x: float | None
    mpp_y: float | None
    mpp_plausible: bool = Field(description="False when the scan states a size that no microscope has.")
    objective_power: float | None
    levels: int = Field(description="Stored resolutions, each half of the one before.")
    tile_size: int
    channels: list[ChannelModel]
    planes: int
    times: int
    dtype: str = Field(description="Numpy name of the type of its samples.")
    status: str
    generation: int = Field(description="Changes with the stored pixels; the `g` of image addresses.")
    created: str
    annotations: int = Field(description="How many annotations there are now.")
    case: str | None = Field(description="Pseudonym of its case.")
    patient: str | None = Field(description="Pseudonym of its patient.")
    stain: str | None
    quality: QualityModel | None = Field(description="Null when nobody has judged these pixels.")

    @classmethod
    def of(cls, slide: SlideRecord, annotations: int, judgement: StoredJudgement | None) -> "SlideModel":
        """Describe a slide; its content hash is not for everybody."""
        return cls(
            id=slide.id,
            name=slide.name,
            project=slide.project,
            width=slide.width,
            height=slide.height,
            mpp_x=None if slide.mpp is None else slide.mpp.x,
            mpp_y=None if slide.mpp is None else slide.mpp.y,
            mpp_plausible=slide.mpp_plausible,
            objective_power=slide.objective_power,
            levels=slide.levels,
            tile_size=slide.tile_size,
            channels=[ChannelModel(name=c.name, color=c.color) for c in slide.channels],
            planes=slide.planes,
            times=slide.times,
            dtype=slide.dtype,
            status=slide.status,
            generation=slide.generation,
            created=slide.created.isoformat(timespec="milliseconds"),
            annotations=annotations,
            case=slide.case,
            patient=slide.patient,
            stain=slide.stain,
            quality=None if judgement is None or judgement.summary is None else QualityModel(**judgement.summary),
        )


class ColorModel(BaseModel):
    """How a slide's colours become those of a screen, the same in every picture of it."""

    profile: bool = Field(description="Whether the scan states its colours by an ICC profile.")
    converted: bool = Field(description="Whether `color=srgb` differs from `source`; not with a profile that is sRGB.")
    intent: str | None = Field(description="Rendering intent of the conversion.")
    black_point_compensation: bool


class SlideDetailModel(SlideModel):
    """One slide with what takes a look at its pixels' description, and its annotations' revision."""

    revision: int = Field(description="The newest revision of its annotations; 0 before the first.")
    color: ColorModel | None = Field(description="Null when the stored slide cannot be opened.")


class SlidePage(BaseModel):
    """A page of slides."""

    items: list[SlideModel]
    next: str | None


class SlidePatch(BaseModel):
    """What may be changed of a slide; null takes case, patient or stain away."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    project: str | None = None
    case: str | None = Field(None, description="Made when absent.")
    patient: str | None = Field(None, description="Belongs to the case: changes for all its slides.")
    stain: str | None = None

    def facts(self) -> SlideFacts:
        """Give the change as the catalog takes it."""
        removable = {
            fact: getattr(self, fact) or "" for fact in ("case", "patient", "stain") if fact in self.model_fields_set
        }
        return SlideFacts(name=self.name, project=self.project, **removable)


class AssociatedModel(BaseModel):
    """A picture beside a slide's pixels."""

    name: str = Field(description="`label`, `macro` or `thumbnail`.")
    address: str

    @classmethod
    def of(cls, slide_id: str, name: str) -> "AssociatedModel":
        """Name one of a slide."""
        return cls(name=name, address=f"/api/slides/{slide_id}/associated/{name}")


class AssociatedPage(BaseModel):
    """All of them."""

    items: list[AssociatedModel]
    next: None


class IssueModel(BaseModel):
    """What happened to one feature of the input."""

    index: int
    code: str
    message: str


class LossModel(BaseModel):
    """Something that a file or a format could not hold, or that was changed."""

    code: str
    message: str
    count: int


class AddedModel(BaseModel):
    """What a write of annotations did."""

    created: int
    ids: list[str] = Field(description="Ids of all accepted annotations, in the order of the input.")
    repaired: list[IssueModel]
    refused: list[IssueModel]
    losses: list[LossModel] = Field(description="What a collection says beside its features, which is not kept.")
    revision: int


class FeatureModel(BaseModel):
    """A GeoJSON Feature in level-0 pixels."""

    type: str
    id: str
    geometry: dict[str, Any]
    properties: dict[str, Any]


class FeaturePage(BaseModel):
    """A GeoJSON FeatureCollection with a cursor."""

    type: str
    features: list[FeatureModel]
    next: str | None
    revision: int


class VersionModel(FeatureModel):
    """An annotation as it was at one revision."""

    deleted: bool = Field(False, description="True where that revision deleted it; the rest is what it said last.")


class RevisionPage(BaseModel):
    """Every version of one annotation, oldest first."""

    items: list[VersionModel]
    next: str | None


class RevertBody(BaseModel):
    """Which version to bring back."""

    model_config = ConfigDict(extra="forbid")
    revision: int = Field(ge=0, lt=2**63, strict=True)


class SignInBody(BaseModel):
    """The code of a one-time sign-in link."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=200)


class DroppedModel(BaseModel):
    """Metadata of one kind in one place of the scan."""

    place: str
    field: str | None = Field(
        description="Null where the scan's own words are the names; `pathserve inspect` shows them."
    )
    kind: str
    count: int


class IdentityModel(BaseModel):
    """What ingest dropped of a scan's metadata; it never holds a value."""

    kinds: dict[str, int] = Field(description="How many fields of each kind.")
    dropped: list[DroppedModel]
    more: int = Field(description="Further fields, not listed.")
    incomplete: list[str] = Field(description="Parts that could not be searched to their end.")


class HealthModel(BaseModel):
    """A probe's answer."""

    status: str
