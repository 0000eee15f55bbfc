"""The catalog over HTTP: slides."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Resource, require
from pathserve.catalog import SlideRecord
from pathserve.errors import PathServeError
from pathserve.ingest import remove_slide
from pathserve.server.bodies import json_response, read_model
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.models import (
    ColorModel,
    SlideDetailModel,
    SlideModel,
    SlidePage,
    SlidePatch,
)
from pathserve.server.params import NoQuery, SlidesQuery
from pathserve.server.services import Services
from pathserve.tiles.colour import INTENT_NAME


def _described(services: Services, slides: list[SlideRecord]) -> list[SlideModel]:
    counts = services.annotations.counts([slide.id for slide in slides])
    judgements = services.catalog.judgements.current(slides)
    return [SlideModel.of(slide, counts[slide.id], judgements.get(slide.id)) for slide in slides]


async def list_slides(call: Call[SlidesQuery]) -> Response:
    """List the slides that the caller may see."""
    after = call.query.offset
    wanted = call.query.filter(call.actor.projects)

    def work() -> SlidePage:
        slides, following = call.services.catalog.slides(wanted, after=after, limit=call.query.limit)
        return SlidePage(items=_described(call.services, slides), next=None if following is None else str(following))

    return json_response(await run_in_threadpool(work))


async def get_slide(call: Call[NoQuery]) -> Response:
    """Give one slide."""
    slide = call.slide()

    def work() -> SlideDetailModel:
        (described,) = _described(call.services, [slide])
        revision = call.services.annotations.revision(slide.id)
        return SlideDetailModel(**dict(described), revision=revision, color=_color(call.services, slide))

    return json_response(await run_in_threadpool(work))


def _color(services: Services, slide: SlideRecord) -> ColorModel | None:
    try:
        facts = services.tiles.color_facts(slide.id)
    except PathServeError:
        return None  # what the catalog knows is told even of a slide whose pixels are damaged or out of reach
    return ColorModel(
        profile=facts.profile,
        converted=facts.converted,
        intent=INTENT_NAME if facts.converted else None,
        black_point_compensation=facts.converted,
    )


async def patch_slide(call: Call[NoQuery]) -> Response:
    """Change what people say about a slide."""
    slide = call.slide()
    change = await read_model(call.request, SlidePatch)
    if change.project is not None:
        require(call.actor, call.action, Resource(change.project), what="project")
    changed = await run_in_threadpool(call.services.catalog.edit_slide, slide.id, change.facts())
    return json_response((await run_in_threadpool(_described, call.services, [changed]))[0])


async def delete_slide(call: Call[NoQuery]) -> Response:
    """Remove a slide, its pixels and its annotations."""
    slide = call.slide()
    await run_in_threadpool(remove_slide, slide.id, settings=call.services.settings, catalog=call.services.catalog)
    call.services.tiles.forget(slide.id)
    return Response(status_code=204)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/slides",
        list_slides,
        Action.SLIDE_READ,
        "List slides",
        SlidesQuery,
        {200: Answer("A page of slides, oldest first.", model=SlidePage)},
    ),
    Endpoint(
        "GET",
        "/api/slides/{slide}",
        get_slide,
        Action.SLIDE_READ,
        "One slide",
        NoQuery,
        {200: Answer("The slide.", model=SlideDetailModel)},
    ),
    Endpoint(
        "PATCH",
        "/api/slides/{slide}",
        patch_slide,
        Action.SLIDE_EDIT,
        "Change a slide's name, project, case, patient or stain",
        NoQuery,
        {200: Answer("The slide as it is now.", model=SlideModel)},
        body_types=("application/json", "application/merge-patch+json"),
        body_model=SlidePatch,
    ),
    Endpoint(
        "DELETE",
        "/api/slides/{slide}",
        delete_slide,
        Action.SLIDE_REMOVE,
        "Remove a slide with all its annotations",
        NoQuery,
        {204: Answer("Removed.", ())},
    ),
)
