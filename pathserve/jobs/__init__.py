"""Ingest jobs: what waits, what runs, what became of it; and which of the processes that run jobs are alive."""

from pathserve.jobs.jobs import Jobs
from pathserve.jobs.records import ENDED, Facts, Job, JobError, State
from pathserve.jobs.runners import RunnerLock

__all__ = ["ENDED", "Facts", "Job", "JobError", "Jobs", "RunnerLock", "State"]
