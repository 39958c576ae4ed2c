"""Similar documents: by text or code, by stored document, by many texts, vectors, pictures or codes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.search.request import SearchRequest
from service.web import parameters
from service.web.answers import many_answers, one_answer
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.schemas.collections import CollectionName
from service.web.schemas.similar import Answer, Answers, SimilarQueries

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["similar"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 414, 415, 421, 422, 429, 503),
)


@router.get(
    "/similar",
    summary="Find documents similar to a text, or to a code",
    response_model=Answer,
    openapi_extra=parameters.openapi_parameters(parameters.SimilarToText),
)
@needs("read", load="search")
async def similar_to_text(request: Request) -> Response:
    """The `k` nearest documents; with `radius`, only those within that many bits.

    With `rerank`, the best `k` of a shortlist of the nearest: by words (BM25), vectors, or how sure the bits are.
    """
    query = parameters.read_parameters(parameters.SimilarToText, request)
    parameters.check_utf8(request, query.q or "")
    return await _one_answer(request, query.request())


@router.get(
    "/documents/{id:path}/similar",
    summary="Find documents similar to a stored one",
    response_model=Answer,
    openapi_extra=parameters.openapi_parameters(parameters.SimilarToDocument),
)
@needs("read", load="search")
async def similar_to_document(request: Request) -> Response:
    """The `k` nearest documents to that one, without itself."""
    return await _one_answer(request, parameters.read_parameters(parameters.SimilarToDocument, request).request())


@router.post(
    "/similar",
    summary="Find documents similar to each of many queries",
    response_model=Answers,
    responses=problem_responses(400),
    openapi_extra=openapi_body(SimilarQueries),
)
@needs("read", load="search")
async def similar_to_many(request: Request, collection: CollectionName) -> Response:
    """One answer per text, vector, picture or code, all from the same code space."""
    services = services_of(request)
    body = await read_json_body(request, SimilarQueries, services.settings.max_batch)
    search_request = body.request(collection)
    return await many_answers(await services.search.answer(search_request), search_request)


async def _one_answer(request: Request, search_request: SearchRequest) -> Response:
    (result,) = await services_of(request).search.answer(search_request)
    return await one_answer(result, search_request)
