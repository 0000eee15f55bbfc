"""The one function that decides, with its reason. Pure: no storage, no request."""

from dataclasses import dataclass
from enum import StrEnum

from pathserve.errors import Denied, NotFound


class Role(StrEnum):
    """What a person or a program is trusted with; each role can do all that the ones before it can."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class Action(StrEnum):
    """Everything that somebody can ask to do."""

    SLIDE_READ = "slide.read"
    SLIDE_EDIT = "slide.edit"
    SLIDE_REMOVE = "slide.remove"
    ANNOTATION_READ = "annotation.read"
    ANNOTATION_WRITE = "annotation.write"
    CLASSES_EDIT = "classes.edit"
    SELF = "self"
    """Ask who one is, sign out, read the interface's description."""
    PUBLIC = "public"
    """What needs no sign-in; the addresses that have it are named in one place."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who was recognised.

    Parameters
    ----------
    name
        The account's or the token's name.
    project
        The only project that it may touch, or None for all.
    """

    name: str
    role: Role
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """What the action is about; ``project`` is None for what belongs to no project."""

    project: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and the reason for it, as one safe sentence."""

    allowed: bool
    reason: str


_GRANTS: dict[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.SLIDE_READ, Action.ANNOTATION_READ, Action.SELF}),
    Role.ANNOTATOR: frozenset({Action.ANNOTATION_WRITE}),
    Role.REVIEWER: frozenset({Action.SLIDE_EDIT, Action.CLASSES_EDIT}),
    Role.ADMIN: frozenset({Action.SLIDE_REMOVE}),
}

_ORDER = tuple(Role)
_ALLOWED = {
    role: {
        action: Decision(True, f"Every {lower.value} may do this.")
        for lower in reversed(_ORDER[: place + 1])
        for action in _GRANTS[lower]
    }
    for place, role in enumerate(_ORDER)
}


def allow(actor: Actor, action: Action, resource: Resource) -> Decision:
    """Decide whether ``actor`` may do ``action`` to ``resource``; what no rule allows is denied."""
    if actor.project is not None and resource.project is not None and actor.project != resource.project:
        return Decision(False, "This belongs to another project.")
    return _ALLOWED[actor.role].get(action) or Decision(False, f"The role {actor.role.value} may not do this.")


def require(actor: Actor, action: Action, resource: Resource) -> None:
    """Raise unless `allow` allows it.

    Raises
    ------
    NotFound
        When the resource is in a project that the actor may not know of.
    Denied
        When the actor's role does not do this.
    """
    decision = allow(actor, action, resource)
    if decision.allowed:
        return
    if not allow(actor, Action.SLIDE_READ, resource).allowed:
        raise NotFound("There is no such thing.")
    raise Denied(decision.reason)
