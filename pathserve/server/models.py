"""Shapes of JSON answers: what the handlers fill in is what the interface's description shows."""

from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from pathserve.access import Action, Actor, Resource, Role, allow
from pathserve.catalog import SlideFacts, SlideRecord
from pathserve.jobs import Job, State
from pathserve.labels import AnnotationClass, FeatureIssue, Layer


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

    @classmethod
    def of(cls, actor: Actor) -> "SessionModel":
        """Describe an actor."""
        return cls(
            user=actor.name,
            role=actor.role,
            project=actor.project,
            can_annotate=actor.role is not Role.VIEWER,
            can_ingest=allow(actor, Action.SLIDE_INGEST, Resource()).allowed,
        )


class ChannelModel(BaseModel):
    """One channel."""

    name: str
    color: tuple[int, int, int]


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
    status: str
    generation: int = Field(description="Changes with the stored pixels; the `g` of image addresses.")
    created: str
    annotations: int = Field(description="How many annotations there are now.")
    case: str | None = Field(description="Pseudonym of its case.")
    patient: str | None = Field(description="Pseudonym of its patient.")
    stain: str | None

    @classmethod
    def of(cls, slide: SlideRecord, annotations: int) -> "SlideModel":
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
            status=slide.status,
            generation=slide.generation,
            created=slide.created.isoformat(timespec="milliseconds"),
            annotations=annotations,
            case=slide.case,
            patient=slide.patient,
            stain=slide.stain,
        )


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


class ClassModel(BaseModel):
    """One class of the schema."""

    name: str
    color: tuple[int, int, int]
    value: int = Field(description="Its value in semantic masks, 1 to 254.")
    priority: int = Field(description="The higher one wins where annotations overlap.")
    hotkey: str | None

    @classmethod
    def of(cls, item: AnnotationClass) -> "ClassModel":
        """Describe a class."""
        return cls(name=item.name, color=item.color, value=item.value, priority=item.priority, hotkey=item.hotkey)


class ClassPage(BaseModel):
    """The class schema."""

    items: list[ClassModel]
    next: str | None


class LayerModel(BaseModel):
    """One layer."""

    name: str
    author: str
    annotations: int

    @classmethod
    def of(cls, layer: Layer, count: int) -> "LayerModel":
        """Describe a layer."""
        return cls(name=layer.name, author=layer.author, annotations=count)


class LayerPage(BaseModel):
    """The layers of a slide."""

    items: list[LayerModel]
    next: str | None


class IssueModel(BaseModel):
    """What happened to one feature of the input."""

    index: int
    code: str
    message: str

    @classmethod
    def of(cls, issue: FeatureIssue) -> "IssueModel":
        """Describe an issue."""
        return cls(index=issue.index, code=issue.code, message=issue.message)


class AddedModel(BaseModel):
    """What a write of annotations did."""

    created: int
    ids: list[str] = Field(description="Ids of all accepted annotations, in the order of the input.")
    repaired: list[IssueModel]
    refused: list[IssueModel]
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


class RevisionPage(BaseModel):
    """Every version of one annotation, oldest first."""

    items: list[FeatureModel]
    next: str | None


class RevertBody(BaseModel):
    """Which version to bring back."""

    model_config = ConfigDict(extra="forbid")
    revision: int = Field(ge=0, lt=2**63)


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


class JobErrorModel(BaseModel):
    """Why a job ended without a slide."""

    code: str
    message: str


class JobModel(BaseModel):
    """One ingest job; of several scans the facts are those of the first one's first slide."""

    id: str
    kind: str
    state: State
    phase: str | None = Field(description="What is being done: hashing, opening, building, publishing, finishing, judging.")
    done: int = Field(description="Of `total`, within the phase.")
    total: int
    project: str
    label: str = Field(description="A made-up name, never a file's.")
    slides: list[str] = Field(description="Ids of the slides that it made or found there already.")
    format: str | None
    width: int | None
    height: int | None
    bytes: int | None = Field(description="Size of the scan's files.")
    content_hash: str | None = Field(description="SHA-256 of the scan.")
    tiles_per_second: float | None
    missing_tiles: int | None = Field(description="Tiles that the scan states and does not have.")
    identity: dict[str, Any] | None = Field(description="What was dropped of the metadata: never a value.")
    error: JobErrorModel | None
    resumed: bool = Field(description="Whether it went on with what an interrupted job had begun.")
    can_retry: bool
    created: str
    started: str | None
    finished: str | None

    @classmethod
    def of(cls, job: Job) -> "JobModel":
        """Describe a job; neither where its files lie nor who asked."""
        facts, error = job.facts, job.error
        return cls(
            id=job.id,
            kind=job.kind,
            state=cast("State", job.state),
            phase=job.phase or None,
            done=job.done,
            total=job.total,
            project=job.project,
            label=job.label,
            slides=list(job.slides),
            format=facts.format,
            width=facts.width,
            height=facts.height,
            bytes=facts.bytes,
            content_hash=facts.content_hash,
            tiles_per_second=facts.tiles_per_second,
            missing_tiles=facts.missing_tiles,
            identity=facts.identity,
            error=None if error is None else JobErrorModel(code=error.code, message=error.message),
            resumed=job.resumed,
            can_retry=job.can_retry,
            created=job.created.isoformat(timespec="milliseconds"),
            started=_moment(job.started),
            finished=_moment(job.finished),
        )


class JobPage(BaseModel):
    """A page of jobs."""

    items: list[JobModel]
    next: str | None


class RemovedModel(BaseModel):
    """A job that is gone."""

    id: str


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


class HealthModel(BaseModel):
    """A probe's answer."""

    status: str
