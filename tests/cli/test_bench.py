"""`pathserve bench`: what it says, what it leaves behind, and that its client counts right."""

import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.annotations import AnnotationQuery
from pathserve.cli.bench_client import Load, ask_each_once, drive
from pathserve.cli.benching import annotation_centres, choose, tile_addresses
from pathserve.config import Settings
from pathserve.errors import Busy, NotFound
from pathserve.geometry import Size
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.labels import NewAnnotation
from pathserve.server.services import Services
from pathserve.tiles import DeepZoom


def square(x: float, y: float) -> NewAnnotation:
    ring = [[x, y], [x + 20, y], [x + 20, y + 20], [x, y + 20], [x, y]]
    return NewAnnotation(geometry={"type": "Polygon", "coordinates": [ring]}, class_name="Tumor", properties={})


@pytest.fixture(scope="module")
def measurable(tmp_path_factory, sample_slide: Path, sample_field: Path) -> Path:
    """A data folder with two slides; the smaller one has annotations."""
    folder = tmp_path_factory.mktemp("bench") / "data"
    opened = Services.open(Settings(data=folder))
    for path, name in ((sample_slide, "large"), (sample_field, "small")):
        ingest_scan(
            path,
            settings=opened.settings,
            catalog=opened.catalog,
            options=IngestOptions(name=name, workers=2),
            progress=lambda _: None,
        )
    small = next(s.id for s in opened.catalog.slides()[0] if s.name == "small")
    opened.annotations.add(small, [square(100 * n, 50) for n in range(10)], layer="l", author="a")
    opened.close()
    return folder


@pytest.fixture
def services(measurable: Path, data: Path) -> Iterator[Services]:
    shutil.copytree(measurable, data)
    opened = Services.open(Settings(data=data))
    yield opened
    opened.close()


def test_it_measures_all_and_leaves_nothing_behind(services: Services, program) -> None:
    waiting = services.jobs.enqueue(Path("/somewhere/scan.svs"), project="default")
    names = {slide.id: slide.name for slide in services.catalog.slides()[0]}
    done = program("bench", "--seconds", "1", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    asked = [(one["what"], names[one["slide"]], one["connections"]) for one in results]
    assert asked == [("tiles", "large", 1), ("tiles", "large", 16), ("annotations", "small", 1), ("mask", "small", 1)]
    for one in results:
        assert one["count"] >= 1
        assert one["per_second"] == pytest.approx(one["count"] / one["seconds"], rel=0.01, abs=0.1)
        assert 0 < one["p50_ms"] <= one["p95_ms"] <= one["p99_ms"]
    masks = results[-1]
    assert masks["bytes"] / masks["count"] > 512 * 512  # whole masks, not errors
    tokens = services.accounts.tokens()
    assert [(token.name, token.revoked is not None) for token in tokens] == [("bench", True)]
    assert services.jobs.find(waiting.id).state == "queued"
    assert not (services.settings.data / "counters").exists()


def test_without_annotations_the_table_says_what_is_missing(services: Services, program) -> None:
    large = next(s.id for s in services.catalog.slides()[0] if s.name == "large")
    done = program("bench", large, "--seconds", "1")
    assert done.returncode == 0, done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines()]
    assert rows == ["what", "tiles", "tiles", "No"]


def test_what_cannot_be_measured_is_said_in_a_sentence(program) -> None:
    done = program("bench")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no slides yet" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_slide_that_is_still_built_is_not_measured(services: Services) -> None:
    large = next(s for s in services.catalog.slides()[0] if s.name == "large")
    services.catalog.set_status(large.id, "building")
    with pytest.raises(NotFound, match="still being built"):
        choose(services, large.id)
    with pytest.raises(NotFound, match="no such slide"):
        choose(services, "abc")
    assert choose(services, None).tiles.name == "small"


def test_places_are_on_annotations(services: Services) -> None:
    annotated = choose(services, None).annotated
    assert annotated is not None
    found = set(annotation_centres(services, annotated))
    assert found == {(100.0 * n + 10, 60.0) for n in range(10)}
    assert all(
        services.annotations.page(AnnotationQuery(annotated.id, bbox=(x, y, x + 1, y + 1)), limit=1) for x, y in found
    )


def test_the_tiles_are_all_there_and_none_is_asked_for_twice(services: Services) -> None:
    slide = choose(services, None).tiles
    grid = services.tiles.deepzoom(slide.id)
    addresses = tile_addresses(slide, grid)
    assert (
        len(set(addresses)) == len(addresses) == sum(c * r for c, r in map(grid.level_tiles, range(grid.level_count)))
    )
    for address in addresses:
        level, _, place = address.partition("_files/")[2].partition(".")[0].partition("/")
        col, _, row = place.partition("_")
        grid.tile_region(int(level), int(col), int(row))  # raises where there is none
    large = tile_addresses(slide, DeepZoom(Size(100_000, 80_000), 256, 1))
    assert len(set(large)) == 512


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_those_of_numpy(latencies: list[float], percent: int) -> None:
    load = Load(1.0, tuple(sorted(latencies)), 0)
    assert load.percentile(percent) == np.percentile(latencies, percent, method="inverted_cdf")


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], tuple[tuple[str, int], list[bytes]]]]:
    """A server that gives the same bytes to every request, in two pieces."""
    listeners = []

    def start(answer: bytes) -> tuple[tuple[str, int], list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        asked: list[bytes] = []

        def talk(connection: socket.socket) -> None:
            with connection:
                while request := connection.recv(4096):
                    asked.append(request)
                    connection.sendall(answer[:20])
                    connection.sendall(answer[20:])

        def loop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return listener.getsockname(), asked

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_the_client_counts_every_answer_and_every_byte(answering) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    address, asked = answering(answer)
    load = drive(address, [b"one", b"two"], connections=3, seconds=0.2)
    assert load.received == len(load.latencies) * len(answer) == len(asked) * len(answer)
    assert abs(asked.count(b"one") - asked.count(b"two")) <= 1
    asked.clear()
    assert ask_each_once(address, [b"a", b"b", b"c"], seconds=60) == 3
    assert asked == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_success_ends_the_measurement(answering, answer: bytes) -> None:
    address, _ = answering(answer)
    with pytest.raises(Busy):
        drive(address, [b"x"], connections=1, seconds=0.2)


def test_a_server_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with pytest.raises(Busy):
        drive(address, [b"x"], connections=1, seconds=0.2)
