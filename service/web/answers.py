"""Answers of searches as JSON, written from dictionaries, which the schemas in `service.web.schemas` describe.

To build models first would cost as much as the search itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import Response

from service.hashing.content import to_wire
from service.search.facets import Facet
from service.search.request import SearchRequest
from service.search.results import Match, SearchResult
from service.store.document_summaries import DocumentSummary, Shown
from service.web.response_json import are_short, json_bytes, json_response, object_pieces, pieces_response


async def one_answer(result: SearchResult, request: SearchRequest) -> Response:
    """The answer to one query."""
    documents = _documents([result])
    if are_short(documents):
        return json_response({"matches": list(_matches(result, request)), **_about(result, request)})
    return await pieces_response(_pieces(result, request), documents)


async def many_answers(results: Sequence[SearchResult], request: SearchRequest) -> Response:
    """The answers to many queries, in their order."""
    answers = (_pieces(result, request) for result in results)
    return await pieces_response(object_pieces("answers", answers), _documents(results))


def _documents(results: Sequence[SearchResult]) -> list[list[DocumentSummary]]:
    return [[match.document for match in result.matches] for result in results]


def _pieces(result: SearchResult, request: SearchRequest) -> Iterator[bytes]:
    """An answer, in pieces."""
    matches = ((json_bytes(match),) for match in _matches(result, request))
    return object_pieces("matches", matches, _about(result, request))


def _about(result: SearchResult, request: SearchRequest) -> dict[str, Any]:
    """The members of an answer beside its matches."""
    rest: dict[str, Any] = {
        "space": {"version": result.space.version, "digest": result.space.digest},
        "code": None if result.code is None else result.code.hex(),
        "known": result.known,
    }
    if request.kind != "similar":
        rest |= {"corrected": result.corrected, "language": result.language}
    rest |= {"partial": result.partial, "exact": result.exact}
    if result.facets:
        rest["facets"] = facets_json(result.facets)
    if result.groups is not None:
        rest["groups"] = [{"value": group.value, "matches": group.n_matches} for group in result.groups]
    if result.hint is not None:
        rest["hint"] = result.hint
    rest["work"] = _work(result, request)
    return rest


def _work(result: SearchResult, request: SearchRequest) -> dict[str, Any]:
    work, stats = result.work, result.work.stats
    written: dict[str, Any] = {
        "source": work.source,
        "path": None if stats is None else stats.path,
        "probes": 0 if stats is None else stats.probes,
        "candidates": 0 if stats is None else stats.candidates,
        "radius": None if stats is None else stats.radius,
        "passing": work.n_passing,
        "matching": work.n_matching,
    }
    return written | ({"reranked": work.n_reranked} if request.kind == "similar" else {"scored": work.n_scored})


def _matches(result: SearchResult, request: SearchRequest) -> Iterator[dict[str, Any]]:
    shown, fields = request.shown, request.metadata_fields
    return (_match(match, request, shown, fields) for match in result.matches)


def _match(match: Match, request: SearchRequest, shown: Shown, fields: Sequence[str] | None) -> dict[str, Any]:
    document = match.document
    members: dict[str, Any] = {"id": document.id, "distance": match.distance}
    if match.score is not None:
        members["score"] = match.score
    if request.kind != "similar":
        members["scores"] = {"words": match.words, "code": match.code}
    if shown.title and document.title is not None:
        members["title"] = document.title
    if shown.text and document.content is not None:
        members |= to_wire(document.content)
    if shown.metadata:
        members["metadata"] = document.metadata if fields is None else _picked(document.metadata, fields)
    if request.sort is not None:
        members["sort_value"] = match.sort_value
    if match.explanation is not None:
        members["explain"] = match.explanation  # a dataclass is written as it is
    if (found := match.highlight) is not None:
        members["highlight"] = {
            "passage": found.passage,
            "start": found.start,
            "marks": found.marks,
            "title_marks": found.title_marks,
        }
    return members


def facets_json(counted: Sequence[Facet]) -> dict[str, Any]:
    """The counts of each field, as `FacetCounts` describes them."""
    return {facet.request.field: _facet(facet) for facet in counted}


def _facet(facet: Facet) -> dict[str, Any]:
    if facet.values is None:
        ranges = zip(facet.request.ranges or (), facet.in_ranges, strict=True)
        return {"ranges": [{"from": low, "to": high, "count": n} for (low, high), n in ranges]}
    counts = facet.values
    return {
        "values": [{"value": value, "count": n} for value, n in counts.values],
        "distinct": counts.n_distinct,
        "other": counts.n_other,
        "missing": counts.n_missing,
    }


def _picked(metadata: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The members of metadata that fields name, nested ones within the members that hold them."""
    found: dict[str, Any] = {}
    for field in fields:
        _pick(metadata, field, found)
    return found


def _pick(source: Mapping[str, Any], field: str, found: dict[str, Any]) -> None:
    if field in source:
        found[field] = source[field]
    for name, value in source.items():
        rest = field.removeprefix(name + ".")
        if rest == field or not isinstance(value, Mapping | list):
            continue
        if isinstance(value, list):
            found[name] = value
            continue
        inner = found.setdefault(name, {})
        if isinstance(inner, dict) and inner is not value:
            _pick(value, rest, inner)
