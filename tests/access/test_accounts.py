import hashlib
import time
from pathlib import Path

import pytest

from pathserve.access import Accounts, Role, digest
from pathserve.db import SqliteDatabase
from pathserve.errors import Conflict, Invalid, NotFound, Unauthenticated

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def accounts(db) -> Accounts:
    return Accounts(db, session_seconds=60, link_seconds=60)


def test_the_first_start_makes_one_admin_and_later_ones_none(accounts: Accounts) -> None:
    link = accounts.ensure_admin()
    assert link is not None
    assert link.account == "admin"
    assert [(p.name, p.role) for p in accounts.people()] == [("admin", Role.ADMIN)]
    assert accounts.ensure_admin() is None


def test_a_link_works_once(accounts: Accounts) -> None:
    accounts.add("ada", Role.ANNOTATOR)
    code = accounts.make_link("ada").code
    found = accounts.session_actor(digest(accounts.sign_in(code)))
    assert found is not None
    assert (found[0].name, found[0].role) == ("ada", Role.ANNOTATOR)
    with pytest.raises(Unauthenticated):
        accounts.sign_in(code)


def test_an_old_link_and_an_old_session_are_nothing(db) -> None:
    past = Accounts(db, session_seconds=-1, link_seconds=60)
    past.add("ada", Role.VIEWER)
    secret = past.sign_in(past.make_link("ada").code)
    assert past.session_actor(digest(secret)) is None
    with pytest.raises(Unauthenticated):
        past.sign_in(Accounts(db, session_seconds=60, link_seconds=-1).make_link("ada").code)


def test_disabling_ends_sessions_and_links_at_once(accounts: Accounts) -> None:
    accounts.add("ada", Role.REVIEWER)
    secret = accounts.sign_in(accounts.make_link("ada").code)
    open_link = accounts.make_link("ada").code
    accounts.disable("ada")
    assert accounts.session_actor(digest(secret)) is None
    with pytest.raises(Unauthenticated):
        accounts.sign_in(open_link)
    with pytest.raises(NotFound):
        accounts.make_link("ada")


def test_signing_out_ends_that_session_only(accounts: Accounts) -> None:
    accounts.add("ada", Role.ADMIN)
    first = accounts.sign_in(accounts.make_link("ada").code)
    second = accounts.sign_in(accounts.make_link("ada").code)
    accounts.sign_out(first)
    assert accounts.session_actor(digest(first)) is None
    assert accounts.session_actor(digest(second)) is not None


def test_a_token_lives_until_it_expires_or_is_revoked(accounts: Accounts) -> None:
    lasting = accounts.create_token("ci", role=Role.ANNOTATOR, project="p")
    found = accounts.token_actor(digest(lasting.secret))
    assert found is not None
    assert (found[0].name, found[0].role, found[0].project) == ("ci", Role.ANNOTATOR, "p")
    short = accounts.create_token("ci", role=Role.VIEWER, lifetime_seconds=0.05)
    time.sleep(0.1)
    assert accounts.token_actor(digest(short.secret)) is None
    assert accounts.revoke_token(lasting.record.id) == 1
    assert accounts.token_actor(digest(lasting.secret)) is None
    with pytest.raises(NotFound):
        accounts.revoke_token(lasting.record.id)


def test_no_secret_is_on_disk_only_its_digest(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "pathserve.db")
    accounts = Accounts(db, session_seconds=60, link_seconds=60)
    accounts.add("ada", Role.ADMIN)
    link = accounts.make_link("ada").code
    session = accounts.sign_in(accounts.make_link("ada").code)
    token = accounts.create_token("ci", role=Role.VIEWER).secret
    db.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (link, session, token):
        assert secret.encode() not in stored
        assert hashlib.sha256(secret.encode()).digest() in stored


@pytest.mark.parametrize("name", ["", " ", "-x", "a" * 101, "a\nb", "a\x00"])
def test_names_that_would_confuse_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(Invalid):
        accounts.add(name, Role.VIEWER)


def test_two_accounts_of_one_name_are_refused(accounts: Accounts) -> None:
    accounts.add("ada", Role.VIEWER)
    with pytest.raises(Conflict):
        accounts.add("ada", Role.ADMIN)


def test_somebody_can_always_let_people_in(accounts: Accounts) -> None:
    accounts.add("ada", Role.VIEWER)
    assert accounts.ensure_admin() is not None  # there are accounts, but no admin
    with pytest.raises(Conflict, match="last admin"):
        accounts.disable("admin")
    accounts.add("eve", Role.ADMIN)
    accounts.disable("admin")
    assert accounts.ensure_admin() is None
    with pytest.raises(Conflict, match="last admin"):
        accounts.disable("eve")


@pytest.mark.parametrize("lifetime", [0, -1, 1e12, float("inf"), float("nan")])
def test_a_token_lives_a_possible_time(accounts: Accounts, lifetime: float) -> None:
    with pytest.raises(Invalid):
        accounts.create_token("ci", role=Role.VIEWER, lifetime_seconds=lifetime)
