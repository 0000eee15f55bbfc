"""Shapes of the JSON of projects, their members, and the originals of pseudonyms."""

from pydantic import BaseModel, ConfigDict, Field

from pathserve.access import Role
from pathserve.catalog import Kind, Original


class ProjectModel(BaseModel):
    """One project."""

    name: str
    slides: int
    role: Role = Field(description="The caller's role in it.")
    can_ingest: bool


class ProjectPage(BaseModel):
    """A page of projects."""

    items: list[ProjectModel]
    next: str | None


class MemberModel(BaseModel):
    """An account's role in a project."""

    account: str
    role: Role


class MemberPage(BaseModel):
    """A page of members."""

    items: list[MemberModel]
    next: str | None


class MemberBody(BaseModel):
    """What an account becomes in a project."""

    model_config = ConfigDict(extra="forbid")
    role: Role | None = Field(None, description="Default: the account's own role.")


class NamedSlideModel(BaseModel):
    """A slide by name."""

    id: str
    name: str


class OriginalModel(BaseModel):
    """What staff call a patient, a case or a slide."""

    kind: Kind
    project: str | None = Field(description="Null for a slide, whose id is its pseudonym wherever it moves.")
    pseudonym: str
    original: str
    slides: list[NamedSlideModel] = Field(description="At most 100, oldest first.")

    @classmethod
    def of(cls, original: Original) -> "OriginalModel":
        """Describe an original."""
        key = original.key
        slides = [NamedSlideModel(id=slide_id, name=name) for slide_id, name in original.slides.items()]
        return cls(
            kind=key.kind,
            project=key.project or None,
            pseudonym=key.pseudonym,
            original=original.text,
            slides=slides,
        )


class OriginalPage(BaseModel):
    """A page of originals."""

    items: list[OriginalModel]
    next: str | None


class SlideOriginalsModel(BaseModel):
    """What staff call a slide, its case and its patient; null where nothing is kept."""

    patient: str | None
    case: str | None
    slide: str | None
