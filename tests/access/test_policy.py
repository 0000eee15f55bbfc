import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.access import Action, Actor, Resource, Role, allow, projects_for, require
from pathserve.errors import Denied, NotFound

# Who may do what, written down apart from the code.
EXPECTED = {
    Role.VIEWER: {"slide.read", "annotation.read", "self"},
    Role.ANNOTATOR: {"slide.read", "annotation.read", "self", "annotation.write"},
    Role.REVIEWER: {"slide.read", "annotation.read", "self", "annotation.write", "slide.edit", "classes.edit"},
    Role.ADMIN: {
        "slide.read",
        "annotation.read",
        "self",
        "annotation.write",
        "slide.edit",
        "classes.edit",
        "slide.ingest",
        "slide.remove",
        "job.read",
        "job.edit",
        "associated.read",
        "identity.read",
        "members",
        "pseudonyms",
    },
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", list(Action))
def test_the_table_of_roles(role: Role, action: Action) -> None:
    decision = allow(Actor("a", role), action, Resource("p"))
    assert decision.allowed == (action.value in EXPECTED[role])
    assert decision.reason


def test_another_project_does_not_exist_for_a_project_token() -> None:
    actor = Actor("a", Role.ADMIN, project="mine")
    assert allow(actor, Action.SLIDE_READ, Resource("mine")).allowed
    assert not allow(actor, Action.SLIDE_READ, Resource("other")).allowed
    with pytest.raises(NotFound):
        require(actor, Action.SLIDE_REMOVE, Resource("other"))


def test_a_known_thing_is_denied_with_a_reason() -> None:
    with pytest.raises(Denied, match="viewer may not"):
        require(Actor("a", Role.VIEWER), Action.ANNOTATION_WRITE, Resource("p"))


PROJECTS = ["a", "b", "c"]
ORDER = ["viewer", "annotator", "reviewer", "admin"]
ACTORS = st.builds(
    Actor,
    name=st.just("x"),
    role=st.sampled_from(Role),
    project=st.sampled_from([None, *PROJECTS]),
    members=st.dictionaries(st.sampled_from(PROJECTS), st.sampled_from(Role)),
    restricted=st.booleans(),
)


@given(ACTORS, st.sampled_from(PROJECTS), st.sampled_from(Action))
def test_a_role_in_a_project_is_the_highest_that_was_given_for_it(actor: Actor, project: str, action: Action) -> None:
    given_roles = [actor.members[project]] if project in actor.members else []
    given_roles += [] if actor.restricted else [actor.role]
    if actor.project not in (None, project):
        given_roles = []
    may = any(action.value in EXPECTED[role] for role in given_roles)
    if action in (Action.PSEUDONYMS, Action.MEMBERS) and (actor.restricted or actor.project):
        may = False
    assert allow(actor, action, Resource(project)).allowed == may
    hidden = not given_roles
    assert hidden == (actor.projects is not None and project not in actor.projects)


@given(ACTORS, st.sampled_from(Action))
def test_what_is_allowed_somewhere_is_allowed_in_some_project(actor: Actor, action: Action) -> None:
    somewhere = allow(actor, action, Resource()).allowed
    in_projects = [allow(actor, action, Resource(project)).allowed for project in [*PROJECTS, "other"]]
    if action.value in EXPECTED[Role.VIEWER]:
        assert somewhere
    else:
        assert somewhere == any(in_projects)


@pytest.mark.parametrize("action", [Action.PSEUDONYMS, Action.MEMBERS])
def test_what_is_about_all_projects_is_for_admins_of_all_of_them(action: Action) -> None:
    assert allow(Actor("a", Role.ADMIN), action, Resource()).allowed
    for bound in (Actor("a", Role.ADMIN, project="p"), Actor("a", Role.ADMIN, restricted=True)):
        with pytest.raises(Denied):
            require(bound, action, Resource())


@given(ACTORS, st.sampled_from(Action))
def test_the_projects_of_an_action_are_those_in_which_it_is_allowed(actor: Actor, action: Action) -> None:
    named = projects_for(actor, action)
    for project in [*PROJECTS, "other"]:
        assert allow(actor, action, Resource(project)).allowed == (named is None or project in named)
