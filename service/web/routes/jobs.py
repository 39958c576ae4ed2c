"""Jobs: get, follow, cancel."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import TypeAdapter

from service.search.job_events import Listener
from service.store.imports import RefusedLine
from service.store.job_history import HistoryRecord as StoredRecord
from service.store.jobs import Job as StoredJob
from service.web.auth import access_of, caller_of, needs
from service.web.guarded_route import GuardedRoute
from service.web.http_protocol import count_no_more
from service.web.ndjson import NdjsonResponse
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_bytes, json_response
from service.web.schemas.jobs import Job, JobHistory, JobId, RefusedImportLine

router = APIRouter(
    prefix="/v1/jobs",
    tags=["jobs"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)
_JOB: TypeAdapter[Job] = TypeAdapter(Job)
_ERRORS_AT_ONCE = 1_000


def accepted_response(why: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may leave its work to a job."""
    location = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}
    return {202: {"model": Job, "description": why, "headers": location}}


ACCEPTED = accepted_response("Many documents lack a code in the space: a job gives them one, then promotes the space.")


@router.get("/{job}", summary="Get a job")
@needs("read", for_limited_keys=True)
async def get_job(request: Request, job: JobId) -> Job:
    """The job's state and progress."""
    return job_schema(await _job(request, job))


@router.get(
    "/{job}/errors", summary="List the lines that an import refused", status_code=200, response_class=NdjsonResponse
)
@needs("read", for_limited_keys=True)
async def get_errors(request: Request, job: JobId) -> Response:
    """The lines that an import refused, each with its number and the reason, as lines of JSON; of more than 10,000 the
    first. None for a job of another kind."""
    services = services_of(request)
    await _job(request, job)
    last = 0

    def next_lines() -> bytes:
        nonlocal last
        refused = services.lookup.refused_lines(job, last, _ERRORS_AT_ONCE)
        last = refused[-1].line if refused else last
        return b"".join(json_bytes(_refused_line(one)) + b"\n" for one in refused)

    return NdjsonResponse(request, next_lines, lambda: None, services.settings.export_limit_s, {})


def _refused_line(refused: RefusedLine) -> RefusedImportLine:
    return RefusedImportLine(
        line=refused.line, id=refused.document_id, reason=refused.reason, beginning=refused.beginning
    )


After = Annotated[int, Query(ge=-1, le=100, description="Number of the last record that you have; -1 for none.")]


@router.get("/{job}/history", summary="Get what a training measured", response_model=JobHistory)
@needs("read", for_limited_keys=True)
async def get_history(
    request: Request, job: JobId, after: After = -1, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> Response:
    """What a retrain measured while it ran, once per one per cent of its steps: losses, saturation, noise, the units'
    activations, the bits' balance, and the codes of some documents. None for a job of another kind."""
    await _job(request, job)
    records, more = await services_of(request).lookup.job_history(job, after, limit)
    return json_response({"items": [_record(one) for one in records], "more": more})


async def _listener(
    request: Request, job: JobId, after: After = -1, last_event_id: Annotated[str | None, Header()] = None
) -> AsyncIterator[Listener]:
    """One who listens; refused before the response begins."""
    stored = await _job(request, job)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = max(after, min(int(last_event_id[:9]), 100))
    listener = services_of(request).job_events.listen(stored, after)
    count_no_more(request.scope, access_of(request).load)
    try:
        yield listener
    finally:
        listener.close()


@router.get("/{job}/events", summary="Follow a job", response_class=EventSourceResponse)
@needs("read", for_limited_keys=True)
async def get_events(
    request: Request, job: JobId, listener: Annotated[Listener, Depends(_listener)]
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `record`, each record of `history` after `after` or `Last-Event-ID`, with its number as id,
    and `job`, the job each time that it has changed, the first at once. Ends with the job; ends after a quarter of an
    hour too, when a client comes again."""
    if request.scope["state"].get("is_head"):
        return
    async for event in listener.events():
        if isinstance(event, StoredRecord):
            data = json_bytes(_record(event)).decode()
            yield ServerSentEvent(event="record", id=str(event.number), raw_data=data)
        else:
            yield ServerSentEvent(event="job", raw_data=_JOB.dump_json(job_schema(event)).decode())


def _record(record: StoredRecord) -> dict[str, Any]:
    """A `HistoryRecord`: its figures are written as the training wrote them."""
    return {
        "number": record.number,
        "at": record.at,
        **record.record,
        "codes": b64encode(record.codes).decode("ascii"),
    }


@router.post("/{job}/cancel", summary="Cancel a job", responses=problem_responses(409))
@needs("admin", for_limited_keys=True)
async def cancel_job(request: Request, job: JobId) -> Job:
    """Cancels a queued job at once; asks the worker of a running one to stop, which it does within seconds."""
    await _job(request, job)
    return job_schema(await services_of(request).spaces.cancel_job(job))


async def _job(request: Request, id: str) -> StoredJob:
    """The job of that id.

    Raises:
        NotFound: there is none.
        CollectionForbidden: the caller's key is not for its collection.
    """
    job = await services_of(request).lookup.job(id)
    caller_of(request).check_collection(job.collection)
    return job


def job_schema(job: StoredJob) -> Job:
    """A stored job as it travels."""
    return _JOB.validate_python(job, from_attributes=True)


def job_path(request: Request, job: StoredJob) -> str:
    """Where the job can be got by whoever sent the request."""
    return f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"


def accepted(request: Request, job: StoredJob) -> Response:
    """202 and a job that was queued."""
    headers = {"Location": job_path(request, job)}
    return Response(_JOB.dump_json(job_schema(job)), 202, headers=headers, media_type="application/json")
