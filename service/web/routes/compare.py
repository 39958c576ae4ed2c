"""Compare: two documents side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.hashing.content import Image
from service.store.documents import Document
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.documents import MAX_ID_CHARS, PATH_ID_PATTERN
from service.web.schemas.explanations import Comparison

router = APIRouter(
    prefix="/v1/collections/{collection}/compare",
    tags=["explanations"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 421, 422, 429, 503),
)

QueryId = Annotated[
    str, Query(min_length=1, max_length=MAX_ID_CHARS, pattern=PATH_ID_PATTERN, description="Id of a document.")
]


@router.get("", summary="Compare two documents", response_model=Comparison)
@needs("read", load="search")
async def compare(request: Request, collection: CollectionName, a: QueryId, b: QueryId) -> Response:
    """What two documents have in common: the bits of their codes in which they agree and differ, with the words of each
    that speak for them, and the words that both have."""
    found = await services_of(request).compare.documents(collection, a, b)
    return json_response(
        {
            "a": _document(found.a),
            "b": _document(found.b),
            "space": {"version": found.space.version, "digest": found.space.digest},
            "distance": len(found.differing),
            "agreeing": found.agreeing,
            "differing": found.differing,
            "words": found.words,
            "partial": found.partial,
        }
    )


def _document(document: Document) -> dict[str, str | None]:
    content = document.content
    return {"id": document.id, "title": None if isinstance(content, Image) else content.title}
