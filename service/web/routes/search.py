"""Search: queries as people type them, and recommendations from examples."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.web import parameters
from service.web.answers import many_answers, one_answer
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.schemas.collections import CollectionName
from service.web.schemas.search import Examples, Queries, QueryAnswer, QueryAnswers

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["search"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 414, 415, 421, 422, 429, 503),
)


@router.get(
    "/search",
    summary="Search for what a person types",
    response_model=QueryAnswer,
    openapi_extra=parameters.openapi_parameters(parameters.SearchQuery),
)
@needs("read", load="search")
async def search(request: Request) -> Response:
    """The `k` best documents, by the words of the query and by its code together."""
    query = parameters.read_parameters(parameters.SearchQuery, request)
    parameters.check_utf8(request, query.q, "q")
    search_request = query.request()
    (result,) = await services_of(request).search.answer(search_request)
    return await one_answer(result, search_request)


@router.post(
    "/search",
    summary="Search for many queries",
    response_model=QueryAnswers,
    responses=problem_responses(400),
    openapi_extra=openapi_body(Queries),
)
@needs("read", load="search")
async def search_many(request: Request, collection: CollectionName) -> Response:
    """One answer per query, all from the same state."""
    services = services_of(request)
    body = await read_json_body(request, Queries, services.settings.max_batch)
    search_request = body.request(collection)
    return await many_answers(await services.search.answer(search_request), search_request)


@router.post(
    "/recommend",
    summary="Recommend documents from examples",
    response_model=QueryAnswer,
    responses=problem_responses(400),
    openapi_extra=openapi_body(Examples),
)
@needs("read", load="search")
async def recommend(request: Request, collection: CollectionName) -> Response:
    """The `k` documents that are most like the positive examples and unlike the negative ones, without these."""
    services = services_of(request)
    body = await read_json_body(request, Examples, services.settings.max_batch)
    search_request = body.request(collection)
    (result,) = await services.search.answer(search_request)
    return await one_answer(result, search_request)
