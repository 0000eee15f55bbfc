"""``pathserve serve`` and ``pathserve demo``."""

import contextlib
import ipaddress
import os
import socket
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from pathserve.catalog import SlideRecord
from pathserve.cli.ingesting import ScanJobs, scan_jobs
from pathserve.cli.options import Data, Reserve, Store
from pathserve.cli.output import Exit, note, say
from pathserve.cli.pixels import open_services
from pathserve.config import (
    COUNTERS_VARIABLE,
    DATA_VARIABLE,
    PROCESSES_VARIABLE,
    PUBLIC_URL_VARIABLE,
    RESERVE_VARIABLE,
    STORE_VARIABLE,
    data_folder,
    public_address,
)
from pathserve.errors import Corrupt, Invalid
from pathserve.formats.geojson import geojson
from pathserve.ingest import IngestOptions
from pathserve.server.metrics import counters_folder
from pathserve.server.run import bind, run
from pathserve.server.services import Services
from pathserve.slides import Scan

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Server processes.")]

PublicUrl = Annotated[
    str | None,
    typer.Option(
        help="Address under which people reach it, such as https://slides.example.org: of a proxy with TLS in front. "
        "Default: PATHSERVE_PUBLIC_URL, else none.",
        show_default=False,
    ),
]

_DEMO_LAYER = "Nuclei"
_DEMO_AUTHOR = "demo"


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("demo")(demo)
    app.command("serve")(serve)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    public_url: PublicUrl = None,
    reserve: Reserve = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Start the server and the viewer; the first start makes an admin and prints a one-time sign-in link."""
    address = public_address(public_url)
    listener = _listen(host, port, address)
    with open_services(data, store, reserve=reserve) as services:
        link = services.accounts.ensure_admin()
    _tell_processes(data, store, reserve, address)
    _run(listener, workers, address, None if link is None else link.code)


def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    public_url: PublicUrl = None,
    reserve: Reserve = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Ingest the two real samples that come with PathServe, start the server and print the sign-in link."""
    address = public_address(public_url)
    listener = _listen(host, port, address)
    with open_services(data, store, reserve=reserve) as services:
        _prepare_demo(services)
        link = services.accounts.ensure_admin() or services.accounts.make_link("admin")
    _tell_processes(data, store, reserve, address)
    _run(listener, workers, address, link.code)


def _listen(host: str, port: int, public_url: str | None) -> socket.socket:
    """Take the address; other machines are let in only when it is said how they come.

    Raises
    ------
    Invalid
        When others could reach the server and no public address says that somebody meant it.
    """
    listener = bind(host, port)
    if public_url is None and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        listener.close()
        raise Invalid(
            "With this --host other machines can reach the server. Say under which address with "
            "--public-url https://slides.example.org (a proxy with TLS in front of it), or leave --host out."
        )
    return listener


def _tell_processes(data: Path | None, store: str | None, reserve: str | None, public_url: str | None) -> None:
    """Put what was chosen into the environment: that is how the server's processes learn of it."""
    os.environ[DATA_VARIABLE] = str(data_folder(data))
    if store is not None:
        os.environ[STORE_VARIABLE] = store
    if reserve is not None:
        os.environ[RESERVE_VARIABLE] = reserve
    if public_url is not None:
        os.environ[PUBLIC_URL_VARIABLE] = public_url


def _run(listener: socket.socket, workers: int, public_url: str | None, code: str | None) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    if public_url is not None and public_url.startswith("http:"):
        note("The public address has no TLS: whoever can see its traffic can read it, sessions and tokens too.")

    def started() -> None:
        behind = "" if public_url is None else f", for people at {public_url}"
        say(f"PathServe is at {address}{behind} (Ctrl+C stops it).")
        if code is not None:
            say(f"Sign in, once, with: {public_url or address}/sign-in#{code}")

    # Ctrl+C is how a person stops a server: by then it has finished its requests, and nothing is wrong.
    with contextlib.suppress(KeyboardInterrupt), counters_folder(data_folder() / "counters") as counters:
        os.environ[COUNTERS_VARIABLE], os.environ[PROCESSES_VARIABLE] = str(counters), str(workers)
        run(listener, workers=workers, started=started)
    # A thread may still draw for a client that has gone; every write is a transaction, so nothing need wait for it.
    sys.stdout.flush()
    os._exit(Exit.DONE)


def _ingest_sample(jobs: ScanJobs, path: Path, name: str) -> SlideRecord:
    result = jobs.run(Scan.of(path), IngestOptions(name=name), shown=name)
    if result.error is not None:
        raise result.error
    return result.outcomes[0].slide


def _prepare_demo(services: Services) -> None:
    with resources.as_file(resources.files("pathserve._demo")) as folder, scan_jobs(services) as (jobs, _):
        _ingest_sample(jobs, folder / "CMU-1-Small-Region.svs", "CMU-1 small region, H&E")
        field = _ingest_sample(jobs, folder / "hgsc_nest.jpg", "HGSC nest with 1,295 nuclei, H&E")
        nuclei = (folder / "hgsc_nest.geojson").read_bytes()
    parsed = geojson.parse_features(nuclei, frame=field.size)
    if parsed.refused:
        raise Corrupt("The sample annotations that came with PathServe are damaged; install it again.")
    # The same ids with the same content are nothing new, so a second demo adds nothing.
    services.annotations.add(field.id, parsed.annotations, layer=_DEMO_LAYER, author=_DEMO_AUTHOR)
