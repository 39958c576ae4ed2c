"""Maps: where documents lie, all codes, values to color them by; as arrays of little-endian numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Request, Response

from service.errors import InvalidInput
from service.hashing.content import Text
from service.search.column_values import FieldValues
from service.search.maps import SpaceCodes, SpaceMap
from service.store.document_summaries import DocumentSummary
from service.threads import run_in_large_thread
from service.web.array_response import ARRAYS, ArrayResponse, numbers_of
from service.web.auth import needs
from service.web.entity_tags import IfNoneMatchHeader, is_among
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import JsonPartsResponse, join_pieces, json_bytes, object_pieces
from service.web.routes.jobs import accepted
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import Job
from service.web.schemas.maps import (
    MAX_AT_ONCE,
    AfterNumber,
    CodesLimit,
    ComputeMap,
    FieldName,
    MapLabel,
    MapLabels,
    MapSpace,
    NumberedDocuments,
    NumbersOrIds,
    SpaceVersion,
)

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["maps"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)

_ANSWERS: dict[int | str, dict[str, Any]] = {200: ARRAYS, 304: {"description": "Nothing has changed."}}


@router.get("/map", summary="Get the map", responses=_ANSWERS, response_class=Response)
@needs("read", load="search")
async def get_map(
    request: Request, collection: CollectionName, space: SpaceVersion = None, if_none_match: IfNoneMatchHeader = None
) -> Response:
    """Where each document lies: the numbers of all, uint32, then x and y of each, float32. The headers say how many
    there are and what they are of."""
    found = await services_of(request).maps.map(collection, space, _known_by(if_none_match))
    return _not_modified(found) if isinstance(found, str) else await run_in_large_thread(_map_response, found)


@router.get("/codes", summary="Get all codes", responses=_ANSWERS, response_class=Response)
@needs("read", load="search")
async def get_codes(
    request: Request,
    collection: CollectionName,
    space: SpaceVersion = None,
    after: AfterNumber = 0,
    limit: CodesLimit = None,
    if_none_match: IfNoneMatchHeader = None,
) -> Response:
    """The code of each document: the numbers of all, uint32, then their codes, `Nearbit-Bits` / 8 bytes each."""
    found = await services_of(request).maps.codes(collection, space, _known_by(if_none_match))
    if isinstance(found, str):
        return _not_modified(found)
    return await run_in_large_thread(_codes_response, found, after, limit)


@router.get("/columns/{field:path}", summary="Get the values of a field", responses=_ANSWERS, response_class=Response)
@needs("read", load="search")
async def get_column(
    request: Request, collection: CollectionName, field: FieldName, if_none_match: IfNoneMatchHeader = None
) -> Response:
    """The value of a metadata field of each document that has one: the numbers of these, uint32; then float32 each, if
    all are numbers; else a byte each, and what the bytes stand for as a JSON list."""
    found = await services_of(request).column_values.of(collection, field, _known_by(if_none_match))
    return _not_modified(found) if isinstance(found, str) else await run_in_large_thread(_column_response, found)


@router.get("/map/labels", summary="Get the words of regions")
@needs("read")
async def get_labels(request: Request, collection: CollectionName, space: SpaceVersion = None) -> MapLabels:
    """What the documents of each region of a computed map are about; nothing while there is no computed map."""
    of, computed = await services_of(request).maps.labels(collection, space)
    items = [MapLabel.model_validate(one) for one in computed.labels] if computed is not None else []
    return MapLabels(items=items, space=MapSpace(version=of.version))


@router.post(
    "/map", summary="Compute the map", status_code=202, response_model=Job, responses=problem_responses(400, 409)
)
@idempotent
@needs("admin")
async def compute_map(
    request: Request, collection: CollectionName, body: Annotated[ComputeMap | None, Body()] = None
) -> Response:
    """Has the trainer compute a map, which begins with the places that documents had before. `GET /v1/jobs/{id}` shows
    the progress."""
    respond = partial(accepted, request)
    conclude = concluded_with(request, respond)
    version = None if body is None else body.version
    return respond(await services_of(request).map_jobs.start(collection, version, conclude))


@router.post(
    "/documents/numbers",
    summary="Get documents by number",
    status_code=200,
    response_model=NumberedDocuments,
    responses=problem_responses(400),
    openapi_extra=openapi_body(NumbersOrIds),
)
@needs("read")
async def get_by_number(request: Request, collection: CollectionName) -> Response:
    """Documents by their numbers, which maps name them by, or by their ids; in the order that was asked."""
    asked = await read_json_body(request, NumbersOrIds, MAX_AT_ONCE)
    by_number = services_of(request).by_number
    if (asked.numbers is None) == (asked.ids is None):
        raise InvalidInput("the body must have either numbers or ids")
    found: dict[Any, DocumentSummary]
    wanted: list[Any]
    if asked.ids is None:
        wanted = list(dict.fromkeys(asked.numbers or ()))
        found = dict(await by_number.of_numbers(collection, wanted))
    else:
        wanted = list(dict.fromkeys(asked.ids))
        found = dict(await by_number.of_ids(collection, wanted))
    missing = [one for one in wanted if one not in found]
    there = [found[one] for one in wanted if one in found]
    pieces = object_pieces("items", ([json_bytes(_numbered(one))] for one in there), {"missing": missing})
    return JsonPartsResponse(await run_in_large_thread(join_pieces, pieces))


def _known_by(header: str | None) -> Callable[[str], bool]:
    return lambda tag: is_among(header, tag)


def _not_modified(tag: str) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{tag}"', "Cache-Control": "no-cache"})


def _headers(n: int, base: int, seq: int, tag: str, **further: object) -> dict[str, str]:
    headers = {
        "Count": n,
        "Base": base,
        "Seq": seq,
        **{name.replace("_", "-"): value for name, value in further.items()},
    }
    named = {f"Nearbit-{name}": str(value) for name, value in headers.items()}
    return named | {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}


def _map_response(found: SpaceMap) -> Response:
    numbers, base = numbers_of(found.places.keys)
    computed = found.computed
    headers = _headers(
        len(numbers),
        base,
        found.seq,
        found.tag,
        Space=found.space.version,
        Method=found.method,
        Map_Seq=0 if computed is None else computed.seq,
        Missing=found.n_missing,
        **{name.capitalize(): value for name, value in ({} if computed is None else computed.report).items()},
    )
    return ArrayResponse([numbers, found.places.positions.astype("<f4")], headers)


def _codes_response(found: SpaceCodes, after: int, limit: int | None) -> Response:
    first = int(np.searchsorted(found.keys, after, side="right"))
    rows = slice(first, None if limit is None else first + limit)
    numbers, base = numbers_of(found.keys[rows])
    space = found.space
    headers = _headers(len(numbers), base, found.seq, found.tag, Space=space.version, Bits=space.n_bits)
    return ArrayResponse([numbers, found.codes[rows]], headers)


def _column_response(found: FieldValues) -> Response:
    numbers, base = numbers_of(found.keys)
    is_numbers = found.legend is None
    kind = "numbers" if is_numbers else "categories"
    headers = _headers(len(numbers), base, found.seq, found.tag, Kind=kind)
    values = found.values.astype("<f4") if is_numbers else found.values
    legend = b"" if is_numbers else json.dumps(found.legend, ensure_ascii=False).encode("utf-8")
    return ArrayResponse([numbers, values, legend], headers)


def _numbered(document: DocumentSummary) -> dict[str, Any]:
    text = document.content.text if isinstance(document.content, Text) else None
    return {
        "number": document.key,
        "id": document.id,
        "title": document.title,
        "text": text,
        "metadata": document.metadata,
    }
