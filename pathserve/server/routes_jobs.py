"""Ingest jobs over HTTP: the list, one job, what changes as events, and what people decide."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pathserve.access import Action, Actor, Resource, projects_for, require
from pathserve.jobs import Job, Jobs
from pathserve.jobs.records import REMOVED
from pathserve.server.bodies import json_response
from pathserve.server.endpoint import Answer, Call, Endpoint
from pathserve.server.events import MEDIA_TYPE, Event, EventStream, News, follow, last_event, wants_events
from pathserve.server.models_jobs import JobModel, JobPage, RemovedModel
from pathserve.server.params import JobsQuery, NoQuery

_AT_ONCE = 500


class JobFeed:
    """Finds out what has become of jobs since the last time.

    Parameters
    ----------
    since
        Number of the change after which it begins.
    only
        The one job that is asked for; None: all.
    """

    def __init__(self, jobs: Jobs, *, since: int, only: str | None = None) -> None:
        self._jobs = jobs
        self._since = since
        self._only = only

    def read(self, actor: Actor) -> News:
        """Give what is new; blocks. Many changes of one job in a short time are one event."""
        projects = projects_for(actor, Action.JOB_READ)
        events, over = list[Event](), projects == []
        while changed := self._jobs.changed_since(self._since, _AT_ONCE):
            self._since = changed[-1].change
            for job in changed:
                if (projects is None or job.project in projects) and self._only in (None, job.id):
                    events.append(_event(job))
                    over = over or (self._only is not None and (job.ended or _is_removed(job)))
        return News(events, over)


def _is_removed(job: Job) -> bool:
    return job.state == REMOVED


def _event(job: Job) -> Event:
    if _is_removed(job):
        return Event("removed", RemovedModel(id=job.id).model_dump_json(), job.change)
    return Event("job", JobModel.of(job).model_dump_json(), job.change)


async def list_jobs(call: Call[JobsQuery]) -> Response:
    """List the jobs that the caller may see."""
    query = call.query
    projects = query.projects(projects_for(call.actor, call.action))

    def work() -> JobPage:
        jobs, following = call.services.jobs.page(
            state=query.state, projects=projects, before=query.before, limit=query.limit
        )
        items = [JobModel.of(job) for job in jobs]
        return JobPage(items=items, next=None if following is None else str(following))

    return json_response(await run_in_threadpool(work))


async def watch_jobs(call: Call[NoQuery]) -> Response:
    """Tell of all jobs, as they change."""
    jobs = call.services.jobs
    latest = await run_in_threadpool(jobs.last_change)
    known = last_event(call.request)
    # A higher number than there is was another data folder's.
    since = latest if known is None else min(known, latest)
    feed = JobFeed(jobs, since=since)
    return _stream(call, feed, since)


async def get_job(call: Call[NoQuery]) -> Response:
    """Give one job, or tell of it as it changes until it ends."""
    job = await _job(call)
    if not wants_events(call.request):
        return json_response(JobModel.of(job))
    known = last_event(call.request)
    if known is not None and known >= job.change and job.ended:
        return Response(status_code=204)  # nothing more will come: by this a browser does not ask again
    feed = JobFeed(call.services.jobs, since=job.change - 1, only=job.id)
    return _stream(call, feed, job.change - 1)


async def cancel_job(call: Call[NoQuery]) -> Response:
    """Ask a job to stop."""
    return await _decide(call, call.services.jobs.cancel)


async def retry_job(call: Call[NoQuery]) -> Response:
    """Let a job that failed or was cancelled wait again."""
    return await _decide(call, call.services.jobs.retry)


async def remove_job(call: Call[NoQuery]) -> Response:
    """Take a job that has ended off the list."""
    job = await _job(call)
    await run_in_threadpool(call.services.jobs.remove, job.id)
    return Response(status_code=204)


async def _job(call: Call[NoQuery]) -> Job:
    """Give the job that the address names when the caller may do this to it."""
    job = await run_in_threadpool(call.services.jobs.find, call.request.path_params["job"])
    require(call.actor, call.action, Resource(job.project), what="job")
    return job


async def _decide(call: Call[NoQuery], decide: Callable[[str], Job]) -> Response:
    job = await _job(call)
    return json_response(JobModel.of(await run_in_threadpool(decide, job.id)))


def _stream(call: Call[NoQuery], feed: JobFeed, since: int) -> Response:
    events = follow(call.services, call.request.state.recognise, feed.read, since=since)
    return EventStream(events, call.services.streams, call.actor)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/jobs",
        list_jobs,
        Action.JOB_READ,
        "Ingest jobs, youngest first",
        JobsQuery,
        {200: Answer("A page of jobs.", model=JobPage)},
        tag="jobs",
    ),
    Endpoint(
        "GET",
        "/api/jobs/events",
        watch_jobs,
        Action.JOB_READ,
        "What happens to all jobs, as server-sent events `job` and `removed`",
        NoQuery,
        {200: Answer("Events; `Last-Event-ID` goes on after the one that it names.", (MEDIA_TYPE,))},
        tag="jobs",
    ),
    Endpoint(
        "GET",
        "/api/jobs/{job}",
        get_job,
        Action.JOB_READ,
        "One job; with `Accept: text/event-stream` what happens to it until it ends",
        NoQuery,
        {
            200: Answer("The job.", ("application/json", MEDIA_TYPE), model=JobModel),
            204: Answer("The job has ended, and the client has its last event.", ()),
        },
        tag="jobs",
    ),
    Endpoint(
        "POST",
        "/api/jobs/{job}/cancel",
        cancel_job,
        Action.JOB_EDIT,
        "Stop a job: at once when it waits, within a second or so when it runs",
        NoQuery,
        {200: Answer("The job.", model=JobModel)},
        tag="jobs",
    ),
    Endpoint(
        "POST",
        "/api/jobs/{job}/retry",
        retry_job,
        Action.JOB_EDIT,
        "Try a job again that failed or was cancelled; it goes on where it stopped",
        NoQuery,
        {200: Answer("The job.", model=JobModel)},
        tag="jobs",
    ),
    Endpoint(
        "DELETE",
        "/api/jobs/{job}",
        remove_job,
        Action.JOB_EDIT,
        "Take a job that has ended off the list, with its uploaded files; its slides stay",
        NoQuery,
        {204: Answer("Removed.", ())},
        tag="jobs",
    ),
)
