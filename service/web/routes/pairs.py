"""Pairs of documents of which people said whether they are alike: put, list, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.errors import InvalidInput
from service.web.auth import needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.documents import MAX_ID_CHARS
from service.web.schemas.pages import Cursor, Limit
from service.web.schemas.pairs import NewPairs, Pair, PairCount, PairPage

router = APIRouter(
    prefix="/v1/collections/{collection}/pairs",
    tags=["pairs"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)

End = Annotated[str | None, Query(min_length=1, max_length=MAX_ID_CHARS, description="Id of a document of the pair.")]


@router.post(
    "",
    summary="Say which documents are alike",
    response_model=PairCount,
    responses=problem_responses(400, 409),
    openapi_extra=openapi_body(NewPairs),
)
@idempotent
@needs("write")
async def put_pairs(request: Request, collection: CollectionName) -> Response:
    """Keeps what people say of pairs of documents. A retrain with `supervise` learns from it, `judge: pairs` compares
    code spaces by it. All are kept, or none."""
    services = services_of(request)
    body = await read_json_body(request, NewPairs, services.settings.max_batch)

    def respond(n_pairs: int) -> Response:
        return json_response(PairCount(n_pairs=n_pairs))

    pairs = [pair.pair() for pair in body.pairs]
    return respond(await services.pairs.put(collection, pairs, concluded_with(request, respond)))


@router.get("", summary="List pairs")
@needs("read")
async def list_pairs(
    request: Request, collection: CollectionName, limit: Limit = 100, cursor: Cursor = None
) -> PairPage:
    """The pairs, in the order in which something was said of them first. Documents of a pair may be gone by now."""
    stored, has_more = await services_of(request).pairs.page(collection, from_cursor(cursor, 0), limit)
    items = [Pair.model_validate(pair, from_attributes=True) for pair in stored]
    return PairPage(items=items, next_cursor=to_cursor(stored[-1].number) if has_more else None)


@router.delete("", summary="Delete pairs", status_code=204)
@needs("write")
async def delete_pairs(request: Request, collection: CollectionName, a: End = None, b: End = None) -> None:
    """Forgets what was said of documents `a` and `b`, in either order; without them, of all pairs of the collection."""
    if (a is None) != (b is None):
        raise InvalidInput("a and b must be given both, or neither to delete all pairs")
    await services_of(request).pairs.remove(collection, None if a is None or b is None else (a, b))
