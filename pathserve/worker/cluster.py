"""Shards on a dask.distributed cluster: what is sent, what a worker of the cluster does, and who waits for it.

A worker gets plain values, opens the scan itself and writes whole shards into the staging folder, both of which it must
see under the same paths. A shard gets its name in one step when it is complete, and it has the same bytes whoever
writes it, so a task may run twice, also at once. A worker that dies costs the shards that it was writing: the scheduler
gives them to another one.
"""

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import distributed
import orjson
from distributed.comm.core import CommClosedError

from pathserve import __version__
from pathserve.errors import DISK_FULL, Busy, Corrupt, PathServeError, TooLarge
from pathserve.pixels import PixelSource, Plane
from pathserve.pyramid import Pyramid, plan_pyramid
from pathserve.pyramid.build import ShardMaker, Work, facts_of, fingerprint_of
from pathserve.pyramid.journal import is_building
from pathserve.pyramid.manifest import FileRecord
from pathserve.pyramid.plan import PyramidPlan, ShardTask, plan_missing
from pathserve.slides import Scan, open_slide
from pathserve.worker.messages import Order, error_message, parse_error
from pathserve.worker.scheduler import require_private

STALLED_SECONDS = 120.0
"""How long a worker may work on one chunk, and how long a cluster may be without any worker."""

_Client = Any
_Future = Any  # both are half typed
_connect: Any = distributed.Client
_CONNECT_SECONDS = 10.0
_BEAT_SECONDS = 2.0
_UNFINISHED = "unfinished"
_MOST_NAMES = 1000
_LOST = "The connection to the cluster was lost; a new ingest goes on where it stopped."


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker of the cluster must know to write the shards of one build.

    Parameters
    ----------
    order
        The scan or the published pyramid that the shards are made from, and how.
    staging
        The folder of the build.
    fingerprint
        Names the bytes that are to come out, so that a worker of another version, or on other files, is noticed.
    stamp
        Sizes and times of the scan's files.
    """

    order: Order
    staging: Path
    fingerprint: str
    stamp: str

    def to_bytes(self) -> bytes:
        """Give the form in which it is sent; of a folder with many files only its own name."""
        order, scan = self.order, self.order.scan
        if scan is not None and scan.main.is_dir() and len(scan.files) > _MOST_NAMES:
            order = replace(order, scan=Scan(scan.main, ()))
        fields = {"staging": str(self.staging), "fingerprint": self.fingerprint, "stamp": self.stamp}
        return orjson.dumps({"version": __version__, "order": order.to_bytes().decode(), **fields})

    @classmethod
    def parse(cls, data: bytes) -> "Job":
        """Read a job.

        Raises
        ------
        Busy
            When another version of PathServe sent it.
        """
        fields = orjson.loads(data)
        if fields["version"] != __version__:
            raise Busy("A worker of the cluster has another version of PathServe.")
        order = Order.parse(fields["order"].encode())
        if order.scan is not None and not order.scan.files:
            order = replace(order, scan=Scan.of(order.scan.main))
        return cls(order, Path(fields["staging"]), fields["fingerprint"], fields["stamp"])


class ClusterRunner:
    """Runs shards on the cluster; one for each build.

    Parameters
    ----------
    address
        Of the scheduler, as :func:`pathserve.worker.scheduler.checked_scheduler` gives it.
    """

    def __init__(self, address: str, order: Order, staging: Path) -> None:
        self._address = address
        self._order = order
        self._staging = staging

    def __call__(self, work: Work, advance: Callable[[int], None], done: Callable[[str, FileRecord], None]) -> None:
        """Write the shards; see :class:`pathserve.pyramid.build.Runner`.

        Raises
        ------
        Busy
            When the cluster cannot be reached, has no workers, or they do not see the same files.
        Invalid
            When others could give it code.
        Corrupt
            When its workers die of the scan.
        """
        tasks = [task for task in work.tasks if task.path not in work.finished]
        if not tasks:
            return
        _prepare(self._staging, tasks)
        job = Job(self._order, self._staging, work.fingerprint, _stamp(self._order.scan)).to_bytes()
        with _connected(self._address) as client:
            waiting = _submit(client, job, tasks, work.finished)
            for task, record in _results(client, waiting, lambda: advance(0)):
                done(task.path, record)
                advance(work.maker.chunk_count(task))


def write_shard(job: bytes, address: Sequence[int], needs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write one shard on a worker of the cluster, and say its size and digest, or what was wrong.

    Parameters
    ----------
    address
        Level, time, channel, depth, row and column of the shard.
    needs
        What was said of the shards that it is made from.
    """
    failed = next((need for need in needs if "error" in need), None)
    if failed is not None:
        return failed
    try:
        with _ended_when_stalled() as advance:
            return _written(Job.parse(job), address, needs, advance)
    except PathServeError as error:
        return error_message(error)
    except MemoryError:
        return error_message(TooLarge("Reading this scan takes more memory than a worker of the cluster may have."))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        busy = Busy("A worker of the cluster cannot write the data folder.")
        return error_message(Busy("The disk is full.", code=DISK_FULL) if full else busy)
    except Exception as error:  # noqa: BLE001 - the cluster would log the arguments, and they name the scan
        return error_message(Busy(f"A bug in PathServe ({type(error).__name__}) on a worker of the cluster."))


