"""Similar documents: by text, by stored document, by many texts.

Answers are written as dictionaries that `schemas.Answer` describes: building the models first costs as much as the
search itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from service.auth import needs
from service.crossing import in_large_thread
from service.errors import InvalidContent
from service.guarded_route import GuardedRoute
from service.hashing.content import check_texts
from service.problems import problems
from service.routes import parameters, schemas
from service.routes.bodies import JsonParts, declared_body, in_parts, object_of, read_body
from service.routes.json_answer import json_bytes
from service.routes.parts import parts_of
from service.search import Answer, Match

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
    openapi_extra=parameters.declared(parameters.NearText),
)
@needs("read")
async def similar_to_text(request: Request) -> Response:
    """The `k` nearest documents; with `radius`, those of them that lie within so many bits.

    With `rerank`, the `k` of a shortlist of the nearest whose features are most like those of the text.
    """
    asked = parameters.read(parameters.NearText, request)
    _check_utf8(request, asked.q)
    parts = parts_of(request)
    stored = await parts.ingest.collection(asked.collection)
    (answer,) = await parts.search.by_texts(stored, [asked.q], asked.want)
    return await _written(answer, asked.names)


@router.get(
    "/documents/{id:path}/similar",
    summary="Find documents similar to a stored one",
    response_model=schemas.Answer,
    openapi_extra=parameters.declared(parameters.NearDocument),
)
@needs("read")
async def similar_to_document(request: Request) -> Response:
    """The `k` nearest documents to that one, itself left out."""
    asked = parameters.read(parameters.NearDocument, request)
    answer = await parts_of(request).search.by_document(asked.collection, asked.id, asked.want)
    return await _written(answer, asked.names)


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
    parts = parts_of(request)

    def check(body: schemas.Texts) -> None:
        check_texts(body.texts, parts.settings.max_text_chars)

    body = await read_body(request, schemas.Texts, parts.settings.max_batch, check)
    stored = await parts.ingest.collection(collection)
    answers = await parts.search.by_texts(stored, body.texts, body.want)

    def written() -> list[bytes]:
        return in_parts(object_of("answers", (_pieces(answer, body.fields) for answer in answers)))

    return JsonParts(written() if _are_brief(answers) else await in_large_thread(written))


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


def _are_brief(answers: Sequence[Answer]) -> bool:
    """Whether writing answers takes a few milliseconds at most."""
    if sum(len(answer.matches) for answer in answers) > _BRIEF_MATCHES:
        return False
    return sum(match.document.n_chars for answer in answers for match in answer.matches) <= _BRIEF_CHARS


async def _written(answer: Answer, fields: Collection[str] | None) -> Response:
    if _are_brief([answer]):
        return Response(b"".join(_pieces(answer, fields)), media_type="application/json")
    return JsonParts(await in_large_thread(lambda: in_parts(_pieces(answer, fields))))


def _pieces(answer: Answer, fields: Collection[str] | None) -> Iterator[bytes]:
    """The answer as JSON."""
    with_text = fields is None or "text" in fields
    with_metadata = fields is None or "metadata" in fields
    stats = answer.stats
    about = {
        "space": {"version": answer.space.version, "digest": answer.space.digest},
        "code": answer.code.hex(),
        "known": None if answer.n_known is None else answer.n_known > 0,
        "exact": True,
        "work": {
            "source": answer.source,
            "path": stats.path,
            "probes": stats.probes,
            "candidates": stats.candidates,
            "radius": stats.radius,
            "reranked": answer.n_reranked,
        },
    }

    def written(match: Match) -> tuple[bytes]:
        one: dict[str, Any] = {"id": match.document.id, "distance": match.distance}
        if match.score is not None:
            one["score"] = match.score
        if with_text:
            one["text"] = match.document.text
        if with_metadata:
            one["metadata"] = match.document.metadata
        return (json_bytes(one),)

    return object_of("matches", map(written, answer.matches), about)
