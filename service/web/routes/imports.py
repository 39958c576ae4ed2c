"""Import: documents as lines of JSON, of any number, which a job puts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from anyio import fail_after
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent_stream
from service.web.ndjson import NDJSON
from service.web.problems import CALLER_LEFT, problem_responses
from service.web.request_services import services_of
from service.web.routes.jobs import accepted
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import Job

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["documents"],
    route_class=GuardedRoute,
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 414, 415, 421, 422, 429, 503),
)

_MEDIA_TYPES = (NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines")
_SLOWEST_PIECE_S = 60.0
_LINES = {"schema": {"type": "string", "format": "binary", "description": "A document a line, as `documents` takes."}}


@router.post(
    "/import",
    summary="Import documents",
    status_code=202,
    response_model=Job,
    openapi_extra={"requestBody": {"required": True, "content": {NDJSON: _LINES}}},
)
@idempotent_stream
@needs("write")
async def import_documents(request: Request, collection: CollectionName) -> Response:
    """Receives documents, one a line, and has the job runner put them; it may take a body of many gigabytes. `GET
    /v1/jobs/{id}` shows the progress, `GET /v1/jobs/{id}/errors` the lines that were refused. A line without an id gets
    one. What is received of a body that breaks off is deleted. One import at a time into one collection."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise HTTPException(415, f"the body must be {NDJSON}, got {media_type or 'no Content-Type'}")
    respond = partial(accepted, request)
    conclude = concluded_with(request, respond)
    try:
        return respond(await services_of(request).imports.receive(collection, _pieces(request), conclude))
    except ClientDisconnect:
        return Response(status_code=CALLER_LEFT)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes; a client that sends nothing for too long is given up."""
    stream = request.stream()
    while True:
        try:
            with fail_after(_SLOWEST_PIECE_S):
                piece = await anext(stream, None)
        except TimeoutError:
            raise HTTPException(408, f"nothing of the body came for {_SLOWEST_PIECE_S:g} s") from None
        if piece is None:
            return
        yield piece
