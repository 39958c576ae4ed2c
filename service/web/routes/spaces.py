"""Learning, and what it made: retrain, jobs, code spaces, promote, roll back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import TypeAdapter

from service.errors import InvalidInput, TooFewDocuments
from service.services import Services
from service.store import collections, documents, jobs, spaces
from service.store.jobs import Job
from service.store.spaces import CodeSpace
from service.threads import run_in_thread, run_read
from service.web import schemas
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problems
from service.web.request_services import services_of

router = APIRouter(
    prefix="/v1",
    tags=["learning"],
    route_class=GuardedRoute,
    responses=problems(401, 403, 404, 413, 414, 415, 421, 422, 503),
)
_JOB: TypeAdapter[schemas.Job] = TypeAdapter(schemas.Job)
_OR_JOB: dict[int | str, dict[str, Any]] = {
    202: {
        "model": schemas.Job,
        "description": "Many documents lack a code in the space: the job runner gives them theirs, then promotes it.",
        "headers": {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}},
    }
}


@router.post(
    "/collections/{collection}/retrain",
    summary="Learn codes",
    status_code=202,
    responses=problems(400, 409),
)
@needs("admin")
async def retrain(
    request: Request,
    response: Response,
    collection: schemas.CollectionName,
    body: Annotated[schemas.Retrain | None, Body()] = None,
) -> schemas.Job:
    """Has the trainer learn a new hash function on the collection, encode every document with it, compare it with the
    active one and, if it is no worse, put it in its place. `GET /v1/jobs/{id}` tells how far it is."""
    options = body or schemas.Retrain()
    job = _job(await run_in_thread(_enqueue, services_of(request), collection, options))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


def _enqueue(parts: Services, name: str, options: schemas.Retrain) -> Job:
    with parts.database.read() as connection:
        stored = collections.get(connection, name)
        n_documents = documents.count(connection, stored.id)
    if options.n_bits not in (None, stored.n_bits):
        rule = f"n_bits must be {stored.n_bits}, which collection {name!r} was made with, or left out"
        reason = f"{rule}, got {options.n_bits}"
        raise InvalidInput(f"training options: {reason}", [{"where": "body.n_bits", "rule": reason}])
    needed = parts.settings.min_train_documents
    if n_documents < needed:
        raise TooFewDocuments(name, needed, n_documents)
    with parts.database.write() as connection:
        return jobs.enqueue(connection, stored, "retrain", options.params())


@router.get("/jobs/{job}", summary="Get a job")
@needs("read")
async def get_job(request: Request, job: schemas.JobId) -> schemas.Job:
    """The job's state and progress."""
    database = services_of(request).database

    def get() -> Job:
        with database.read() as connection:
            return jobs.get(connection, job)

    return _job(await run_read(database, get))


@router.post("/jobs/{job}/cancel", summary="Cancel a job", responses=problems(409))
@needs("admin")
async def cancel_job(request: Request, job: schemas.JobId) -> schemas.Job:
    """Cancels a queued job at once; asks its worker to stop a running one, which it does within seconds."""
    database = services_of(request).database

    def cancel() -> Job:
        with database.write() as connection:
            return jobs.cancel(connection, job)

    return _job(await run_in_thread(cancel))


@router.get("/collections/{collection}/spaces", summary="List code spaces")
@needs("read")
async def list_spaces(request: Request, collection: schemas.CollectionName) -> schemas.CodeSpacePage:
    """Every code space of the collection, newest first, with its report."""
    database = services_of(request).database

    def of_collection() -> list[CodeSpace]:
        with database.read() as connection:
            return spaces.list(connection, collections.get(connection, collection).id)

    found = await run_in_thread(of_collection)
    return schemas.CodeSpacePage(items=[_space(space) for space in found], next_cursor=None)


@router.post(
    "/collections/{collection}/spaces/{version}/promote",
    summary="Promote a code space",
    response_model=schemas.CodeSpace,
    responses=_OR_JOB | problems(409, 500),
)
@needs("admin")
async def promote(
    request: Request, collection: schemas.CollectionName, version: schemas.Version
) -> schemas.CodeSpace | Response:
    """Makes a ready or retired space the one that answers, after giving a code to documents that lack one in it.

    200 and the space where few documents lack one; 202 and a job where many do."""
    parts = services_of(request)
    stored = await parts.ingest.collection(collection)

    def get() -> CodeSpace:
        with parts.database.read() as connection:
            return spaces.get(connection, stored.id, version)

    return _promoted(await parts.ingest.promote(stored, await run_read(parts.database, get)))


@router.post(
    "/collections/{collection}/rollback",
    summary="Roll back to the code space before",
    response_model=schemas.CodeSpace,
    responses=_OR_JOB | problems(409, 500),
)
@needs("admin")
async def roll_back(request: Request, collection: schemas.CollectionName) -> schemas.CodeSpace | Response:
    """Promotes the space that was retired last; calling it again goes forward again.

    200 and the space where few documents lack a code in it; 202 and a job where many do."""
    ingest = services_of(request).ingest
    return _promoted(await ingest.roll_back(await ingest.collection(collection)))


@router.post(
    "/collections/{collection}/spaces/{version}/rollback",
    summary="Roll back a code space",
    response_model=schemas.CodeSpace,
    responses=_OR_JOB | problems(409, 500),
)
@needs("admin")
async def roll_back_version(
    request: Request, collection: schemas.CollectionName, version: schemas.Version
) -> schemas.CodeSpace | Response:
    """The same if that version is the one that answers, and a conflict if it is not: safe to send twice."""
    ingest = services_of(request).ingest
    return _promoted(await ingest.roll_back(await ingest.collection(collection), version))


def _job(job: Job) -> schemas.Job:
    return _JOB.validate_python(job, from_attributes=True)


def _promoted(outcome: CodeSpace | Job) -> schemas.CodeSpace | Response:
    """The space that answers now, or 202 and the job that will make it answer."""
    if isinstance(outcome, CodeSpace):
        return _space(outcome)
    headers = {"Location": f"/v1/jobs/{outcome.id}"}
    return Response(_JOB.dump_json(_job(outcome)), 202, headers=headers, media_type="application/json")


def _space(space: CodeSpace) -> schemas.CodeSpace:
    return schemas.CodeSpace.model_validate(space, from_attributes=True)
