"""Similar documents: by text, by stored document, by many texts.

An answer is written from dictionaries, which the schema `Answer` describes: to build models first would cost as much as
the search itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from service.hashing.content import to_wire
from service.search.request import SearchRequest
from service.search.search import Match, SearchResult
from service.store.documents import DocumentSummary, Shown
from service.web import parameters
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import json_bytes, object_pieces, pieces_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.similar import Answer, Answers, Texts

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["similar"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 414, 415, 421, 422, 503),
)


@router.get(
    "/similar",
    summary="Find documents similar to a text",
    response_model=Answer,
    openapi_extra=parameters.openapi_parameters(parameters.SimilarToText),
)
@needs("read")
async def similar_to_text(request: Request) -> Response:
    """The `k` nearest documents; with `radius`, only those within that many bits.

    With `rerank`, the `k` documents of a shortlist of the nearest that have the words of the text (BM25).
    """
    query = parameters.read_parameters(parameters.SimilarToText, request)
    parameters.check_utf8(request, query.q)
    return await _one_answer(request, query.request())


@router.get(
    "/documents/{id:path}/similar",
    summary="Find documents similar to a stored one",
    response_model=Answer,
    openapi_extra=parameters.openapi_parameters(parameters.SimilarToDocument),
)
@needs("read")
async def similar_to_document(request: Request) -> Response:
    """The `k` nearest documents to that one, without itself."""
    return await _one_answer(request, parameters.read_parameters(parameters.SimilarToDocument, request).request())


@router.post(
    "/similar",
    summary="Find documents similar to each of many texts",
    response_model=Answers,
    responses=problem_responses(400),
    openapi_extra=openapi_body(Texts),
)
@needs("read")
async def similar_to_texts(request: Request, collection: CollectionName) -> Response:
    """One answer per text, all from the same code space."""
    services = services_of(request)
    body = await read_json_body(request, Texts, services.settings.max_batch)
    search_request = body.request(collection)
    results = await services.search.similar(search_request)
    answers = (_pieces(result, search_request.shown) for result in results)
    return await pieces_response(object_pieces("answers", answers), _documents(results))


async def _one_answer(request: Request, search_request: SearchRequest) -> Response:
    (result,) = await services_of(request).search.similar(search_request)
    return await pieces_response(_pieces(result, search_request.shown), _documents([result]))


def _documents(results: Sequence[SearchResult]) -> list[list[DocumentSummary]]:
    return [[match.document for match in result.matches] for result in results]


def _pieces(result: SearchResult, shown: Shown) -> Iterator[bytes]:
    """An `Answer` as JSON, in pieces."""
    stats = result.stats
    rest = {
        "space": {"version": result.space.version, "digest": result.space.digest},
        "code": result.code.hex(),
        "known": None if result.n_known is None else result.n_known > 0,
        "exact": True,
        "partial": result.partial,
        "work": {
            "source": result.source,
            "path": stats.path,
            "probes": stats.probes,
            "candidates": stats.candidates,
            "radius": stats.radius,
            "reranked": result.n_reranked,
        },
    }

    def write(match: Match) -> tuple[bytes]:
        members: dict[str, Any] = {"id": match.document.id, "distance": match.distance}
        if match.score is not None:
            members["score"] = match.score
        if match.document.title is not None:
            members["title"] = match.document.title
        if match.document.content is not None:
            members |= to_wire(match.document.content)
        if shown.metadata:
            members["metadata"] = match.document.metadata
        return (json_bytes(members),)

    return object_pieces("matches", map(write, result.matches), rest)
