"""The layers of a slide over HTTP."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action
from pathserve.errors import NotFound
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models_search import LayerBody, LayerModel, LayerPage, LayerPatch
from pathserve.server.params import NoQuery, PageQuery
from pathserve.server.services import Services


async def list_layers(call: Call[PageQuery]) -> Response:
    """Give the slide's layers with their counts."""
    slide = call.slide()
    layers, following = call.query.page(await run_in_threadpool(call.services.annotations.layers, slide.id))
    return json_response(LayerPage(items=[LayerModel.of(layer, count) for layer, count in layers], next=following))


async def make_layer(call: Call[NoQuery]) -> Response:
    """Make an empty layer."""
    slide, layers, author = call.slide(), call.services.layers, call.actor.name
    body = await read_model(call.request, LayerBody)
    made = await run_in_threadpool(lambda: layers.make(slide.id, body.name.strip(), author=author, kind=body.kind))
    return json_response(LayerModel.of(made, 0), status=201)


async def rename_layer(call: Call[NoQuery]) -> Response:
    """Give a layer another name."""
    slide, services, author = call.slide(), call.services, call.actor.name
    body = await read_model(call.request, LayerPatch)
    name = body.name.strip()

    def work() -> LayerModel:
        services.layers.rename(slide.id, _layer(call), name, author=author)
        return _described(services, slide.id, name)

    return json_response(await run_in_threadpool(work))


async def remove_layer(call: Call[NoQuery]) -> Response:
    """Take a layer away with all that is on it."""
    slide, services, author = call.slide(), call.services, call.actor.name
    await run_in_threadpool(lambda: services.layers.remove(slide.id, _layer(call), author=author))
    return Response(status_code=204)


async def restore_layer(call: Call[NoQuery]) -> Response:
    """Bring a layer back that was taken away."""
    slide, services, author = call.slide(), call.services, call.actor.name

    def work() -> LayerModel:
        services.layers.restore(slide.id, _layer(call), author=author)
        return _described(services, slide.id, _layer(call))

    return json_response(await run_in_threadpool(work))


def _layer(call: Call[NoQuery]) -> str:
    return str(call.request.path_params["layer"])


def _described(services: Services, slide: str, name: str) -> LayerModel:
    for layer, count in services.annotations.layers(slide):
        if layer.name == name:
            return LayerModel.of(layer, count)
    raise NotFound("This slide has no such layer.")  # somebody has taken it away meanwhile


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides/{slide}/layers",
        list_layers,
        Action.ANNOTATION_READ,
        "The slide's layers",
        PageQuery,
        {200: Answer("The layers.", model=LayerPage)},
        tag="annotations",
    ),
    Endpoint(
        "POST",
        "/api/slides/{slide}/layers",
        make_layer,
        Action.ANNOTATION_WRITE,
        "Make an empty layer",
        NoQuery,
        {201: Answer("The layer.", model=LayerModel)},
        body_types=("application/json",),
        body_model=LayerBody,
        tag="annotations",
    ),
    Endpoint(
        "PATCH",
        "/api/slides/{slide}/layers/{layer:path}",
        rename_layer,
        Action.ANNOTATION_WRITE,
        "Give a layer another name",
        NoQuery,
        {200: Answer("The layer.", model=LayerModel)},
        body_types=("application/json", "application/merge-patch+json"),
        body_model=LayerPatch,
        tag="annotations",
    ),
    Endpoint(
        "DELETE",
        "/api/slides/{slide}/layers/{layer:path}",
        remove_layer,
        Action.ANNOTATION_WRITE,
        "Take a layer away with all that is on it; its history stays",
        NoQuery,
        {204: Answer("Taken away.", ())},
        tag="annotations",
    ),
    Endpoint(
        "POST",
        "/api/slides/{slide}/layers/{layer:path}/restore",
        restore_layer,
        Action.ANNOTATION_WRITE,
        "Bring a layer back that was taken away",
        NoQuery,
        {200: Answer("The layer.", model=LayerModel)},
        tag="annotations",
    ),
)
