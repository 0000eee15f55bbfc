"""One row of the table of jobs, and how it is read and written."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from pathserve.db import Value, as_int, as_real

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: frozenset[str] = frozenset(get_args(State))
ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled"})

REMOVED = "removed"
"""The state of a row that only tells those who watch that its job is gone."""

COLUMNS = (
    "id, number, change, kind, state, phase, done, total, project, name, label, account, source, keep_source, "
    "recompress, lossless, keep_label, slides, format, width, height, bytes, content_hash, tiles_per_second, "
    "missing_tiles, identity, error_code, error_message, resumed, runner, cancel, created, started, finished"
)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job ended without a slide: a stable code and one safe sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job's scans by now; sizes in level-0 pixels, of the first slide when there are several.

    ``bytes`` and ``content_hash`` are of the scan's file; ``identity`` says what was not kept of its metadata.
    """

    format: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    content_hash: str | None = None
    tiles_per_second: float | None = None
    missing_tiles: int | None = None
    identity: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Parameters
    ----------
    number
        Counts up; younger jobs have higher ones.
    change
        Counts up with every change of any job.
    done, total
        Progress within ``phase``.
    label
        What people see instead of a file's name, which may be a patient's.
    source
        Files and folders to ingest; empty once they are not needed.
    keep_source
        Whether the files are somebody's own; else they are deleted when the job has ended well or is removed.
    resumed
        Whether the job went on with what an interrupted one had begun.
    runner
        The process that runs it, or alone may run it.
    cancel
        Whether somebody has asked it to stop.
    """

    id: str
    number: int
    change: int
    kind: str
    state: str
    phase: str
    done: int
    total: int
    project: str
    name: str | None
    label: str
    account: str
    source: tuple[Path, ...]
    keep_source: bool
    recompress: int | None
    lossless: bool
    keep_label: bool
    slides: tuple[str, ...]
    facts: Facts
    error: JobError | None
    resumed: bool
    runner: str | None
    cancel: bool
    created: datetime
    started: datetime | None
    finished: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ENDED

    @property
    def can_retry(self) -> bool:
        """Whether it failed or was cancelled, and its files are still known."""
        return self.state in ("failed", "cancelled") and bool(self.source)


def make_job_id() -> str:
    """Make an opaque, URL-safe id of 96 random bits."""
    return secrets.token_urlsafe(12)


def source_text(paths: tuple[Path, ...]) -> str:
    """Give the stored form of a job's source: JSON of ASCII, for names on a disk may be no UTF-8."""
    return json.dumps([str(path) for path in paths], separators=(",", ":"))


def to_job(row: tuple[Value, ...]) -> Job:
    """Read a row of `COLUMNS`."""
    cell = dict(zip(COLUMNS.split(", "), row, strict=True))
    code = cell["error_code"]
    return Job(
        id=str(cell["id"]),
        number=as_int(cell["number"]),
        change=as_int(cell["change"]),
        kind=str(cell["kind"]),
        state=str(cell["state"]),
        phase=str(cell["phase"]),
        done=as_int(cell["done"]),
        total=as_int(cell["total"]),
        project=str(cell["project"]),
        name=_text(cell["name"]),
        label=str(cell["label"]),
        account=str(cell["account"]),
        source=tuple(Path(path) for path in json.loads(str(cell["source"] or "[]"))),
        keep_source=bool(cell["keep_source"]),
        recompress=_whole(cell["recompress"]),
        lossless=bool(cell["lossless"]),
        keep_label=bool(cell["keep_label"]),
        slides=tuple(orjson.loads(str(cell["slides"]))),
        facts=_facts(cell),
        error=None if code is None else JobError(str(code), str(cell["error_message"])),
        resumed=bool(cell["resumed"]),
        runner=_text(cell["runner"]),
        cancel=bool(cell["cancel"]),
        created=datetime.fromisoformat(str(cell["created"])),
        started=_moment(cell["started"]),
        finished=_moment(cell["finished"]),
    )


def _facts(cell: dict[str, Value]) -> Facts:
    speed, identity = cell["tiles_per_second"], cell["identity"]
    return Facts(
        format=_text(cell["format"]),
        width=_whole(cell["width"]),
        height=_whole(cell["height"]),
        bytes=_whole(cell["bytes"]),
        content_hash=_text(cell["content_hash"]),
        tiles_per_second=None if speed is None else as_real(speed),
        missing_tiles=_whole(cell["missing_tiles"]),
        identity=None if identity is None else orjson.loads(str(identity)),
    )


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _whole(value: Value) -> int | None:
    return None if value is None else as_int(value)


def _moment(value: Value) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))
