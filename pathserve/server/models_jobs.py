"""Shapes of the JSON of ingest jobs."""

from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel, Field

from pathserve.jobs import Job, State


class JobErrorModel(BaseModel):
    """Why a job ended without a slide."""

    code: str
    message: str


class JobModel(BaseModel):
    """One ingest job; of several scans the facts are those of the first one's first slide."""

    id: str
    kind: str
    state: State
    phase: str | None = Field(description="Hashing, opening, building, publishing, finishing or judging.")
    done: int = Field(description="Of `total`, within the phase.")
    total: int
    project: str
    label: str = Field(description="A made-up name, never a file's.")
    slides: list[str] = Field(description="Ids of the slides that it made or found there already.")
    format: str | None
    width: int | None
    height: int | None
    bytes: int | None = Field(description="Size of the scan's files.")
    content_hash: str | None = Field(description="SHA-256 of the scan.")
    tiles_per_second: float | None
    missing_tiles: int | None = Field(description="Tiles that the scan states and does not have.")
    identity: dict[str, Any] | None = Field(description="What was dropped of the metadata: never a value.")
    error: JobErrorModel | None
    resumed: bool = Field(description="Whether it went on with what an interrupted job had begun.")
    can_retry: bool
    created: str
    started: str | None
    finished: str | None

    @classmethod
    def of(cls, job: Job) -> "JobModel":
        """Describe a job; neither where its files lie nor who asked."""
        facts, error = job.facts, job.error
        return cls(
            id=job.id,
            kind=job.kind,
            state=cast("State", job.state),
            phase=job.phase or None,
            done=job.done,
            total=job.total,
            project=job.project,
            label=job.label,
            slides=list(job.slides),
            format=facts.format,
            width=facts.width,
            height=facts.height,
            bytes=facts.bytes,
            content_hash=facts.content_hash,
            tiles_per_second=facts.tiles_per_second,
            missing_tiles=facts.missing_tiles,
            identity=facts.identity,
            error=None if error is None else JobErrorModel(code=error.code, message=error.message),
            resumed=job.resumed,
            can_retry=job.can_retry,
            created=job.created.isoformat(timespec="milliseconds"),
            started=_moment(job.started),
            finished=_moment(job.finished),
        )


class JobPage(BaseModel):
    """A page of jobs."""

    items: list[JobModel]
    next: str | None


class RemovedModel(BaseModel):
    """A job that is gone."""

    id: str


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
