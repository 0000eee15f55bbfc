"""What `pathserve bench` asks for, and the server that it asks: the real one, in a process of its own."""

import multiprocessing
import os
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from urllib.parse import urlencode

from shapely.geometry import shape

from pathserve.access import Role
from pathserve.annotations import AnnotationQuery
from pathserve.catalog import READY, SlideRecord
from pathserve.cli.bench_client import Load, ask_each_once, drive
from pathserve.cli.rooms import all_slides
from pathserve.config import COUNTERS_VARIABLE, DATA_VARIABLE, PROCESSES_VARIABLE, STORE_VARIABLE, data_folder
from pathserve.errors import Busy, NotFound
from pathserve.server.run import bind, run
from pathserve.server.services import Services
from pathserve.tiles import DeepZoom

WINDOW = 1024
"""Side of the boxes that annotations are asked of, in level-0 pixels."""

MASK = 512
"""Side of the masks, in pixels of full resolution."""

CONNECTIONS = (1, 16)

_TILES = 512  # so few that the page cache holds them: the server is measured, and not the disk
_WINDOWS = 64
_SAMPLE = 2000
_SEED = 1
_SHARES = {"warm": 0.1, "tiles": 0.25, "annotations": 0.2, "mask": 0.2}  # of the time; tiles are asked for twice
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of question, asked over some connections.

    Parameters
    ----------
    what
        ``tiles``, ``annotations`` or ``mask``.
    slide
        Whose.
    cpu_seconds
        Processor time of the server meanwhile; None where the system does not tell it.
    """

    what: str
    slide: str
    connections: int
    load: Load
    cpu_seconds: float | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The slides that are measured: one for tiles, and one with annotations, or None when there are none."""

    tiles: SlideRecord
    annotated: SlideRecord | None


def choose(services: Services, slide_id: str | None) -> Chosen:
    """Choose the slide that is asked for, or the largest one, and the one with most annotations.

    Raises
    ------
    NotFound
        When there is no such slide, or none at all that is complete.
    """
    if slide_id is not None:
        asked = services.catalog.slide(slide_id)
        if asked.status != READY:
            raise NotFound("This slide is still being built; measure it when it is complete.")
        return Chosen(asked, asked if services.annotations.counts([asked.id])[asked.id] else None)
    known = [slide for slide in all_slides(services.catalog) if slide.status == READY]
    if not known:
        raise NotFound("There are no slides yet to measure with; bring one in with `pathserve ingest`.")
    counts = services.annotations.counts([slide.id for slide in known])
    most = max(known, key=lambda slide: counts[slide.id])
    return Chosen(max(known, key=lambda s: s.width * s.height), most if counts[most.id] else None)


def tile_addresses(slide: SlideRecord, grid: DeepZoom) -> list[str]:
    """Choose some tiles at random, of every level as many as its share of all tiles; the same ones each time."""
    counts = [columns * rows for columns, rows in map(grid.level_tiles, range(grid.level_count))]
    chance = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    numbers = chance.sample(range(sum(counts)), min(_TILES, sum(counts)))
    return [
        f"/dzi/{slide.id}_files/{level}/{number % columns}_{number // columns}.jpeg?g={slide.generation}"
        for level, number, columns in (_place(number, grid, counts) for number in numbers)
    ]


def _place(number: int, grid: DeepZoom, counts: Sequence[int]) -> tuple[int, int, int]:
    for level, count in enumerate(counts):
        if number < count:
            return level, number, grid.level_tiles(level)[0]
        number -= count
    raise ValueError("there are not so many tiles")


def annotation_centres(services: Services, slide: SlideRecord) -> list[tuple[float, float]]:
    """Choose some places where annotations are: empty glass would be measured as very fast."""
    page = services.annotations.page(AnnotationQuery(slide.id), limit=_SAMPLE)
    chance = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    chosen = chance.sample(page.annotations, min(_WINDOWS, len(page.annotations)))
    boxes = [shape(dict(annotation.geometry)).bounds for annotation in chosen]
    return [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]


