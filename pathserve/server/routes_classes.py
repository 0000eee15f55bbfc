"""Class schemas over HTTP: of a slide's project, and of a project with all its versions."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Resource, require
from pathserve.errors import NotFound, Stale
from pathserve.labels import ClassSchema
from pathserve.server.bodies import expected_version, json_response, read_model, version_etag
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_classes import (
    ClassesBody,
    ClassModel,
    ClassPage,
    SchemaVersionModel,
    SchemaVersionPage,
    class_page,
)
from pathserve.server.params import NoQuery, PageQuery
from pathserve.server.params_annotations import ClassesQuery
from pathserve.server.problems import error_response

_MAX_BODY = 256 * 1024


async def list_classes(call: Call[PageQuery]) -> Response:
    """Give the class schema of the slide's project."""
    slide = call.slide()
    schema = await run_in_threadpool(call.services.classes.of, slide.project)
    classes, following = call.query.page(schema.classes)
    page = ClassPage(items=[ClassModel.of(item) for item in classes], next=following, version=schema.version)
    return json_response(page, headers=_tag(schema))


async def project_classes(call: Call[ClassesQuery]) -> Response:
    """Give a project's class schema, as it is or as it was at a version or a moment."""
    project, query, schemas = await _project(call), call.query, call.services.classes

    def work() -> ClassSchema:
        return schemas.of(project) if query.as_of_value is None else schemas.at(project, query.as_of_value)

    schema = await run_in_threadpool(work)
    return json_response(class_page(schema), headers=_tag(schema))


async def put_classes(call: Call[NoQuery]) -> Response:
    """Change and add classes; a stale write is answered with the current schema."""
    project, schemas, author = await _project(call), call.services.classes, call.actor.name
    body = await read_model(call.request, ClassesBody, limit=_MAX_BODY)
    wanted = [item.wanted() for item in body.items]
    expected = expected_version(call.request)
    try:
        schema = await run_in_threadpool(lambda: schemas.set(project, wanted, author=author, expected=expected))
    except Stale as error:
        now = await run_in_threadpool(schemas.of, project)
        members = {"current": class_page(now).model_dump()}
        return error_response(call.request.scope, error, headers=_tag(now), members=members)
    return json_response(class_page(schema), headers=_tag(schema))


async def class_history(call: Call[PageQuery]) -> Response:
    """List the versions of a project's class schema."""
    project = await _project(call)
    history = await run_in_threadpool(call.services.classes.history, project)
    versions, following = call.query.page(history)
    return json_response(SchemaVersionPage(items=[SchemaVersionModel.of(v) for v in versions], next=following))


async def _project(call: Call[NoQuery]) -> str:
    """Give the project that the address names when the caller may do this to it."""
    project = call.request.path_params["project"]
    require(call.actor, call.action, Resource(project), what="project")
    if project not in await run_in_threadpool(call.services.catalog.projects):
        raise NotFound("There is no such project.")
    return str(project)


def _tag(schema: ClassSchema) -> dict[str, str]:
    return {"etag": version_etag(schema.version)}


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/classes",
        list_classes,
        Action.SLIDE_READ,
        "The class schema of the slide's project",
        PageQuery,
        {200: Answer("The classes; the ETag names the version.", model=ClassPage)},
        tag="annotations",
    ),
    Endpoint(
        "GET",
        "/api/projects/{project:path}/classes",
        project_classes,
        Action.SLIDE_READ,
        "The class schema of a project, also as it was",
        ClassesQuery,
        {200: Answer("The classes; the ETag names the version.", model=ClassPage)},
        tag="projects",
    ),
    Endpoint(
        "PUT",
        "/api/projects/{project:path}/classes",
        put_classes,
        Action.CLASSES_EDIT,
        "Change and add classes of a project; none is ever taken away",
        NoQuery,
        {200: Answer("The classes as they are now.", model=ClassPage)},
        body_types=("application/json",),
        body_model=ClassesBody,
        tag="projects",
    ),
    Endpoint(
        "GET",
        "/api/projects/{project:path}/classes/history",
        class_history,
        Action.SLIDE_READ,
        "Versions of a project's class schema",
        PageQuery,
        {200: Answer("A page of versions, oldest first.", model=SchemaVersionPage)},
        tag="projects",
    ),
)