def _written(
    job: Job, address: Sequence[int], needs: Sequence[dict[str, Any]], advance: Callable[[int], None]
) -> dict[str, Any]:
    if not is_building(job.staging, job.fingerprint):
        raise Busy("A worker of the cluster does not see the data folder: it must be on a disk that all of them share.")
    scan = job.order.scan
    if scan is not None and _stamp(scan) != job.stamp:
        raise Busy("A worker of the cluster does not see the same scan: it must be on a disk that all of them share.")
    source = nullcontext() if scan is None else open_slide(scan, scene=job.order.scene)
    with source as opened:
        plan, maker = _maker(job, opened)
        level, t, c, z, row, col = address
        task = plan.task(level, Plane(t, c, z), row, col)
        sizes = {need["path"]: int(need["size"]) for need in needs}
        temporary = job.staging / _UNFINISHED / f"{os.getpid()}-{secrets.token_hex(8)}"
        return _told(task.path, maker.write(task, sizes, advance, temporary=temporary))


def _maker(job: Job, source: PixelSource | None) -> tuple[PyramidPlan, ShardMaker]:
    """Plan as the sender did, and make sure that it is the same plan."""
    order, below = job.order, None
    if source is not None:
        plan = plan_pyramid(source.info, recompress=order.recompress, lossless=order.lossless)
        facts, content = facts_of(source.info, plan), order.content_hash
    elif order.published is not None:
        below = Pyramid.open(order.published)
        facts, content = below.facts, below.manifest.content_hash
        plan = plan_missing(facts, below.manifest.missing_levels)
    else:
        raise ValueError("A shard is made of a scan or of a published pyramid.")
    if fingerprint_of(content, facts, plan) != job.fingerprint:
        raise Busy(
            "A worker of the cluster reads this scan differently: it has other versions of PathServe's libraries."
        )
    return plan, ShardMaker(plan, facts, job.staging / "pyramid", source=source, below=below)


@contextmanager
def _ended_when_stalled() -> Iterator[Callable[[int], None]]:
    """End this whole process when a chunk takes too long: a decoder that hangs cannot be stopped in any other way.

    Its nanny starts a new one. The scheduler tries the shard elsewhere, and gives it up after a few deaths.
    """
    over, made = Event(), [0]

    def advance(count: int) -> None:
        made[0] += count

    def watch() -> None:
        seen = -1
        while seen != made[0]:
            seen = made[0]
            if over.wait(STALLED_SECONDS):
                return
        os._exit(1)

    Thread(target=watch, daemon=True).start()
    try:
        yield advance
    finally:
        over.set()


def _stamp(scan: Scan | None) -> str:
    """Name the sizes and times of a scan's files: whether two machines see the same ones."""
    if scan is None:
        return ""
    try:
        seen = [(status.st_size, int(status.st_mtime)) for status in (path.stat() for path in scan.files)]
    except OSError:
        return "not there"
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def _prepare(staging: Path, tasks: Sequence[ShardTask]) -> None:
    """Make every folder that shards are written to: what a straggler of an earlier build writes has no place then."""
    unfinished = staging / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for folder in {(staging / "pyramid" / task.path).parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _connected(address: str) -> Iterator[_Client]:
    """Connect to a cluster that has workers and that nobody else can give code to."""
    try:
        client: _Client = _connect(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError):
        raise Busy("No Dask scheduler answers at this address, or its certificates are not set up here.") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError:
            raise Busy("The cluster has no workers.") from None
        info = client.scheduler_info()
        require_private([info["address"], *info["workers"]])
        yield client


def _submit(
    client: _Client, job: bytes, tasks: Sequence[ShardTask], finished: Mapping[str, FileRecord]
) -> dict[_Future, ShardTask]:
    """Give every shard to the cluster, each behind those that it needs."""
    run = secrets.token_hex(8)
    known: dict[str, Any] = {path: _told(path, record) for path, record in finished.items()}
    waiting: dict[_Future, ShardTask] = {}
    for task in tasks:
        plane = task.plane
        address = (task.level, plane.t, plane.c, plane.z, task.row, task.col)
        needs = [known[path] for path in task.needs if path in known]
        future = client.submit(write_shard, job, address, needs, key=f"pathserve-{run}-{task.path}", pure=False)
        known[task.path] = future
        waiting[future] = task
    return waiting


def _results(
    client: _Client, waiting: dict[_Future, ShardTask], beat: Callable[[], None]
) -> Iterator[tuple[ShardTask, FileRecord]]:
    """Give shards as they are finished; ``beat`` is called while none is, as long as the cluster lives."""
    ended = SimpleQueue[_Future]()
    for future in waiting:
        future.add_done_callback(ended.put)
    alone_since: float | None = None
    for _ in range(len(waiting)):
        while True:
            try:
                future = ended.get(timeout=_BEAT_SECONDS)
                break
            except Empty:
                alone_since = None if _has_workers(client) else alone_since or time.monotonic()
                if alone_since is not None and time.monotonic() - alone_since > STALLED_SECONDS:
                    raise Busy(
                        "The cluster has no workers any longer; a new ingest goes on where it stopped."
                    ) from None
                beat()
        said = _said(future)
        yield waiting[future], FileRecord(int(said["size"]), str(said["sha256"]))


def _has_workers(client: _Client) -> bool:
    if client.status != "running":
        raise Busy(_LOST)
    try:
        return bool(client.nthreads())
    except (OSError, CommClosedError):
        raise Busy(_LOST) from None


def _said(future: _Future) -> dict[str, Any]:
    """Give what a worker said of a shard, or raise what was wrong."""
    if future.status in ("cancelled", "lost"):
        raise Busy(_LOST)
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        raise Corrupt(
            "Several workers of the cluster died while they read this scan: it is damaged, or takes more memory than "
            "they may have."
        )
    if error is not None:
        raise Busy("A worker of the cluster cannot run PathServe: it needs the same version of it.")
    said: dict[str, Any] = future.result()
    if "error" in said:
        raise parse_error(said)
    return said


def _told(path: str, record: FileRecord) -> dict[str, Any]:
    return {"path": path, "size": record.size, "sha256": record.sha256}
