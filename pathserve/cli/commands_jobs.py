"""``pathserve jobs``: what is brought in, by whom it is run, and what became of it."""

from typing import Annotated

import typer

from pathserve.cli.options import AsJson, Data
from pathserve.cli.output import say, say_items, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.jobs import Job, State
from pathserve.server.models_jobs import JobModel

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]

jobs = typer.Typer(help="Ingest jobs, of browsers and of this command line.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(jobs, name="jobs")


@jobs.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, youngest first."""
    found = list[Job]()
    with open_rooms(data) as rooms:
        rooms.jobs.recover()  # a job whose process has died does not run
        before: int | None = None
        while True:
            page, before = rooms.jobs.page(state=state, before=before)
            found += page
            if before is None:
                break
    if as_json:
        say_items([JobModel.of(job).model_dump() for job in found])
        return
    rows = [
        (job.id, job.label, job.project, _state(job), job.facts.format, ", ".join(job.slides), _reason(job))
        for job in found
    ]
    say_table(("id", "label", "project", "state", "format", "slides", ""), rows, empty="No jobs yet.")


@jobs.command("cancel")
def cancel_job(job: JobId, data: Data = None) -> None:
    """Stop a job; one that runs leaves nothing of the scan that it is at."""
    with open_rooms(data) as rooms:
        asked = rooms.jobs.cancel(job)
    say(f"{asked.label} is cancelled." if asked.ended else f"{asked.label} is asked to stop.")


@jobs.command("retry")
def retry_job(job: JobId, data: Data = None) -> None:
    """Let a job that failed or was cancelled wait again; a server that runs takes it up."""
    with open_rooms(data) as rooms:
        say(f"{rooms.jobs.retry(job).label} waits again.")


@jobs.command("remove")
def remove_job(job: JobId, data: Data = None) -> None:
    """Take a job that has ended off the list, with its uploaded files; its slides stay."""
    with open_rooms(data) as rooms:
        rooms.jobs.remove(job)
    say(f"{job} is removed.")


def _state(job: Job) -> str:
    if job.state != "running" or not job.phase:
        return job.state
    return f"{job.phase} {job.done / job.total:.0%}" if job.total else job.phase


def _reason(job: Job) -> str:
    return "" if job.error is None else job.error.message