def measure(services: Services, chosen: Chosen, *, seconds: float) -> list[Measured]:
    """Measure everything against a server of its own; a token lives for so long and no longer."""
    tiles = tile_addresses(chosen.tiles, services.tiles.deepzoom(chosen.tiles.id))
    centres = [] if chosen.annotated is None else annotation_centres(services, chosen.annotated)
    with _token(services, seconds) as token, _server(services) as (address, process):

        def ask(what: str, slide: SlideRecord, paths: Sequence[str], connections: int) -> Measured:
            requests = [_request(path, token) for path in paths]
            ask_each_once(address, requests[:1], seconds=0)  # what is loaded once is loaded now
            before = _cpu_seconds(process)
            load = drive(address, requests, connections=connections, seconds=seconds * _SHARES[what])
            after = _cpu_seconds(process)
            spent = None if before is None or after is None else after - before
            return Measured(what, slide.id, connections, load, spent)

        warm = [_request(path, token) for path in tiles]
        asked = ask_each_once(address, warm, seconds=seconds * _SHARES["warm"])
        measured = [ask("tiles", chosen.tiles, tiles[:asked], connections) for connections in CONNECTIONS]
        if chosen.annotated is not None:
            slide = chosen.annotated
            measured.append(ask("annotations", slide, [_window(slide, *centre) for centre in centres], 1))
            measured.append(ask("mask", slide, [_mask(slide, *centre) for centre in centres], 1))
        return measured


def _window(slide: SlideRecord, x: float, y: float) -> str:
    box = ",".join(f"{edge:.1f}" for edge in (x - WINDOW / 2, y - WINDOW / 2, x + WINDOW / 2, y + WINDOW / 2))
    return f"/api/slides/{slide.id}/annotations?{urlencode({'bbox': box, 'limit': 10_000})}"


def _mask(slide: SlideRecord, x: float, y: float) -> str:
    grid = {"x": round(x - MASK / 2), "y": round(y - MASK / 2), "width": MASK, "height": MASK, "format": "npy"}
    return f"/api/slides/{slide.id}/mask?{urlencode(grid)}"


def _request(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode("ascii")


@contextmanager
def _token(services: Services, seconds: float) -> Iterator[str]:
    """Make a token that reads, and revoke it in the end; when even that fails it soon expires by itself."""
    lifetime = 3 * seconds + 2 * _START_SECONDS
    issued = services.accounts.create_token("bench", role=Role.VIEWER, lifetime_seconds=lifetime)
    try:
        yield issued.secret
    finally:
        services.accounts.revoke_token(issued.record.id)


@contextmanager
def _server(services: Services) -> Iterator[tuple[tuple[str, int], BaseProcess]]:
    listener = bind("127.0.0.1", 0)
    address: tuple[str, int] = listener.getsockname()
    # Its environment is how a process of the server learns what it serves.
    os.environ[DATA_VARIABLE] = str(data_folder(services.settings.data))
    for told_by_serve in (COUNTERS_VARIABLE, PROCESSES_VARIABLE):
        os.environ.pop(told_by_serve, None)
    if services.settings.store is not None:
        os.environ[STORE_VARIABLE] = services.settings.store
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(listener,), daemon=True)
    process.start()
    listener.close()
    try:
        _wait(process, address)
        yield address, process
    finally:
        process.terminate()
        process.join(_START_SECONDS)


def _serve(listener: socket.socket) -> None:
    run(listener, workers=1, started=lambda: None, factory="pathserve.server.run:application_without_jobs")


def _wait(process: BaseProcess, address: tuple[str, int]) -> None:
    end = time.monotonic() + _START_SECONDS
    while process.is_alive() and time.monotonic() < end:
        try:
            ask_each_once(address, [b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"], seconds=0)
        except Busy:
            time.sleep(0.05)
        else:
            return
    raise Busy("The server that is to be measured did not start.")


def _cpu_seconds(process: BaseProcess) -> float | None:
    """Give the processor time of a process so far, where the system tells it (Linux)."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
