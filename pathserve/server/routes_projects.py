"""Projects, and which accounts belong to them."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Resource, Role, allow
from pathserve.errors import NotFound
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_projects import MemberBody, MemberModel, MemberPage, ProjectModel, ProjectPage
from pathserve.server.params import NoQuery, PageQuery


async def list_projects(call: Call[PageQuery]) -> Response:
    """List the projects that the caller may know of."""
    known, actor = call.actor.projects, call.actor
    found = await run_in_threadpool(call.services.catalog.projects)
    shown = [
        ProjectModel(
            name=name,
            slides=slides,
            role=actor.role_in(name) or Role.VIEWER,
            can_ingest=allow(actor, Action.SLIDE_INGEST, Resource(name)).allowed,
        )
        for name, slides in found.items()
        if known is None or name in known
    ]
    page, following = call.query.page(shown)
    return json_response(ProjectPage(items=list(page), next=following))


async def list_members(call: Call[PageQuery]) -> Response:
    """List the members of a project."""
    project = call.request.path_params["project"]

    def work() -> list[MemberModel]:
        if project not in call.services.catalog.projects():
            raise NotFound("There is no such project.")
        return [
            MemberModel(account=m.account, role=m.role) for m in call.services.members.all() if m.project == project
        ]

    page, following = call.query.page(await run_in_threadpool(work))
    return json_response(MemberPage(items=list(page), next=following))


async def put_member(call: Call[NoQuery]) -> Response:
    """Make an account a member, or change its role."""
    body = await read_model(call.request, MemberBody)
    place = call.request.path_params
    made = await run_in_threadpool(call.services.members.add, place["account"], place["project"], body.role)
    return json_response(MemberModel(account=made.account, role=made.role))


async def remove_member(call: Call[NoQuery]) -> Response:
    """End a membership."""
    place = call.request.path_params
    await run_in_threadpool(call.services.members.remove, place["account"], place["project"])
    return Response(status_code=204)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/projects",
        list_projects,
        Action.SLIDE_READ,
        "Projects, with the caller's role in each",
        PageQuery,
        {200: Answer("A page of projects, by name.", model=ProjectPage)},
        tag="projects",
    ),
    Endpoint(
        "GET",
        "/api/projects/{project:path}/members",
        list_members,
        Action.MEMBERS,
        "Which accounts belong to a project",
        PageQuery,
        {200: Answer("A page of members, by account.", model=MemberPage)},
        tag="projects",
    ),
    Endpoint(
        "PUT",
        "/api/projects/{project:path}/members/{account}",
        put_member,
        Action.MEMBERS,
        "Make an account a member of a project, or change its role there",
        NoQuery,
        {200: Answer("The membership.", model=MemberModel)},
        body_types=("application/json",),
        body_model=MemberBody,
        tag="projects",
    ),
    Endpoint(
        "DELETE",
        "/api/projects/{project:path}/members/{account}",
        remove_member,
        Action.MEMBERS,
        "End a membership",
        NoQuery,
        {204: Answer("Ended.", ())},
        tag="projects",
    ),
)
