"""Code spaces: retrain, list, promote, roll back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.store.jobs import Job as StoredJob
from service.store.spaces import CodeSpace as StoredSpace
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.routes.jobs import ACCEPTED, accepted, job_path, job_schema
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import Job
from service.web.schemas.spaces import CodeSpace, CodeSpacePage, Retrain, Version

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["code spaces"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 503),
)


@router.post(
    "/retrain",
    summary="Learn codes",
    status_code=202,
    responses=problem_responses(400, 409),
)
@needs("admin")
async def retrain(
    request: Request,
    response: Response,
    collection: CollectionName,
    body: Annotated[Retrain | None, Body()] = None,
) -> Job:
    """Has the trainer learn a new hash function on the collection, encode every document with it, compare it with the
    active one and, if it is no worse, put it in its place. `GET /v1/jobs/{id}` shows the progress."""
    job = await services_of(request).spaces.retrain(collection, (body or Retrain()).params())
    response.headers["Location"] = job_path(job)
    return job_schema(job)


@router.get("/spaces", summary="List code spaces")
@needs("read")
async def list_spaces(request: Request, collection: CollectionName) -> CodeSpacePage:
    """Every code space of the collection, newest first, with its report."""
    stored = await services_of(request).lookup.spaces(collection)
    return CodeSpacePage(items=[_space(space) for space in stored], next_cursor=None)


@router.post(
    "/spaces/{version}/promote",
    summary="Promote a code space",
    response_model=CodeSpace,
    responses=ACCEPTED | problem_responses(409, 500),
)
@needs("admin")
async def promote(request: Request, collection: CollectionName, version: Version) -> CodeSpace | Response:
    """Makes a ready or retired space the active one, after giving a code to documents that lack one in it.

    200 and the space if few documents lack one; 202 and a job if many do."""
    return _space_or_job(await services_of(request).spaces.promote(collection, version))


@router.post(
    "/rollback",
    summary="Roll back to the code space before",
    response_model=CodeSpace,
    responses=ACCEPTED | problem_responses(409, 500),
)
@needs("admin")
async def roll_back(request: Request, collection: CollectionName) -> CodeSpace | Response:
    """Promotes the space that was retired last; a second call undoes the first.

    200 and the space if few documents lack a code in it; 202 and a job if many do."""
    return _space_or_job(await services_of(request).spaces.roll_back(collection))


@router.post(
    "/spaces/{version}/rollback",
    summary="Roll back a code space",
    response_model=CodeSpace,
    responses=ACCEPTED | problem_responses(409, 500),
)
@needs("admin")
async def roll_back_version(request: Request, collection: CollectionName, version: Version) -> CodeSpace | Response:
    """As `rollback`, but a conflict unless that version is the active one: safe to send twice."""
    return _space_or_job(await services_of(request).spaces.roll_back(collection, version))


def _space_or_job(outcome: StoredSpace | StoredJob) -> CodeSpace | Response:
    """The space that is active now, or 202 and the job that will make it active."""
    return _space(outcome) if isinstance(outcome, StoredSpace) else accepted(outcome)


def _space(space: StoredSpace) -> CodeSpace:
    return CodeSpace.model_validate(space, from_attributes=True)
