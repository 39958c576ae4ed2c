"""Changes of documents: patch, delete; of one, of many, of all that pass a filter."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from service.errors import NotFound
from service.ingest.document_changes import Deleted
from service.search.filters import check_length, parse_filter
from service.search.listing import Matching
from service.store.patches import Patched, PatchResult
from service.web.auth import needs
from service.web.entity_tags import ETAG_HEADER, IfMatchHeader, etag, read_if_match
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.metadata import check_metadata, check_stored
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.routes.jobs import accepted, accepted_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.document_changes import (
    DeletedDocument,
    DeletedDocuments,
    DeleteDocuments,
    DocumentPatch,
    DocumentPatches,
    PatchedDocuments,
    PatchedOne,
)
from service.web.schemas.documents import (
    PathId,
)

_CHANGED_AT_ONCE = 1_000
"""Documents that pass a filter up to which a call deletes or patches them itself."""

router = APIRouter(
    prefix="/v1/collections/{collection}/documents",
    tags=["documents"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "/patch",
    summary="Change metadata of documents",
    response_model=PatchedDocuments,
    responses=accepted_response("More documents pass the filter than are patched at once.")
    | problem_responses(400, 409, 412),
    openapi_extra=openapi_body(DocumentPatches),
)
@idempotent
@needs("write")
async def patch_documents(request: Request, collection: CollectionName) -> Response:
    """Changes metadata of documents, and when they expire, without encoding anew: of all of them or, with an error, of
    none. Ids that do not exist are `missing`.

    With a filter, the same of all that pass it: 200 if they are up to a thousand; 202 and a job if more do. Documents
    that change after the call leave the filter's reach."""
    services = services_of(request)
    body = await read_json_body(request, DocumentPatches, services.settings.max_batch, _check_patches)
    check = partial(_check_merged, services.settings.max_metadata_bytes)
    conclude = concluded_with(request, _patched_documents)
    if body.documents is not None:
        patches = [patch.patch(patch.id, patch.revision) for patch in body.documents]
        return _patched_documents(await services.document_changes.patch(collection, patches, check, conclude))
    assert body.filter is not None
    check_stored(body.metadata or {}, "the patch", services.settings.max_metadata_bytes)
    found = await _matching(request, collection, body.filter)
    if len(found.keys) > _CHANGED_AT_ONCE:
        return await _start(request, found, "patch", body.filter, body.change())
    keys = found.keys.allowed_keys().tolist()
    return _patched_documents(
        await services.document_changes.patch_unchanged(found.collection, keys, body.patch, check, conclude)
    )


@router.post(
    "/delete",
    summary="Delete documents",
    response_model=DeletedDocuments,
    responses=accepted_response("More documents pass the filter than are deleted at once.")
    | problem_responses(400, 409),
    openapi_extra=openapi_body(DeleteDocuments),
)
@idempotent
@needs("write")
async def delete_documents(request: Request, collection: CollectionName) -> Response:
    """Deletes the documents of those ids, or all that pass a filter. Ids that do not exist are no error.

    200 if they are up to a thousand; 202 and a job if more pass the filter. Documents that change after the call leave
    the filter's reach."""
    services = services_of(request)
    body = await read_json_body(request, DeleteDocuments, services.settings.max_batch)
    conclude = concluded_with(request, _deleted_documents)
    if body.ids is not None:
        return _deleted_documents(await services.document_changes.delete(collection, body.ids, conclude=conclude))
    assert body.filter is not None
    found = await _matching(request, collection, body.filter)
    if len(found.keys) > _CHANGED_AT_ONCE:
        return await _start(request, found, "delete", body.filter, {})
    keys = found.keys.allowed_keys().tolist()
    return _deleted_documents(await services.document_changes.delete_unchanged(found.collection, keys, conclude))


@router.patch(
    "/{id:path}",
    summary="Change metadata of a document",
    response_model=PatchedOne,
    responses={200: {"headers": ETAG_HEADER}, **problem_responses(400, 412)},
    openapi_extra=openapi_body(DocumentPatch),
)
@needs("write")
async def patch_document(
    request: Request, collection: CollectionName, id: PathId, if_match: IfMatchHeader = None
) -> Response:
    """Changes metadata of the document, and when it expires, without encoding it anew. Its text, vector or picture
    changes by putting it."""
    services = services_of(request)
    body = await read_json_body(request, DocumentPatch, services.settings.max_batch, _check_patch)
    check = partial(_check_merged, services.settings.max_metadata_bytes)
    patched = await services.document_changes.patch(
        collection, [body.patch(id)], check, if_match=read_if_match(if_match)
    )
    if patched.missing:
        raise NotFound("document", id)
    (one,) = patched.documents
    response = json_response(_patched_document(one) | {"seq": patched.seq})
    response.headers["ETag"] = etag(one.key, one.revision)
    return response


@router.delete("/{id:path}", summary="Delete a document", responses=problem_responses(412))
@needs("write")
async def delete_document(
    request: Request, collection: CollectionName, id: PathId, if_match: IfMatchHeader = None
) -> DeletedDocument:
    """Deletes the document of that id; an id that does not exist is no error."""
    deleted = await services_of(request).document_changes.delete(collection, [id], read_if_match(if_match))
    return DeletedDocument(deleted=bool(deleted.ids), seq=deleted.seq)


async def _matching(request: Request, collection: str, filter: dict[str, Any]) -> Matching:
    check_length(filter)
    return await services_of(request).listing.matching(collection, parse_filter(filter))


async def _start(
    request: Request,
    found: Matching,
    kind: Literal["delete", "patch"],
    filter: dict[str, Any],
    change: dict[str, Any],
) -> Response:
    """The response with the job that changes the documents that pass a filter."""
    respond = partial(accepted, request)
    enqueued = concluded_with(request, respond)
    writer = services_of(request).document_changes
    return respond(await writer.start(found.collection, kind, filter, len(found.keys), change, enqueued))


def _patched_documents(patched: Patched) -> Response:
    documents = [_patched_document(one) for one in patched.documents]
    return json_response({"documents": documents, "missing": patched.missing, "seq": patched.seq})


def _deleted_documents(deleted: Deleted) -> Response:
    return json_response({"deleted": len(deleted.ids), "ids": deleted.ids, "seq": deleted.seq})


def _check_patch(body: DocumentPatch) -> None:
    check_metadata(body.metadata or {}, "metadata")


def _check_patches(body: DocumentPatches) -> None:
    _check_patch(body)
    for position, patch in enumerate(body.documents or ()):
        check_metadata(patch.metadata or {}, f"documents[{position}].metadata")


def _check_merged(max_bytes: int, metadata: dict[str, Any], id: str) -> None:
    """Refuse what a document's metadata would be."""
    check_stored(metadata, f"the patched document {id!r}", max_bytes)


def _patched_document(one: PatchResult) -> dict[str, object]:
    return {"id": one.id, "revision": one.revision, "changed": one.changed}
