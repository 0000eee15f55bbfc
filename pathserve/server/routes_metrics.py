"""What the server counts, as Prometheus reads it. No label names a slide, a person, a project or an id."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve import __version__
from pathserve.access import Action
from pathserve.ingest.room import room_of
from pathserve.jobs.counts import count_jobs
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.metrics import BOUNDS, PATH, Counts, KindCounts, Tally
from pathserve.server.params import NoQuery
from pathserve.server.services import Services

_KIND = ("method", "route")
_TILES = {Tally.TILES_FAST: "fast", Tally.TILES_PLAIN: "plain", Tally.TILES_MADE: "made"}
_VECTOR_TILES = {Tally.VECTOR_TILES_KEPT: "kept", Tally.VECTOR_TILES_MADE: "made"}
_LOOKUPS = {Tally.INDEX_HITS: "hit", Tally.INDEX_MISSES: "miss"}


@dataclass(frozen=True, slots=True)
class _Collector:
    """Everything that one answer tells, in the types of the library that writes it."""

    families: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        """Give the families to the library."""
        return self.families


async def metrics(call: Call[NoQuery]) -> Response:
    """Tell what was counted, in the text format that the caller asks for."""
    encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
    body = await run_in_threadpool(lambda: encode(_Collector(tuple(_families(call.services)))))
    # The library's type names its own charset, so it is given as a header and not as a media type.
    return Response(body, headers={"content-type": media_type, "cache-control": "no-store"})


def _families(services: Services) -> Iterator[Metric]:
    counts = services.metrics.snapshot()
    yield from _requests([kind for kind in counts.kinds if any(kind.statuses)])
    yield from _tallies(counts)
    jobs = GaugeMetricFamily("pathserve_jobs", "Ingest jobs by state.", labels=["state"])
    for state, number in count_jobs(services.db).items():
        jobs.add_metric([state], number)
    yield jobs
    disk = room_of(services.settings.data, services.settings.disk_reserve_bytes)
    yield GaugeMetricFamily("pathserve_disk_free_bytes", "Free space on the disk of the data folder.", value=disk.free)
    yield GaugeMetricFamily("pathserve_disk_size_bytes", "Size of the disk of the data folder.", value=disk.total)
    yield GaugeMetricFamily("pathserve_disk_reserve_bytes", "What ingest leaves free of it.", value=disk.reserve)
    build = GaugeMetricFamily("pathserve_build_info", "Always 1; the label names the version.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build


def _requests(kinds: list[KindCounts]) -> Iterator[Metric]:
    requests = CounterMetricFamily("pathserve_requests", "Answers by class of status.", labels=[*_KIND, "status"])
    sent = CounterMetricFamily("pathserve_response_bytes", "Bytes of the answers' bodies.", labels=_KIND)
    times = HistogramMetricFamily("pathserve_request_seconds", "From arrival until the answer begins.", labels=_KIND)
    for kind in kinds:
        names = (kind.method, kind.route)
        for hundreds, number in enumerate(kind.statuses, start=1):
            if number:
                requests.add_metric([*names, f"{hundreds}xx"], number)
        sent.add_metric(names, kind.sent)
        times.add_metric(names, _buckets(kind.steps), kind.nanoseconds / 1e9)
    yield from (requests, sent, times)


def _buckets(steps: tuple[int, ...]) -> list[tuple[str, float]]:
    so_far, buckets = 0, list[tuple[str, float]]()
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), steps, strict=True):
        so_far += number
        buckets.append((bound, so_far))
    return buckets


def _tallies(counts: Counts) -> Iterator[Metric]:
    tiles = CounterMetricFamily("pathserve_tiles", "Deep Zoom tiles by how they came about.", labels=["how"])
    for tally, how in _TILES.items():
        tiles.add_metric([how], counts.tallies[tally])
    lookups = CounterMetricFamily("pathserve_index_lookups", "Look-ups of shard indexes in memory.", labels=["result"])
    for tally, result in _LOOKUPS.items():
        lookups.add_metric([result], counts.tallies[tally])
    vectors = CounterMetricFamily("pathserve_vector_tiles", "Vector tiles by how they came about.", labels=["how"])
    for tally, how in _VECTOR_TILES.items():
        vectors.add_metric([how], counts.tallies[tally])
    yield from (tiles, vectors, lookups)
    asked = counts.tallies[Tally.ACCESS_FAST]
    yield CounterMetricFamily("pathserve_access_fast", "A proxy's questions, answered without a route.", value=asked)
    streams = counts.tallies[Tally.STREAMS]
    yield GaugeMetricFamily("pathserve_event_streams", "Open streams of server-sent events.", value=streams)
    yield GaugeMetricFamily("pathserve_processes", "Processes of this server.", value=counts.processes)


ENDPOINTS = (
    Endpoint(
        "GET",
        PATH,
        metrics,
        Action.SELF,
        "What the server counts, for Prometheus",
        NoQuery,
        {200: Answer("Prometheus' text format, or OpenMetrics when asked for.", ("text/plain",))},
        tag="probes",
    ),
)
