"""Who knows which project, as sessions and tokens are told."""

import pytest

from pathserve.access import Accounts, Actor, Members, Membership, Role, digest
from pathserve.db import Database
from pathserve.errors import Invalid, NotFound

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def accounts(db: Database) -> Accounts:
    for name in ("colon", "breast"):
        db.write(lambda tx, name=name: tx.run("insert into project (name, created) values (?, '')", name))
    return Accounts(db, session_seconds=60, link_seconds=60)


@pytest.fixture
def members(db: Database, accounts: Accounts) -> Members:
    return Members(db)


def signed_in(accounts: Accounts, name: str) -> bytes:
    return digest(accounts.sign_in(accounts.make_link(name).code))


def actor(accounts: Accounts, session: bytes) -> Actor:
    found = accounts.session_actor(session)
    assert found is not None
    return found[0]


def test_an_account_made_with_projects_knows_those_only(accounts: Accounts, members: Members) -> None:
    made = accounts.add("ada", Role.ANNOTATOR, ["colon"])
    assert made.restricted
    assert members.all() == [Membership("ada", "colon", Role.ANNOTATOR)]
    ada = actor(accounts, signed_in(accounts, "ada"))
    assert (ada.role_in("colon"), ada.role_in("breast"), ada.projects) == (Role.ANNOTATOR, None, ["colon"])


def test_a_change_of_membership_reaches_a_session_that_is_open(accounts: Accounts, members: Members) -> None:
    accounts.add("ada", Role.VIEWER, ["colon"])
    session = signed_in(accounts, "ada")
    members.add("ada", "breast", Role.REVIEWER)
    assert actor(accounts, session).role_in("breast") is Role.REVIEWER
    members.add("ada", "breast")
    assert actor(accounts, session).role_in("breast") is Role.VIEWER
    members.remove("ada", "breast")
    assert actor(accounts, session).role_in("breast") is None
    with pytest.raises(NotFound):
        members.remove("ada", "breast")
    members.restrict("ada", restricted=False)
    assert actor(accounts, session).role_in("breast") is Role.VIEWER
    members.restrict("ada", restricted=True)
    assert actor(accounts, session).projects == ["colon"]


def test_an_account_that_knows_all_projects_may_do_more_in_one(accounts: Accounts, members: Members) -> None:
    accounts.add("ada", Role.ANNOTATOR)
    members.add("ada", "colon", Role.REVIEWER)
    members.add("ada", "breast", Role.VIEWER)
    ada = actor(accounts, signed_in(accounts, "ada"))
    assert ada.projects is None
    roles = [ada.role_in(project) for project in ("colon", "breast", "other")]
    assert roles == [Role.REVIEWER, Role.ANNOTATOR, Role.ANNOTATOR]


def test_admins_belong_to_no_single_project(accounts: Accounts, members: Members) -> None:
    accounts.add("root", Role.ADMIN)
    accounts.add("ada", Role.VIEWER)
    for wrong in (
        lambda: accounts.add("eve", Role.ADMIN, ["colon"]),
        lambda: members.add("root", "colon", Role.VIEWER),
        lambda: members.add("ada", "colon", Role.ADMIN),
        lambda: members.restrict("root", restricted=True),
    ):
        with pytest.raises(Invalid):
            wrong()
    assert members.all() == []
    assert [person.name for person in accounts.people()] == ["ada", "root"]


def test_what_does_not_exist_is_said_and_nothing_is_left(accounts: Accounts, members: Members) -> None:
    with pytest.raises(NotFound, match="no such project"):
        accounts.add("ada", Role.VIEWER, ["colon", "nothing"])
    assert accounts.people() == []
    with pytest.raises(NotFound, match="no account"):
        members.add("ada", "colon")
    with pytest.raises(NotFound, match="no account"):
        members.restrict("ada", restricted=True)


@pytest.mark.parametrize(
    ("role", "expected"),
    [(Role.ADMIN, Role.ANNOTATOR), (Role.ANNOTATOR, Role.ANNOTATOR), (Role.VIEWER, Role.VIEWER)],
)
def test_a_token_of_an_account_can_do_at_most_what_both_may(
    accounts: Accounts, members: Members, role: Role, expected: Role
) -> None:
    accounts.add("ada", Role.ANNOTATOR, ["colon"])
    secret = digest(accounts.create_token("nightly", role=role, account="ada").secret)
    found = accounts.token_actor(secret)
    assert found is not None
    assert (found[0].name, found[0].role_in("colon"), found[0].role_in("breast")) == ("nightly", expected, None)
    members.remove("ada", "colon")
    found = accounts.token_actor(secret)
    assert found is not None
    assert found[0].projects == []
    accounts.disable("ada")
    assert accounts.token_actor(secret) is None


def test_a_token_of_an_account_may_be_bound_to_one_of_its_projects(accounts: Accounts) -> None:
    accounts.add("ada", Role.ANNOTATOR, ["colon", "breast"])
    issued = accounts.create_token("nightly", role=Role.ANNOTATOR, project="colon", account="ada")
    found = accounts.token_actor(digest(issued.secret))
    assert found is not None
    assert found[0].projects == ["colon"]
    assert issued.record.account == "ada"
    with pytest.raises(NotFound):
        accounts.create_token("nightly", role=Role.VIEWER, account="nobody")
