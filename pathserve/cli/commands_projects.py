"""``pathserve project`` and ``pathserve member``: what is kept together, and who may see it."""

from typing import Annotated

import typer

from pathserve.access import Role
from pathserve.cli.options import AsJson, Data
from pathserve.cli.output import say, say_items, say_table
from pathserve.cli.rooms import open_rooms

projects = typer.Typer(help="Projects.", no_args_is_help=True)
members = typer.Typer(help="Who belongs to which project.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(projects, name="project")
    app.add_typer(members, name="member")


@projects.command("create")
def create_project(name: str, data: Data = None) -> None:
    """Make a project before it has slides, so that it can have members."""
    with open_rooms(data) as rooms:
        say(f"{rooms.catalog.add_project(name)} is there.")


@projects.command("list")
def list_projects(data: Data = None, as_json: AsJson = False) -> None:
    """List the projects."""
    with open_rooms(data) as rooms:
        counts = rooms.catalog.projects()
    if as_json:
        say_items([{"name": name, "slides": count} for name, count in counts.items()])
        return
    say_table(("name", "slides"), [(name, f"{count:,}") for name, count in counts.items()], empty="No projects yet.")


@members.command("add")
def add_member(
    account: str,
    project: str,
    role: Annotated[Role | None, typer.Option(help="Role in this project. Default: the account's own.")] = None,
    data: Data = None,
) -> None:
    """Make an account a member of a project, or change its role there."""
    with open_rooms(data) as rooms:
        member = rooms.members.add(account, project, role)
    say(f"{member.account} is {member.role.value} in {member.project}.")


@members.command("list")
def list_members(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List who belongs to which project."""
    with open_rooms(data) as rooms:
        if project is not None:
            rooms.catalog.require_project(project)
        found = [member for member in rooms.members.all() if project in (None, member.project)]
    if as_json:
        say_items([{"account": m.account, "project": m.project, "role": m.role.value} for m in found])
        return
    say_table(
        ("project", "account", "role"), [(m.project, m.account, m.role.value) for m in found], empty="No members."
    )


@members.command("remove")
def remove_member(account: str, project: str, data: Data = None) -> None:
    """End a membership; it holds from the next request on."""
    with open_rooms(data) as rooms:
        rooms.members.remove(account, project)
    say(f"{account} is no member of {project} any more.")
