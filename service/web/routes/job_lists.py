"""The jobs of a collection."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.web.auth import needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.routes.jobs import job_schema
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import JobKind, JobPage
from service.web.schemas.pages import Cursor, Limit

router = APIRouter(
    prefix="/v1/collections/{collection}/jobs",
    tags=["jobs"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.get("", summary="List the jobs of a collection")
@needs("read")
async def list_jobs(
    request: Request, collection: CollectionName, kind: JobKind = None, limit: Limit = 100, cursor: Cursor = None
) -> JobPage:
    """The jobs of the collection, the last one asked for first: those that wait, run, and have ended."""
    found, are_more = await services_of(request).lookup.jobs(collection, kind, from_cursor(cursor, ""), limit)
    next_cursor = to_cursor(found[-1].id) if are_more else None
    return JobPage(items=[job_schema(job) for job in found], next_cursor=next_cursor)
