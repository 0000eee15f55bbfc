"""The one function that decides, with its reason. Pure: no storage, no request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    ASSOCIATED_READ = "associated.read"
    """See label and macro pictures: they show names."""
    IDENTITY_READ = "identity.read"
    """See which kinds of metadata ingest dropped."""
    SLIDE_INGEST = "slide.ingest"
    """Bring scans in: they become slides of a project."""
    JOB_READ = "job.read"
    """See ingest jobs: what came in, how far it is, what was dropped of its metadata."""
    JOB_EDIT = "job.edit"
    """Cancel ingest jobs, try them again, take them off the list."""
    MEMBERS = "members"
    """See and change which accounts belong to which projects."""
    PSEUDONYMS = "pseudonyms"
    """See what staff call the patients, cases and slides that have pseudonyms."""
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
    role
        Its role in every project, unless ``restricted``.
    project
        The only project that it may touch, or None for all.
    members
        Its roles in single projects; each counts where it is higher than ``role``.
    restricted
        Whether it may touch the projects of ``members`` only, with the role given there.
    """

    name: str
    role: Role
    project: str | None = None
    members: Mapping[str, Role] = field(default_factory=dict)
    restricted: bool = False

    def role_in(self, project: str) -> Role | None:
        """Give its role in a project; None when the project is hidden from it."""
        if self.project is not None and self.project != project:
            return None
        member = self.members.get(project)
        if self.restricted:
            return member
        return self.role if member is None else highest((self.role, member))

    @property
    def role_somewhere(self) -> Role:
        """The highest role that it has in any project; a viewer's when it has none."""
        if not self.members and not self.restricted:
            return self.role  # nearly everybody, on every request
        named = self.members if self.project is None else (self.project,)
        roles = [role for role in map(self.role_in, named) if role is not None]
        if self.project is None and not self.restricted:
            roles.append(self.role)
        return highest(roles or (Role.VIEWER,))

    @property
    def projects(self) -> list[str] | None:
        """The projects that it may know of; None means all."""
        if self.restricted:
            return [project for project in self.members if self.project in (None, project)]
        return None if self.project is None else [self.project]


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
    Role.ADMIN: frozenset(
        {
            *(Action.SLIDE_INGEST, Action.SLIDE_REMOVE, Action.JOB_READ, Action.JOB_EDIT),
            *(Action.ASSOCIATED_READ, Action.IDENTITY_READ, Action.MEMBERS, Action.PSEUDONYMS),
        }
    ),
}

_SITE_WIDE = frozenset({Action.MEMBERS, Action.PSEUDONYMS})
"""What is about every project at once, so that nobody may do it who may not touch all of them."""

_ORDER = tuple(Role)
_ALLOWED = {
    role: {
        action: Decision(True, f"Every {lower.value} may do this.")
        for lower in reversed(_ORDER[: place + 1])
        for action in _GRANTS[lower]
    }
    for place, role in enumerate(_ORDER)
}


def highest(roles: Iterable[Role]) -> Role:
    """Give the role that can do most."""
    return max(roles, key=_ORDER.index)


def lowest(roles: Iterable[Role]) -> Role:
    """Give the role that can do least."""
    return min(roles, key=_ORDER.index)


def allow(actor: Actor, action: Action, resource: Resource) -> Decision:
    """Decide whether ``actor`` may do ``action`` to ``resource``; what no rule allows is denied.

    For a resource that belongs to no project the question is whether the actor may do this anywhere.
    """
    role = actor.role_somewhere if resource.project is None else actor.role_in(resource.project)
    if role is None:
        return Decision(False, "This belongs to another project.")
    if action in _SITE_WIDE and actor.projects is not None:
        return Decision(False, "This is about all projects.")
    return _ALLOWED[role].get(action) or Decision(False, f"The role {role.value} may not do this.")


def projects_for(actor: Actor, action: Action) -> list[str] | None:
    """Name the projects in which ``actor`` may do ``action``; None means all, also those that are not made yet."""
    if actor.projects is None and action in _ALLOWED[actor.role]:
        return None
    known = actor.members if actor.projects is None else actor.projects
    return [project for project in known if allow(actor, action, Resource(project)).allowed]


def require(actor: Actor, action: Action, resource: Resource, *, what: str = "thing") -> None:
    """Raise unless `allow` allows it.

    Parameters
    ----------
    what
        What the resource is called: one that is hidden is denied in the words in which one that is not there is.

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
        raise NotFound(f"There is no such {what}.")
    raise Denied(decision.reason)
