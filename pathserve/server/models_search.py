"""Shapes of the JSON of counts, layers and edits of many annotations."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pathserve.annotations import MAX_EDITS, Edit, Edited, LayerKind, NotEdited, Summary
from pathserve.formats.geojson.geojson import FOREIGN_MEMBERS, SERVER_OWNED
from pathserve.labels import EXHAUSTIVE, MAX_NAME, Layer, require_clear, require_name

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
_Revision = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
_Number = Annotated[int, Field(ge=1, lt=2**63, strict=True)]
_NO_PROPERTIES = SERVER_OWNED | {"classification", "state", FOREIGN_MEMBERS}


class CountModel(BaseModel):
    """How many annotations say the same."""

    name: str | None = Field(description="Null: they have none.")
    count: int


class SummaryModel(BaseModel):
    """Exact counts of an answer, the most frequent first."""

    revision: int
    total: int
    classes: list[CountModel]
    layers: list[CountModel]
    states: list[CountModel]

    @classmethod
    def of(cls, summary: Summary) -> "SummaryModel":
        """Describe a summary."""
        return cls(
            revision=summary.revision,
            total=summary.total,
            classes=_counts(summary.classes),
            layers=_counts(summary.layers),
            states=_counts(summary.states),
        )


def _counts(counts: Mapping[str, int] | Mapping[str | None, int]) -> list[CountModel]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    return [CountModel(name=name, count=count) for name, count in ordered]


class LayerModel(BaseModel):
    """One layer."""

    name: str
    author: str
    kind: str = Field(description="`author`, `task`, `model` or `imported`.")
    annotations: int

    @classmethod
    def of(cls, layer: Layer, count: int) -> "LayerModel":
        """Describe a layer."""
        return cls(name=layer.name, author=layer.author, kind=layer.kind, annotations=count)


class LayerPage(BaseModel):
    """The layers of a slide."""

    items: list[LayerModel]
    next: str | None


class LayerBody(BaseModel):
    """A new layer."""

    model_config = ConfigDict(extra="forbid")
    name: _Name
    kind: LayerKind = "author"


class LayerPatch(BaseModel):
    """What may be changed of a layer."""

    model_config = ConfigDict(extra="forbid")
    name: _Name


class EditModel(BaseModel):
    """What shall become of one annotation; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    id: UUID | None = Field(None, description="Which one; or `number`.")
    number: _Number | None = Field(None, description="Its number on the slide.")
    revision: _Revision | None = Field(None, description="The revision of the annotation that the writer saw.")
    unless_changed_since: _Revision | None = Field(
        None, description="Instead of it, the revision of the slide that the writer saw."
    )
    class_: _Name | None = Field(None, alias="class", description="Its class from now on; null for none.")
    state: _Name | None = Field(None, description="Its state from now on.")
    delete: Annotated[bool, Field(strict=True)] | None = Field(
        None, description="True deletes it; false brings a deleted one back."
    )
    properties: dict[str, Any] | None = Field(
        None, description="Merged into its properties as JSON merge patch does (RFC 7396)."
    )

    @field_validator("properties")
    @classmethod
    def _only_free_ones(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        if given is None:
            return None
        if _NO_PROPERTIES & given.keys():
            raise ValueError("class and state are members of the edit, and what the server owns stays as it is")
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> "EditModel":
        if (self.id is None) == (self.number is None):
            raise ValueError("an edit names one annotation, by id or by number")
        if (self.revision is None) == (self.unless_changed_since is None):
            raise ValueError("an edit says what the writer saw, by revision or by unless_changed_since")
        if not self.model_fields_set & {"class_", "state", "delete", "properties"}:
            raise ValueError("an edit changes something: class, state, properties or delete")
        return self

    def check(self) -> None:
        """Refuse names and marks that an annotation cannot have.

        Raises
        ------
        Invalid
            With the code of what is wrong: ``bad_name`` or ``bad_exhaustive``.
        """
        if self.state is not None:
            require_name(self.state, "state")
        if self.class_ is not None:
            require_name(self.class_, "class name")
        if self.properties is not None and self.properties.get(EXHAUSTIVE) is not None:
            require_clear({EXHAUSTIVE: self.properties[EXHAUSTIVE]})

    def edit(self, found: Mapping[int, UUID]) -> Edit | None:
        """Give it as a value; None when no annotation has this number."""
        identity = self.id if self.number is None else found.get(self.number)
        if identity is None:
            return None
        return Edit(
            id=identity,
            expected=self.revision,
            class_name=(self.class_ or "") if "class_" in self.model_fields_set else None,
            state=self.state,
            properties=self.properties,
            deleted=self.delete,
            unless_changed_since=self.unless_changed_since,
        )


class EditsBody(BaseModel):
    """Edits that are made together."""

    model_config = ConfigDict(extra="forbid")
    edits: list[EditModel] = Field(min_length=1, max_length=MAX_EDITS)

    @field_validator("edits", mode="before")
    @classmethod
    def _some(cls, given: object) -> object:
        if isinstance(given, list) and not 1 <= len(given) <= MAX_EDITS:
            raise ValueError(f"it has 1 to {MAX_EDITS:,} edits")
        return given


class EditedModel(BaseModel):
    """What became of one edit."""

    result: Literal["done", "stale", "deleted", "not_found"]
    revision: int | None = Field(
        description="The annotation's revision now; null when the slide has none of this name."
    )

    @classmethod
    def of(cls, answer: Edited | NotEdited | None) -> "EditedModel":
        """Describe an answer of the store."""
        if answer is None or answer.revision is None:
            return cls(result="not_found", revision=None)
        if isinstance(answer, Edited):
            return cls(result="done", revision=answer.revision)
        return cls(result="deleted" if answer.deleted else "stale", revision=answer.revision)


class EditsModel(BaseModel):
    """What became of each edit, in their order."""

    done: int
    results: list[EditedModel]
