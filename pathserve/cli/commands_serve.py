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
from pathserve.cli.options import Data, Reserve, Store, open_services
from pathserve.cli.output import Exit, note, say
from pathserve.config import DATA_VARIABLE, RESERVE_VARIABLE, STORE_VARIABLE, data_folder
from pathserve.errors import Corrupt
from pathserve.formats import geojson
from pathserve.ingest import IngestOptions
from pathserve.server.run import bind, run
from pathserve.server.services import Services
from pathserve.slides import Scan

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Server processes.")]

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
    reserve: Reserve = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Start the server and the viewer; the first start makes an admin and prints a one-time sign-in link."""
    listener = bind(host, port)
    with open_services(data, store, reserve=reserve, probe=True) as services:
        link = services.accounts.ensure_admin()
    _tell_processes(data, store, reserve)
    _run(listener, workers, None if link is None else link.code)


def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    reserve: Reserve = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Ingest the two real samples that come with PathServe, start the server and print the sign-in link."""
    listener = bind(host, port)
    with open_services(data, store, reserve=reserve, probe=True) as services:
        _prepare_demo(services)
        link = services.accounts.ensure_admin() or services.accounts.make_link("admin")
    _tell_processes(data, store, reserve)
    _run(listener, workers, link.code)


def _tell_processes(data: Path | None, store: str | None, reserve: str | None) -> None:
    """Put what was chosen into the environment: that is how the server's processes learn of it."""
    os.environ[DATA_VARIABLE] = str(data_folder(data))
    if store is not None:
        os.environ[STORE_VARIABLE] = store
    if reserve is not None:
        os.environ[RESERVE_VARIABLE] = reserve


def _run(listener: socket.socket, workers: int, code: str | None) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    if not ipaddress.ip_address(host).is_loopback:
        note("Others on this network can reach this server and read its traffic: put a proxy with TLS in front of it.")

    def started() -> None:
        say(f"PathServe is at {address} (Ctrl+C stops it).")
        if code is not None:
            say(f"Sign in, once, with: {address}/sign-in#{code}")

    # Ctrl+C is how a person stops a server: by then it has finished its requests, and nothing is wrong.
    with contextlib.suppress(KeyboardInterrupt):
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
