"""Which accounts belong to which projects, and what that lets them do.

An account's own role holds in every project, unless the account is restricted: then it knows only the projects that it
is a member of. A membership's role counts in its project where it is higher than the account's own.
"""

from dataclasses import dataclass

from pathserve.access.policy import Actor, Role, lowest
from pathserve.db import Database, Transaction, Value
from pathserve.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Membership:
    """One account's role in one project."""

    account: str
    project: str
    role: Role


class Members:
    """The table of memberships; every method is one transaction and blocks its thread.

    A change holds from the next request on, also for sessions and tokens that are in use.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, account: str, project: str, role: Role | None = None) -> Membership:
        """Make an account a member of a project, or change its role there.

        Parameters
        ----------
        role
            Default: the account's own role.

        Raises
        ------
        NotFound
            When there is no such account or project.
        Invalid
            When the account is an admin, or shall become one in a single project.
        """

        def work(tx: Transaction) -> Membership:
            member = Membership(account, project, role or _own_role(tx, account))
            add_member(tx, member)
            return member

        return self._db.write(work)

    def remove(self, account: str, project: str) -> None:
        """End a membership.

        Raises
        ------
        NotFound
            When there is none.
        """
        if not self._db.write(
            lambda tx: tx.run("delete from member where account = ? and project = ?", account, project)
        ):
            raise NotFound("This account is no member of this project.")

    def restrict(self, account: str, *, restricted: bool) -> None:
        """Let an account know only the projects that it is a member of, or all of them again.

        Raises
        ------
        NotFound
            When there is no such account.
        Invalid
            When it is an admin.
        """

        def work(tx: Transaction) -> None:
            require_no_admin(_own_role(tx, account))
            tx.run("update account set restricted = ? where name = ?", int(restricted), account)

        self._db.write(work)

    def all(self) -> list[Membership]:
        """Give all memberships, by project and account."""
        return [
            Membership(str(account), str(project), Role(str(role)))
            for account, project, role in self._db.read(
                lambda tx: tx.rows("select account, project, role from member order by project, account")
            )
        ]


def add_member(tx: Transaction, member: Membership) -> None:
    """Store a membership; a second one of the same account and project takes the first one's place.

    Raises
    ------
    NotFound
        When there is no such project.
    Invalid
        When the account is an admin, or shall become one in a single project.
    """
    require_no_admin(_own_role(tx, member.account))
    require_no_admin(member.role)
    if tx.row("select 1 from project where name = ?", member.project) is None:
        raise NotFound("There is no such project; make it with `pathserve project create NAME`.")
    tx.run(
        "insert into member (account, project, role) values (?, ?, ?) "
        "on conflict (account, project) do update set role = excluded.role",
        member.account,
        member.project,
        member.role.value,
    )


def require_no_admin(role: Role) -> None:
    """Refuse what would bind an admin to single projects.

    Raises
    ------
    Invalid
        When the role is an admin's.
    """
    if role is Role.ADMIN:
        raise Invalid("An admin is one for every project; single projects have viewers, annotators and reviewers.")


def to_actor(tx: Transaction, account: tuple[Value, ...]) -> Actor:
    """Make the actor of an account's row ``(name, role, restricted)``."""
    name, role, restricted = account
    rows = tx.rows("select project, role from member where account = ? order by project", name)
    members = {str(project): Role(str(given)) for project, given in rows}
    return Actor(str(name), Role(str(role)), None, members, bool(restricted))


def token_actor(token: Actor, account: Actor) -> Actor:
    """Let a token do what both itself and the account that it belongs to may do."""
    members = {project: lowest((token.role, role)) for project, role in account.members.items()}
    return Actor(token.name, lowest((token.role, account.role)), token.project, members, account.restricted)


def _own_role(tx: Transaction, account: str) -> Role:
    row = tx.row("select role from account where name = ?", account)
    if row is None:
        raise NotFound("There is no account of this name.")
    return Role(str(row[0]))
