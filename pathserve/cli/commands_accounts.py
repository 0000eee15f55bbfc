"""``pathserve user`` and ``pathserve token``: who may come in."""

import re
from typing import Annotated

import typer

from pathserve.access import Role, TokenRecord
from pathserve.cli.options import AsJson, Data, usage
from pathserve.cli.output import say, say_items, say_json, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.config import public_address
from pathserve.errors import Invalid

_LIFETIME = re.compile(r"(\d{1,6})([mhdw]?)")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "": 86_400}

_URL = "http://127.0.0.1:8000"
Url = Annotated[
    str | None,
    typer.Option(
        help=f"Address under which people reach the server. Default: PATHSERVE_PUBLIC_URL, else {_URL}.",
        show_default=False,
    ),
]

users = typer.Typer(help="Accounts of people.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens of programs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(users, name="user")
    app.add_typer(tokens, name="token")


@users.command("add")
def add_user(
    name: str,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.ANNOTATOR,
    project: Annotated[
        list[str] | None,
        typer.Option(help="The only projects that the person knows; may be given again. Default: all."),
    ] = None,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make an account and print its first one-time sign-in link."""
    address = _address(url)
    with open_rooms(data) as rooms:
        rooms.accounts.add(name, role, project or ())
        say(f"{address}/sign-in#{rooms.accounts.make_link(name).code}")


@users.command("list")
def list_users(data: Data = None, as_json: AsJson = False) -> None:
    """List the accounts."""
    with open_rooms(data) as rooms:
        people = rooms.accounts.people()
    if as_json:
        say_items(
            [
                {
                    "name": p.name,
                    "role": p.role.value,
                    "disabled": p.disabled,
                    "restricted": p.restricted,
                    "created": p.created.isoformat(),
                }
                for p in people
            ]
        )
        return
    rows = [
        (
            p.name,
            p.role.value,
            "own" if p.restricted else "all",
            "disabled" if p.disabled else "",
            f"{p.created:%Y-%m-%d}",
        )
        for p in people
    ]
    say_table(
        ("name", "role", "projects", "", "created"),
        rows,
        empty="No accounts yet; the first `pathserve serve` makes one.",
    )


@users.command("disable")
def disable_user(name: str, data: Data = None) -> None:
    """Shut an account and end its sessions at once."""
    with open_rooms(data) as rooms:
        rooms.accounts.disable(name)
    say(f"{name} is disabled and signed out.")


@users.command("link")
def link_user(name: str, url: Url = None, data: Data = None) -> None:
    """Print a new one-time sign-in link."""
    address = _address(url)
    with open_rooms(data) as rooms:
        say(f"{address}/sign-in#{rooms.accounts.make_link(name).code}")


def _address(given: str | None) -> str:
    with usage():
        return public_address(given) or _URL


@users.command("restrict")
def restrict_user(
    name: str,
    off: Annotated[bool, typer.Option("--off", help="Let the account know all projects again.")] = False,
    data: Data = None,
) -> None:
    """Let an account know only the projects that it is a member of."""
    with open_rooms(data) as rooms:
        rooms.members.restrict(name, restricted=not off)
    say(f"{name} knows {'all projects' if off else 'its own projects alone'}.")


@tokens.command("create")
def create_token(
    name: str,
    role: Annotated[Role, typer.Option(help="What the program may do.")] = Role.VIEWER,
    project: Annotated[str | None, typer.Option(help="The only project that it may touch.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="How long it lives: 90d, 12h, 30m, 2w. Default: for ever.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, alone and only this once."""
    with usage():
        lifetime = None if expires is None else _lifetime(expires)
    with open_rooms(data) as rooms:
        if project is not None:
            rooms.catalog.require_project(project)
        issued = rooms.accounts.create_token(name, role=role, project=project, lifetime_seconds=lifetime)
    if as_json:
        say_json(_token_item(issued.record) | {"token": issued.secret})
    else:
        say(issued.secret)


@tokens.command("list")
def list_tokens(data: Data = None, as_json: AsJson = False) -> None:
    """List the tokens, never their secrets."""
    with open_rooms(data) as rooms:
        records = rooms.accounts.tokens()
    if as_json:
        say_items([_token_item(record) for record in records])
        return
    rows = [
        (
            r.id,
            r.name,
            r.role.value,
            r.project or "all",
            f"{r.expires:%Y-%m-%d %H:%M}" if r.expires else "never",
            "revoked" if r.revoked else "",
        )
        for r in records
    ]
    say_table(("id", "name", "role", "project", "expires (UTC)", ""), rows, empty="No tokens.")


@tokens.command("revoke")
def revoke_token(which: Annotated[str, typer.Argument(metavar="ID|NAME")], data: Data = None) -> None:
    """Revoke a token by its id, or all of a name."""
    with open_rooms(data) as rooms:
        count = rooms.accounts.revoke_token(which)
    say(f"{count} revoked.")


def _token_item(record: TokenRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "role": record.role.value,
        "project": record.project,
        "created": record.created.isoformat(),
        "expires": None if record.expires is None else record.expires.isoformat(),
        "revoked": None if record.revoked is None else record.revoked.isoformat(),
    }


def _lifetime(text: str) -> float:
    match = _LIFETIME.fullmatch(text.strip())
    if match is None:
        raise Invalid("A lifetime is a number with m, h, d or w, such as 90d.")
    return int(match[1]) * _SECONDS[match[2]]
