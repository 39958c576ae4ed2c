"""Search: queries as people type them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from service.hashing.content import to_wire
from service.search.query_search import QueryMatch, QueryResult
from service.store.documents import DocumentSummary, Shown
from service.web import parameters
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import json_bytes, object_pieces, pieces_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.search import Queries, QueryAnswer, QueryAnswers

router = APIRouter(
    prefix="/v1/collections/{collection}/search",
    tags=["search"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 414, 415, 421, 422, 503),
)


@router.get(
    "",
    summary="Search for what a person types",
    response_model=QueryAnswer,
    openapi_extra=parameters.openapi_parameters(parameters.SearchQuery),
)
@needs("read")
async def search(request: Request) -> Response:
    """The `k` best documents, by the words of the query and by its code together."""
    query = parameters.read_parameters(parameters.SearchQuery, request)
    parameters.check_utf8(request, query.q, "q")
    query_request = query.request()
    (result,) = await services_of(request).queries.search(query_request)
    return await pieces_response(_pieces(result, query_request.shown), _documents([result]))


@router.post(
    "",
    summary="Search for many queries",
    response_model=QueryAnswers,
    responses=problem_responses(400),
    openapi_extra=openapi_body(Queries),
)
@needs("read")
async def search_many(request: Request, collection: CollectionName) -> Response:
    """One answer per query, all from the same state."""
    services = services_of(request)
    body = await read_json_body(request, Queries, services.settings.max_batch)
    query_request = body.request(collection)
    results = await services.queries.search(query_request)
    answers = (_pieces(result, query_request.shown) for result in results)
    return await pieces_response(object_pieces("answers", answers), _documents(results))


def _documents(results: Sequence[QueryResult]) -> list[list[DocumentSummary]]:
    return [[match.document for match in result.matches] for result in results]


def _pieces(result: QueryResult, shown: Shown) -> Iterator[bytes]:
    """A `QueryAnswer` as JSON, in pieces."""
    stats = result.stats
    rest = {
        "space": {"version": result.space.version, "digest": result.space.digest},
        "code": None if result.code is None else result.code.hex(),
        "known": result.known,
        "corrected": result.corrected,
        "language": result.language,
        "partial": list(result.partial),
        "exact": result.exact,
        "work": {
            "source": result.source,
            "matching": result.n_matching,
            "scored": result.n_scored,
            "probes": 0 if stats is None else stats.probes,
            "candidates": 0 if stats is None else stats.candidates,
        },
    }
    return object_pieces("matches", ((json_bytes(_match(match, shown)),) for match in result.matches), rest)


def _match(match: QueryMatch, shown: Shown) -> dict[str, Any]:
    document = match.document
    members: dict[str, Any] = {
        "id": document.id,
        "score": match.score,
        "scores": {"words": match.words, "code": match.code},
        "distance": match.distance,
    }
    if shown.title and document.title is not None:
        members["title"] = document.title
    if shown.text and document.content is not None:
        members |= to_wire(document.content)
    if shown.metadata:
        members["metadata"] = document.metadata
    if match.highlight is not None:
        found = match.highlight
        members["highlight"] = {
            "passage": found.passage,
            "start": found.start,
            "marks": found.marks,
            "title_marks": found.title_marks,
        }
    return members
