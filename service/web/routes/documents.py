"""Documents: put many, get, list."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from service.hashing.content import document_to_wire, models_of
from service.hashing.embedding_models import EmbeddingModels
from service.ingest.documents import Added
from service.ingest.duplicates import DuplicateCheck
from service.store.documents import Document as StoredDocument
from service.store.documents import NewDocument
from service.threads import run_in_thread
from service.web import parameters
from service.web.answers import facets_json
from service.web.auth import needs, take_documents
from service.web.cursor import from_cursor, to_cursor
from service.web.document_bodies import openapi_documents, read_documents
from service.web.entity_tags import ETAG_HEADER, etag
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.metadata import check_stored
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import JsonPartsResponse, join_pieces, json_bytes, json_response, object_pieces
from service.web.schemas.collections import CollectionName
from service.web.schemas.documents import (
    CheckDuplicates,
    Document,
    DocumentPage,
    FoundDocuments,
    Ids,
    IfAbsent,
    NewDocuments,
    PathId,
    PutDocuments,
    SkipDuplicates,
)

router = APIRouter(
    prefix="/v1/collections/{collection}/documents",
    tags=["documents"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "",
    summary="Put documents",
    status_code=201,
    response_model=PutDocuments,
    responses={200: {"model": PutDocuments, "description": "None is new."}, **problem_responses(400, 409, 412)},
    openapi_extra=openapi_documents(),
)
@idempotent
@needs("write", load="put")
async def put_documents(
    request: Request,
    collection: CollectionName,
    check_duplicates: CheckDuplicates = None,
    skip_duplicates: SkipDuplicates = None,
    if_absent: IfAbsent = False,
) -> Response:
    """Inserts documents, and replaces those whose id exists: all of them or, with an error, none. They can be found
    from then on; a query with the `seq` of this response as `at_least_seq` is sure to see them."""
    services = services_of(request)

    def check(body: NewDocuments) -> None:
        for position, document in enumerate(body.documents):
            check_stored(document.metadata, f"documents[{position}]", services.settings.max_metadata_bytes)

    documents, given = await read_documents(request, services.settings.max_batch, check)
    take_documents(request, len(documents))
    contents = await services.documents.contents_of(collection, given)
    new = [
        NewDocument(d.id, content, d.metadata, d.expires_at, d.revision)
        for d, content in zip(documents, contents, strict=True)
    ]
    asked = check_duplicates is not None or skip_duplicates is not None
    duplicates = DuplicateCheck(check_duplicates, skip_duplicates) if asked else None

    def respond(added: Added) -> Response:
        created = any(put is not None and put.created for put in added.documents)
        return Response(to_json(_put_documents(added, new)), 201 if created else 200, media_type="application/json")

    conclude = concluded_with(request, respond)
    return respond(await services.documents.add(collection, new, duplicates, if_absent=if_absent, conclude=conclude))


@router.post(
    "/get",
    summary="Get many documents",
    response_model=FoundDocuments,
    responses=problem_responses(400),
    openapi_extra=openapi_body(Ids),
)
@needs("read")
async def get_documents(request: Request, collection: CollectionName) -> Response:
    """The documents of those ids, in the order given, each once; ids that do not exist are listed as `missing`. Where
    texts are too long for one answer, `next_ids` are those to ask for next."""
    services = services_of(request)
    body = await read_json_body(request, Ids, services.settings.max_batch)
    found, missing, rest = await services.lookup.documents_of(collection, body.ids)
    return await _documents_response(request, collection, found, {"missing": missing, "next_ids": rest})


@router.get(
    "",
    summary="List documents",
    response_model=DocumentPage,
    openapi_extra=parameters.openapi_parameters(parameters.DocumentsQuery),
)
@needs("read")
async def list_documents(request: Request) -> Response:
    """Documents in the order of their first arrival, or in that of a field. A page of long texts ends before `limit`;
    `next_cursor` is null on the last page only."""
    query = parameters.read_parameters(parameters.DocumentsQuery, request)
    services = services_of(request)
    if not query.is_plain:
        found = await services.listing.documents(query.request())
        members: dict[str, object] = {
            "next_cursor": None if found.cursor is None else to_cursor(found.cursor),
            "total": found.total,
        }
        if found.facets:
            members["facets"] = facets_json(found.facets)
        if found.hint is not None:
            members["hint"] = found.hint
        return await _documents_response(request, query.collection, found.documents, members)
    after_key = from_cursor(query.cursor, 0)
    documents, has_more = await services.lookup.documents(query.collection, after_key, query.limit)
    next_cursor = to_cursor(documents[-1].key) if has_more else None
    return await _documents_response(request, query.collection, documents, {"next_cursor": next_cursor})


async def _documents_response(
    request: Request, collection: str, documents: Sequence[StoredDocument], members: dict[str, object]
) -> Response:
    """Documents as `items`, followed by further members."""
    models = await _models_of(request, collection, documents)

    def write() -> list[bytes]:
        items = ((json_bytes(document_members(document, models)),) for document in documents)
        return join_pieces(object_pieces("items", items, members))

    return JsonPartsResponse(await run_in_thread(write))


@router.get(
    "/{id:path}",
    summary="Get a document",
    response_model=Document,
    responses={200: {"headers": ETAG_HEADER}},
)
@needs("read")
async def get_document(request: Request, collection: CollectionName, id: PathId) -> Response:
    """The document of that id; its `ETag` is for `If-Match`."""
    document = await services_of(request).lookup.document(collection, id)
    response = json_response(document_members(document, await _models_of(request, collection, [document])))
    response.headers["ETag"] = etag(document.key, document.full_revision)
    return response


def _put_documents(added: Added, given: Sequence[NewDocument]) -> dict[str, object]:
    """A `PutDocuments`, as a dictionary: a thousand models cost more than all the rest of the response."""
    known = (added.n_known > 0).tolist()
    put_documents = [
        {"id": document.id, "created": False, "changed": False, "known": k}
        if put is None
        else {"id": put.id, "created": put.created, "changed": put.changed, "known": k, "revision": put.revision}
        for document, put, k in zip(given, added.documents, known, strict=True)
    ]
    for document, found in zip(put_documents, added.duplicates or (), strict=False):
        document["skipped"] = found.skipped
        nearest = [{"id": id, "distance": distance} for id, distance in found.nearest]
        document["duplicates"] = {"count": found.count, "nearest": nearest}
    answer: dict[str, object] = {
        "documents": put_documents,
        "space": {"version": added.space.version, "digest": added.space.digest},
        "seq": added.seq,
    }
    if added.n_existing is not None:
        for document, put in zip(put_documents, added.documents, strict=True):
            document["skipped"] = put is None
        answer["existing"] = added.n_existing
    return answer


async def _models_of(request: Request, collection: str, documents: Sequence[StoredDocument]) -> EmbeddingModels | None:
    """The embedding models of a collection, where documents have vectors of others than the first."""
    if all(models_of(document.content) == 1 for document in documents):
        return None
    return await services_of(request).lookup.models(collection)


def document_members(document: StoredDocument, models: EmbeddingModels | None) -> dict[str, object]:
    """A `Document`, without what it does not have."""
    return {
        "id": document.id,
        **document_to_wire(document.content, models),
        "metadata": document.metadata,
        "revision": document.full_revision,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
        **({} if document.expires_at is None else {"expires_at": document.expires_at}),
    }
