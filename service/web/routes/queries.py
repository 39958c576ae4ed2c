"""The queries that a collection keeps, to preview promotions with: list, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from service.web.auth import needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.schemas.collections import CollectionName
from service.web.schemas.pages import Cursor, Limit
from service.web.schemas.queries import KeptQuery, KeptQueryPage

router = APIRouter(
    prefix="/v1/collections/{collection}/queries",
    tags=["queries"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 421, 422, 429, 503),
)

_GREATEST = (1 << 63) - 1

Number = Annotated[int, Path(ge=1, le=_GREATEST, description="Of a kept query.")]


@router.get("", summary="List kept queries")
@needs("admin")
async def list_queries(
    request: Request, collection: CollectionName, limit: Limit = 100, cursor: Cursor = None
) -> KeptQueryPage:
    """The last text queries, the latest first, if the collection keeps them (`keep_queries`). A page of long texts ends
    before `limit`."""
    before = from_cursor(cursor, _GREATEST)
    stored, has_more = await services_of(request).kept_queries.page(collection, before, limit)
    items = [KeptQuery.model_validate(query, from_attributes=True) for query in stored]
    return KeptQueryPage(items=items, next_cursor=to_cursor(items[-1].number) if has_more else None)


@router.delete("", summary="Delete kept queries", status_code=204)
@needs("admin")
async def delete_queries(request: Request, collection: CollectionName) -> None:
    """Forgets all queries that are kept. Those of the last minute, which are not written down yet, come after."""
    await services_of(request).kept_queries.remove(collection)


@router.delete("/{number}", summary="Delete a kept query", status_code=204)
@needs("admin")
async def delete_query(request: Request, collection: CollectionName, number: Number) -> None:
    """Forgets one query."""
    await services_of(request).kept_queries.remove(collection, number)
