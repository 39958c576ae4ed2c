"""Export: all documents of a collection, as lines of JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.errors import InvalidInput
from service.hashing.embedding_models import FIRST
from service.search.export import Export, ExportedDocument
from service.threads import run_in_thread
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.ndjson import NdjsonResponse
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_bytes
from service.web.routes.documents import document_members
from service.web.schemas.collections import CollectionName

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["documents"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)

_MADE_HERE = frozenset({"revision", "created_at", "updated_at"})
"""Members of a document that the service makes, and that no document can be put with."""
_PUT = frozenset({"id", "title", "text", "vector", "model", "vectors", "image", "metadata", "expires_at"})
_FIELDS = _PUT | _MADE_HERE

Fields = Annotated[
    str | None,
    Query(
        description=f"Members of each line, joined by commas, among {', '.join(sorted(_FIELDS))}. If not given, all "
        "that a document is put with.",
    ),
]
Codes = Annotated[
    bool, Query(description="Add `code`: that of the active space, in hexadecimal; null where there is none.")
]


@router.get("/export", summary="Export all documents", status_code=200, response_class=NdjsonResponse)
@needs("read")
async def export_documents(
    request: Request, collection: CollectionName, fields: Fields = None, codes: Codes = False
) -> Response:
    """All documents as they are at one moment, one a line, in the order of their arrival, as `import` takes them. The
    header `Nearbit-Seq` is the last change that they hold. A stream that ends without its last chunk is not whole."""
    wanted = _wanted(fields)
    services = services_of(request)
    export = await run_in_thread(services.exporter.begin, collection, with_codes=codes)

    def next_lines() -> bytes:
        return b"".join(_line(one, export, wanted, codes) for one in export.next_part())

    headers = {"Nearbit-Seq": str(export.head.seq)}
    return NdjsonResponse(request, next_lines, export.close, services.settings.export_limit_s, headers)


def _wanted(fields: str | None) -> frozenset[str] | None:
    if fields is None:
        return None
    wanted = frozenset(name.strip() for name in fields.split(","))
    if unknown := wanted - _FIELDS:
        raise InvalidInput(f"fields must be among {', '.join(sorted(_FIELDS))}, got {min(unknown)[:80]!r}")
    return wanted


def _line(exported: ExportedDocument, export: Export, wanted: frozenset[str] | None, codes: bool) -> bytes:
    members = document_members(exported.document, export.head.models)
    if "vector" in members and export.head.models is not None:  # a line names its model, also where there is one only
        members = {"model": export.head.models[FIRST].name, **members}
    if wanted is None:
        line = {name: value for name, value in members.items() if name not in _MADE_HERE}
    else:
        line = {name: value for name, value in members.items() if name in wanted}
    if codes:
        line["code"] = None if exported.code is None else exported.code.hex()
    return json_bytes(line) + b"\n"
