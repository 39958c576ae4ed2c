"""Near duplicates: look for them, page through the groups."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from service.search.duplicates import DuplicateGroup, DuplicateOptions, DuplicatePage
from service.threads import run_in_thread
from service.web.auth import needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import JsonPartsResponse, join_pieces, json_bytes, object_pieces
from service.web.routes.jobs import accepted
from service.web.schemas.collections import CollectionName
from service.web.schemas.duplicates import DuplicateGroupPage, FindDuplicates
from service.web.schemas.jobs import Job
from service.web.schemas.pages import Cursor, Limit

router = APIRouter(
    prefix="/v1/collections/{collection}/duplicates",
    tags=["duplicates"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "",
    summary="Look for near duplicates",
    status_code=202,
    response_model=Job,
    responses=problem_responses(400),
    openapi_extra=openapi_body(FindDuplicates),
)
@idempotent
@needs("admin")
async def find_duplicates(request: Request, collection: CollectionName) -> Response:
    """Has the job runner group documents that are nearly equal, by their words or by their codes. `GET /v1/jobs/{id}`
    shows the progress, `GET .../duplicates` the groups."""
    services = services_of(request)
    body = await read_json_body(request, FindDuplicates, services.settings.max_batch)
    options = DuplicateOptions(body.radius, body.by, body.linkage, body.keep, body.filter)
    respond = partial(accepted, request)
    return respond(await services.duplicates.start(collection, options, concluded_with(request, respond)))


@router.get("", summary="List near duplicates", response_model=DuplicateGroupPage)
@needs("read")
async def list_duplicates(
    request: Request, collection: CollectionName, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """Groups of the last finished job, the largest first; not found if there is none. Documents that were deleted or
    changed since are left out, and so are groups of which less than two are left: a page may be shorter than `limit`.
    Groups are replaced as a whole: a `cursor` of an earlier job is a conflict."""
    page = await services_of(request).duplicates.page(collection, from_cursor(cursor, ""), limit)
    return JsonPartsResponse(await run_in_thread(_write, page))


def _write(page: DuplicatePage) -> list[bytes]:
    """A `DuplicateGroupPage` as JSON."""
    search = page.search
    members = {
        "next_cursor": None if page.next_position is None else to_cursor(page.next_position),
        "job": search.job_id,
        "params": search.params,
        "version": search.version,
        "n_groups": search.n_groups,
        "n_documents": search.n_documents,
        "n_capped": search.n_capped,
        "finished_at": search.finished_at,
    }
    return join_pieces(object_pieces("items", ((json_bytes(_group(group)),) for group in page.groups), members))


def _group(group: DuplicateGroup) -> dict[str, object]:
    documents = [
        {"id": one.id, **({} if one.title is None else {"title": one.title}), "distance": one.distance}
        for one in group.documents
    ]
    return {"representative": group.documents[0].id, "capped": group.capped, "documents": documents}
