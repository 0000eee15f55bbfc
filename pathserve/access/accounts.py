"""Accounts, one-time sign-in links, browser sessions and API tokens.

Every secret has at least 256 random bits, is shown once and is stored as its SHA-256 only.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from pathserve.access.members import Membership, add_member, require_no_admin, to_actor, token_actor
from pathserve.access.policy import Actor, Role
from pathserve.db import Database, Transaction, Value, as_real, now
from pathserve.errors import Conflict, Invalid, NotFound, Unauthenticated

_MAX_LIFETIME = 100 * 365.25 * 86_400
_NAME = re.compile(r"[^\W_][\w .@+-]{0,99}")
_TOKEN_PREFIX = "pst_"  # noqa: S105 - a prefix by which scanners for leaked secrets find tokens


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can sign in; a restricted one knows only the projects that it is a member of."""

    name: str
    role: Role
    disabled: bool
    created: datetime
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of an API token, without the token itself.

    ``expires`` is None for one that lasts, ``account`` for one that belongs to nobody in particular.
    """

    id: str
    name: str
    role: Role
    project: str | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    account: str | None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: the only time that its secret can be read."""

    record: TokenRecord
    secret: str


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """The code of a one-time sign-in link: the only time that it can be read."""

    account: str
    code: str


class Accounts:
    """The tables of people and secrets; every method is one transaction and blocks its thread.

    Parameters
    ----------
    session_seconds, link_seconds
        How long a browser session and a one-time link live.
    """

    def __init__(self, db: Database, *, session_seconds: float, link_seconds: float) -> None:
        self._db = db
        self._session_seconds = session_seconds
        self._link_seconds = link_seconds

    # people

    def add(self, name: str, role: Role, projects: Sequence[str] = ()) -> Account:
        """Make an account.

        Parameters
        ----------
        projects
            Projects that it becomes a member of with this role, and the only ones that it knows; none: all projects.

        Raises
        ------
        Conflict
            When there is one of this name.
        Invalid
            When the name breaks the rules, or an admin shall know single projects only.
        NotFound
            When there is no such project.
        """
        _check_name(name)
        if projects:
            require_no_admin(role)

        def work(tx: Transaction) -> Account:
            if tx.row("select 1 from account where name = ?", name):
                raise Conflict("There is an account of this name already.")
            tx.run(
                "insert into account (name, role, created, restricted) values (?, ?, ?, ?)",
                name,
                role.value,
                now(),
                int(bool(projects)),
            )
            for project in projects:
                add_member(tx, Membership(name, project, role))
            return _account(tx, name)

        return self._db.write(work)

    def people(self) -> list[Account]:
        """Give all accounts by name."""
        return [
            _to_account(row)
            for row in self._db.read(
                lambda tx: tx.rows("select name, role, disabled, created, restricted from account order by name")
            )
        ]

    def disable(self, name: str) -> Account:
        """Shut an account at once: its sessions and links end with it.

        Raises
        ------
        NotFound
            When there is no such account.
        Conflict
            When it is the last admin that could let people in.
        """

        def work(tx: Transaction) -> Account:
            if _account(tx, name).role is Role.ADMIN and not tx.row(
                "select 1 from account where role = ? and disabled = 0 and name <> ?", Role.ADMIN.value, name
            ):
                raise Conflict(
                    "This is the last admin; make another one first: `pathserve user add NAME --role admin`."
                )
            tx.run("update account set disabled = 1 where name = ?", name)
            tx.run("delete from session where account = ?", name)
            tx.run("delete from sign_in_link where account = ?", name)
            return _account(tx, name)

        return self._db.write(work)

    def ensure_admin(self) -> IssuedLink | None:
        """Make the account "admin" and a link for it when there is nobody who could let people in; otherwise None."""

        def work(tx: Transaction) -> bool:
            if tx.row("select 1 from account where role = ? and disabled = 0", Role.ADMIN.value):
                return False
            if tx.row("select 1 from account where name = 'admin'"):
                return False  # somebody has disabled or demoted it; that is not undone behind their back
            tx.run("insert into account (name, role, created) values (?, ?, ?)", "admin", Role.ADMIN.value, now())
            return True

        return self.make_link("admin") if self._db.write(work) else None

    # one-time links and sessions

    def make_link(self, name: str) -> IssuedLink:
        """Make the code of a one-time sign-in link.

        Raises
        ------
        NotFound
            When there is no such account, or it is disabled.
        """
        code = secrets.token_urlsafe(32)

        def work(tx: Transaction) -> IssuedLink:
            if _account(tx, name).disabled:
                raise NotFound("This account is disabled.")
            tx.run("delete from sign_in_link where expires < ?", time.time())
            tx.run(
                "insert into sign_in_link (code_hash, account, expires) values (?, ?, ?)",
                digest(code),
                name,
                time.time() + self._link_seconds,
            )
            return IssuedLink(name, code)

        return self._db.write(work)

    def sign_in(self, code: str) -> str:
        """Exchange a link's code for the secret of a new session; the code is used up.

        Raises
        ------
        Unauthenticated
            When the code is unknown, used, too old, or its account is disabled.
        """
        secret = secrets.token_urlsafe(32)

        def work(tx: Transaction) -> bool:
            row = tx.row(
                "select l.account from sign_in_link l join account a on a.name = l.account "
                "where l.code_hash = ? and l.expires >= ? and a.disabled = 0",
                digest(code),
                time.time(),
            )
            if row is None:
                return False
            tx.run("delete from sign_in_link where code_hash = ?", digest(code))
            tx.run("delete from session where expires < ?", time.time())
            tx.run(
                "insert into session (token_hash, account, created, expires) values (?, ?, ?, ?)",
                digest(secret),
                row[0],
                now(),
                time.time() + self._session_seconds,
            )
            return True

        if not self._db.write(work):
            raise Unauthenticated(
                "This sign-in link was used already or is too old; ask for a new one with `pathserve user link NAME`."
            )
        return secret

    def sign_out(self, secret: str) -> None:
        """End a session; unknown ones are no error."""
        self._db.write(lambda tx: tx.run("delete from session where token_hash = ?", digest(secret)))

    def session_actor(self, secret_digest: bytes) -> tuple[Actor, float] | None:
        """Find who a session belongs to and when (seconds since 1970) it ends; None when it is not valid."""

        def work(tx: Transaction) -> tuple[Actor, float] | None:
            row = tx.row(
                "select a.name, a.role, a.restricted, s.expires from session s join account a on a.name = s.account "
                "where s.token_hash = ? and s.expires >= ? and a.disabled = 0",
                secret_digest,
                time.time(),
            )
            return None if row is None else (to_actor(tx, row[:3]), as_real(row[3]))

        return self._db.read(work)

    # tokens

    def create_token(
        self,
        name: str,
        *,
        role: Role,
        project: str | None = None,
        account: str | None = None,
        lifetime_seconds: float | None = None,
    ) -> IssuedToken:
        """Make an API token for a program.

        Parameters
        ----------
        project
            The only project that it may touch.
        account
            Whom it belongs to: it can do at most what the account can, and nothing once that is disabled.

        Raises
        ------
        Invalid
            When the name breaks the rules or the lifetime is not above 0.
        NotFound
            When there is no such account.
        """
        _check_name(name)
        if lifetime_seconds is not None and not 0 < lifetime_seconds <= _MAX_LIFETIME:
            raise Invalid("A token lives more than 0 seconds and at most 100 years.")
        token_id = uuid4().hex[:12]
        secret = _TOKEN_PREFIX + secrets.token_urlsafe(32)
        expires = None if lifetime_seconds is None else time.time() + lifetime_seconds

        def work(tx: Transaction) -> TokenRecord:
            if account is not None:
                _account(tx, account)
            tx.run(
                "insert into token (id, token_hash, name, role, project, account, created, expires) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)",
                token_id,
                digest(secret),
                name,
                role.value,
                project,
                account,
                now(),
                expires,
            )
            return next(t for t in _tokens(tx) if t.id == token_id)

        return IssuedToken(self._db.write(work), secret)

    def tokens(self) -> list[TokenRecord]:
        """Give all tokens, revoked ones too, oldest first."""
        return self._db.read(_tokens)

    def revoke_token(self, which: str) -> int:
        """Revoke by id, or all live tokens of a name; says how many.

        Raises
        ------
        NotFound
            When no live token has this id or name.
        """
        count = self._db.write(
            lambda tx: tx.run(
                "update token set revoked = ? where (id = ? or name = ?) and revoked is null", now(), which, which
            )
        )
        if not count:
            raise NotFound("There is no live token of this id or name.")
        return count

    def token_actor(self, secret_digest: bytes) -> tuple[Actor, float] | None:
        """Find who a token stands for and when (seconds since 1970) it ends; None when it is not valid."""

        def work(tx: Transaction) -> tuple[Actor, float] | None:
            row = tx.row(
                "select name, role, project, expires, account from token where token_hash = ? and revoked is null",
                secret_digest,
            )
            if row is None:
                return None
            name, role, project, ends, account = row
            expires = float("inf") if ends is None else as_real(ends)
            if expires < time.time():
                return None
            actor = Actor(str(name), Role(str(role)), None if project is None else str(project))
            if account is None:
                return actor, expires
            owner = tx.row("select name, role, restricted from account where name = ? and disabled = 0", account)
            return None if owner is None else (token_actor(actor, to_actor(tx, owner)), expires)

        return self._db.read(work)


