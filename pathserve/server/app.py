"""The application: routes in a plain list, middleware, one set of services per process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from pathserve.config import Settings
from pathserve.errors import PathServeError
from pathserve.server import (
    routes_access,
    routes_annotations,
    routes_batch,
    routes_classes,
    routes_exchange,
    routes_health,
    routes_identity,
    routes_iiif,
    routes_jobs,
    routes_layers,
    routes_live,
    routes_masks,
    routes_metrics,
    routes_pages,
    routes_projects,
    routes_pseudonyms,
    routes_quality,
    routes_samples,
    routes_search,
    routes_session,
    routes_slides,
    routes_tiles,
    routes_uploads,
    routes_vector_tiles,
    routes_zarr,
)
from pathserve.server.auth import Authentication
from pathserve.server.connections import Connections, most_connections, open_files
from pathserve.server.cors import OPEN_PREFIXES, PREFLIGHT
from pathserve.server.endpoint import Endpoint
from pathserve.server.fast_path import FastPath
from pathserve.server.kernels import compile_apart, load_kernels
from pathserve.server.middleware import Counting, Envelope
from pathserve.server.openapi import Description
from pathserve.server.problems import on_http_exception, on_pathserve_error
from pathserve.server.protocol import STATE, Door
from pathserve.server.services import Services

STOP_SECONDS = 10.0
"""How long a server that stops waits for its ingest jobs to be put back."""

# Tiles first: routes are tried in order, and tiles are nearly all of the traffic.
ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *routes_samples.ENDPOINTS,  # before tiles, whose address fits theirs too
    *routes_tiles.ENDPOINTS,
    *routes_vector_tiles.ENDPOINTS,
    *routes_zarr.ENDPOINTS,
    *routes_iiif.ENDPOINTS,
    *routes_batch.ENDPOINTS,
    *routes_slides.ENDPOINTS,
    *routes_quality.ENDPOINTS,
    *routes_identity.ENDPOINTS,
    *routes_projects.ENDPOINTS,
    *routes_classes.ENDPOINTS,
    *routes_pseudonyms.ENDPOINTS,
    *routes_uploads.ENDPOINTS,
    *routes_jobs.ENDPOINTS,
    *routes_annotations.ENDPOINTS,
    *routes_exchange.ENDPOINTS,
    *routes_search.ENDPOINTS,
    *routes_layers.ENDPOINTS,
    *routes_live.ENDPOINTS,
    *routes_masks.ENDPOINTS,
    *routes_session.ENDPOINTS,
    *routes_access.ENDPOINTS,
    *routes_health.ENDPOINTS,
    *routes_metrics.ENDPOINTS,
    *routes_pages.ENDPOINTS,
)


def create_app(
    settings: Settings, *, runs_jobs: bool = True, on_ready: Callable[[], object] = lambda: None
) -> Starlette:
    """Make the application for a data folder.

    The data folder is opened here, so that what is wrong with it is said at once, and closed when the server stops.
    Ingest jobs run in threads from when the server has started until it stops; a job that runs by then waits again.

    Parameters
    ----------
    runs_jobs
        Whether it runs ingest jobs and cleans up; else it leaves that to other servers of the data folder.
    on_ready
        Called, in a thread, when all is loaded that stays until the server stops.

    Raises
    ------
    PathServeError
        When the data folder cannot be used.
    """
    services = Services.open(settings)

    def prepare() -> None:
        compile_apart(services.stopping.wait)
        if services.stopping.is_set():
            return
        load_kernels()
        on_ready()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Door]]:
        ingest = Thread(target=services.queue.loop, args=(services.stopping,), name="ingest-queue", daemon=True)
        if runs_jobs:
            ingest.start()
        ready = Thread(target=prepare, name="kernels", daemon=True)
        ready.start()
        yield {STATE: Door(FastPath(services), Connections(most_connections(open_files())))}
        services.stopping.set()
        if runs_jobs:
            await run_in_threadpool(ingest.join, STOP_SECONDS)
        await run_in_threadpool(ready.join, STOP_SECONDS)
        services.close()

    routes: list[BaseRoute] = [endpoint.route(services) for endpoint in ENDPOINTS]
    app = Starlette(
        routes=[*routes, routes_pages.assets()],
        middleware=[
            Middleware(Counting, metrics=services.metrics),
            Middleware(Envelope),
            Middleware(
                Authentication,
                services=services,
                options={
                    routes_uploads.ADDRESS: routes_uploads.options(settings),
                    **dict.fromkeys(OPEN_PREFIXES, PREFLIGHT),
                },
            ),
        ],
        exception_handlers={
            PathServeError: on_pathserve_error,
            HTTPException: on_http_exception,
        },
        lifespan=lifespan,
    )
    # An address with a slash too many is none: Starlette would lead elsewhere by what the client calls this server.
    app.router.redirect_slashes = False
    app.state.description = Description(ENDPOINTS)
    app.state.services = services
    return app
