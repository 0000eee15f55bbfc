"""Starting the server: one socket, one or several processes."""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from pathserve.config import (
    Settings,
    counters_place,
    data_folder,
    database_address,
    disk_reserve,
    processes,
    public_address,
    store_address,
)
from pathserve.errors import Busy, Invalid
from pathserve.server.app import create_app
from pathserve.server.collection import LongLived
from pathserve.server.connections import IDLE_SECONDS, allow_open_files
from pathserve.server.protocol import TileProtocol

_GRACE_SECONDS = 5


def application() -> Starlette:
    """Make the application in a server process, from the environment that the starting process set.

    What is loaded by the time it is ready is left out of garbage collections from then on (`LongLived`).
    """
    return _stopping_in_time(create_app(_settings(), on_ready=LongLived().begin))


def application_without_jobs() -> Starlette:
    """Make one that leaves ingest jobs to other servers: it is there to be measured."""
    return _stopping_in_time(create_app(_settings(), runs_jobs=False, on_ready=LongLived().begin))


def _settings() -> Settings:
    return Settings(
        data=data_folder(),
        database_url=database_address(),
        store=store_address(),
        disk_reserve_bytes=disk_reserve(),
        public_url=public_address(),
        counters=counters_place(),
        processes=processes(),
    )


def _stopping_in_time(app: Starlette) -> Starlette:
    for number in (signal.SIGINT, signal.SIGTERM):
        _at_signal(number, app.state.services.stopping.set)
    return app


def _at_signal(number: int, tell: Callable[[], None]) -> None:
    """Do something first when a signal comes: the server waits for its answers, and streams end only when told."""
    then, loop = signal.getsignal(number), asyncio.get_running_loop()

    def handle(received: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        if callable(then):
            then(received, frame)

    signal.signal(number, handle)


def bind(host: str, port: int) -> socket.socket:
    """Take the address before anything else is done.

    Raises
    ------
    Busy
        When another program has it.
    Invalid
        When this machine has no such address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, OverflowError) as error:
        raise Invalid("This host or port is none that a server can have.") from error
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise Busy(f"Port {port} cannot be used: {error.strerror}. Choose another one with --port.") from error
    taken.set_inheritable(True)
    return taken


def run(
    listener: socket.socket,
    *,
    workers: int,
    started: Callable[[], None],
    factory: str = "pathserve.server.run:application",
) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    listener
        The bound socket.
    workers
        Processes; they share nothing but the data folder.
    started
        Called once the address answers.
    factory
        Where the function is that makes the application in each process.
    """
    config = uvicorn.Config(
        factory,
        factory=True,
        http=TileProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        workers=workers,
    )
    allow_open_files()  # its processes inherit it
    listener.listen(config.backlog)  # from here on a browser waits instead of being refused
    started()
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])