def digest(secret: str) -> bytes:
    """Give what is stored, and remembered, of a secret instead of it."""
    return hashlib.sha256(secret.encode()).digest()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "A name begins with a letter or digit and has at most 100 letters, digits, blanks or any of . @ + - _"
        )


def _account(tx: Transaction, name: str) -> Account:
    row = tx.row("select name, role, disabled, created, restricted from account where name = ?", name)
    if row is None:
        raise NotFound("There is no account of this name.")
    return _to_account(row)


def _to_account(row: tuple[Value, ...]) -> Account:
    name, role, disabled, created, restricted = row
    return Account(
        str(name), Role(str(role)), bool(disabled), datetime.fromisoformat(str(created)), restricted=bool(restricted)
    )


def _tokens(tx: Transaction) -> list[TokenRecord]:
    return [
        TokenRecord(
            id=str(token_id),
            name=str(name),
            role=Role(str(role)),
            project=None if project is None else str(project),
            created=datetime.fromisoformat(str(created)),
            expires=None if expires is None else datetime.fromtimestamp(as_real(expires), UTC),
            revoked=None if revoked is None else datetime.fromisoformat(str(revoked)),
            account=None if account is None else str(account),
        )
        for token_id, name, role, project, created, expires, revoked, account in tx.rows(
            "select id, name, role, project, created, expires, revoked, account from token order by created, id"
        )
    ]
