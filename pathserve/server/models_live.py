"""Shapes of the JSON of live updates: what has changed on a slide, and who is looking where."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pathserve.annotations import Change
from pathserve.server.presence import Present

_Number = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]


class ChangedModel(BaseModel):
    """What one revision did to one layer."""

    revision: int
    author: str
    at: str
    layer: str
    kind: str = Field(
        description=(
            "`created`, `updated`, `deleted` and `imported` are about annotations, `renamed`, `removed` and `restored`"
            " about the layer."
        )
    )
    count: int = Field(description="How many annotations; all of a layer that was removed or restored, 0 when renamed.")
    ids: list[str] | None = Field(description="Which annotations; null when they are many, or it is about the layer.")
    box: tuple[float, float, float, float] | None = Field(
        description="`[x0, y0, x1, y1]` in level-0 pixels of all that was touched; null: it can be anywhere."
    )

    @classmethod
    def of(cls, change: Change) -> "ChangedModel":
        """Describe a change."""
        return cls(
            revision=change.revision,
            author=change.author,
            at=change.at.isoformat(timespec="milliseconds"),
            layer=change.layer,
            kind=change.kind,
            count=change.count,
            ids=[str(i) for i in change.ids] or None,
            box=change.box,
        )


class PresenceBody(BaseModel):
    """Where a viewer looks, in level-0 pixels."""

    model_config = ConfigDict(extra="forbid")
    client: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="What this viewer calls itself; made up by it.")
    x: _Number
    y: _Number
    width: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    height: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    rotation: _Number = Field(0.0, description="In degrees, clockwise.")
    pointer: tuple[_Number, _Number] | None = Field(None, description="Where its pointer is.")


class PresentModel(PresenceBody):
    """Somebody who looks at the slide."""

    account: str

    @classmethod
    def of(cls, present: Present) -> "PresentModel":
        """Describe somebody."""
        return cls(account=present.account, client=present.client, **present.view)


class HereModel(BaseModel):
    """Everybody who looks at the slide now, the one who is told too."""

    items: list[PresentModel]
