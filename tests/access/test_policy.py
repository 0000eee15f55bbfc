import pytest

from pathserve.access import Action, Actor, Resource, Role, allow, require
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
        "slide.remove",
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
