"""One code: bit by bit, and how far from it the documents lie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.errors import InvalidInput
from service.hashing.codes import MAX_BITS
from service.store.overviews import SpaceReference
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.parameters import check_utf8
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.documents import MAX_ID_CHARS, PATH_ID_PATTERN
from service.web.schemas.explanations import DescribedCode, Distances
from service.web.schemas.similar import HEX_CODE_PATTERN

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["explanations"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 421, 422, 429, 503),
)

AskedText = Annotated[str | None, Query(description="A text, in a collection of texts; this or `id` must be given.")]
AskedId = Annotated[
    str | None,
    Query(min_length=1, max_length=MAX_ID_CHARS, pattern=PATH_ID_PATTERN, description="Id of a document."),
]
AskedCode = Annotated[
    str, Query(pattern=HEX_CODE_PATTERN, max_length=MAX_BITS // 4, description="A code, in hexadecimal.")
]


@router.get("/encode", summary="Describe a code", response_model=DescribedCode)
@needs("read", load="search")
async def encode(request: Request, collection: CollectionName, q: AskedText = None, id: AskedId = None) -> Response:
    """The code that the active space gives to a text, or to a document: each bit with its value, how sure it is, and
    the words that made it so. Nothing is stored."""
    reader = services_of(request).codes
    if q is not None and id is None:
        check_utf8(request, q, "q")
        found = await reader.of_text(collection, q)
    elif id is not None and q is None:
        found = await reader.of_document(collection, id)
    else:
        raise InvalidInput("Field required: q or id, and not both")
    return json_response(
        {
            "space": _space(found.space),
            "id": found.id,
            "title": found.title,
            "code": found.code.tobytes().hex(),
            "bits": found.bits,
        }
    )


@router.get("/distances", summary="Count documents by distance", response_model=Distances)
@needs("read", load="search")
async def count_distances(request: Request, collection: CollectionName, code: AskedCode) -> Response:
    """How many documents lie at each distance from a code, in bits, and how many have each bit: all are counted."""
    found = await services_of(request).codes.distances(collection, code)
    return json_response(
        {
            "space": _space(found.space),
            "documents": found.n_documents,
            "distances": found.distances.tolist(),
            "ones": found.ones.tolist(),
        }
    )


def _space(space: SpaceReference) -> dict[str, int | str | None]:
    return {"version": space.version, "digest": space.digest}
