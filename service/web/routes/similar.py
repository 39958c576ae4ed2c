"""Similar documents: by text, by stored document, by many texts.

Answers are written as dictionaries that `schemas.Answer` describes: building the models first costs as much as the
search itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from service.errors import InvalidContent
from service.hashing.content import to_wire
from service.search.request import SearchRequest
from service.search.search import Match, SearchResult
from service.store.documents import Shown
from service.threads import run_in_large_thread
from service.web import parameters, schemas
from service.web.auth import needs
from service.web.bodies import JsonParts, declared_body, in_parts, object_of, read_body
from service.web.guarded_route import GuardedRoute
from service.web.json_answer import json_bytes
from service.web.problems import problems
from service.web.request_services import services_of

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["similar"],
    route_class=GuardedRoute,
    responses=problems(401, 403, 404, 409, 413, 414, 415, 421, 422, 503),
)

_BRIEF_MATCHES, _BRIEF_CHARS = 1_000, 1_000_000


@router.get(
    "/similar",
    summary="Find documents similar to a text",
    response_model=schemas.Answer,
    openapi_extra=parameters.declared(parameters.SimilarToText),
)
@needs("read")
async def similar_to_text(request: Request) -> Response:
    """The `k` nearest documents; with `radius`, those of them that lie within so many bits.

    With `rerank`, the `k` of a shortlist of the nearest whose features are most like those of the text.
    """
    asked = parameters.read(parameters.SimilarToText, request)
    _check_utf8(request, asked.q)
    return await _one_result(request, asked.request())


@router.get(
    "/documents/{id:path}/similar",
    summary="Find documents similar to a stored one",
    response_model=schemas.Answer,
    openapi_extra=parameters.declared(parameters.SimilarToDocument),
)
@needs("read")
async def similar_to_document(request: Request) -> Response:
    """The `k` nearest documents to that one, itself left out."""
    return await _one_result(request, parameters.read(parameters.SimilarToDocument, request).request())


@router.post(
    "/similar",
    summary="Find documents similar to each of many texts",
    response_model=schemas.Answers,
    responses=problems(400),
    openapi_extra=declared_body(schemas.Texts),
)
@needs("read")
async def similar_to_texts(request: Request, collection: schemas.CollectionName) -> Response:
    """One answer per text, all from the same code space."""
    services = services_of(request)
    body = await read_body(request, schemas.Texts, services.settings.max_batch)
    asked = body.request(collection)
    results = await services.search.similar(asked)

    def written() -> list[bytes]:
        return in_parts(object_of("answers", (_pieces(result, asked.shown) for result in results)))

    return JsonParts(written() if _are_brief(results) else await run_in_large_thread(written))


async def _one_result(request: Request, asked: SearchRequest) -> Response:
    (result,) = await services_of(request).search.similar(asked)
    if _are_brief([result]):
        return Response(b"".join(_pieces(result, asked.shown)), media_type="application/json")
    return JsonParts(await run_in_large_thread(lambda: in_parts(_pieces(result, asked.shown))))


def _check_utf8(request: Request, q: str) -> None:
    """Refuse a text that was not UTF-8 in the URL: it was read with U+FFFD in place of what was not."""
    if "\ufffd" not in q:
        return
    query = request.scope["query_string"].decode("latin-1")
    raw = dict(parse_qsl(query, keep_blank_values=True, encoding="latin-1")).get("q", "")  # one character per byte
    try:
        raw.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidContent(f"text must be valid UTF-8, got another byte at {error.start}") from None


def _are_brief(results: Sequence[SearchResult]) -> bool:
    """Whether writing results takes a few milliseconds at most."""
    if sum(len(result.matches) for result in results) > _BRIEF_MATCHES:
        return False
    return sum(match.document.n_chars for result in results for match in result.matches) <= _BRIEF_CHARS


def _pieces(result: SearchResult, shown: Shown) -> Iterator[bytes]:
    """The result as JSON."""
    stats = result.stats
    about = {
        "space": {"version": result.space.version, "digest": result.space.digest},
        "code": result.code.hex(),
        "known": None if result.n_known is None else result.n_known > 0,
        "exact": True,
        "work": {
            "source": result.source,
            "path": stats.path,
            "probes": stats.probes,
            "candidates": stats.candidates,
            "radius": stats.radius,
            "reranked": result.n_reranked,
        },
    }

    def written(match: Match) -> tuple[bytes]:
        one: dict[str, Any] = {"id": match.document.id, "distance": match.distance}
        if match.score is not None:
            one["score"] = match.score
        if match.document.content is not None:
            one |= to_wire(match.document.content)
        if shown.metadata:
            one["metadata"] = match.document.metadata
        return (json_bytes(one),)

    return object_of("matches", map(written, result.matches), about)
