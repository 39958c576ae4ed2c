"""Documents: put many, get, list, delete."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from service.errors import InvalidInput
from service.hashing.content import from_wire, to_wire
from service.ingest.documents import Added
from service.store import collections, documents
from service.store.documents import Document, NewDocument
from service.threads import run_in_thread, run_read
from service.web import schemas
from service.web.auth import needs
from service.web.bodies import JsonParts, declared_body, in_parts, object_of, read_body
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.json_answer import json_answer, json_bytes
from service.web.metadata import check_metadata
from service.web.problems import problems
from service.web.request_services import services_of

_PAGE_CHARS = 4 << 20

router = APIRouter(
    prefix="/v1/collections/{collection}/documents",
    tags=["documents"],
    route_class=GuardedRoute,
    responses=problems(401, 403, 404, 413, 414, 415, 421, 422, 503),
)


@router.post(
    "",
    summary="Put documents",
    status_code=201,
    response_model=schemas.PutDocuments,
    responses={200: {"model": schemas.PutDocuments, "description": "All replaced others."}, **problems(400, 409)},
    openapi_extra=declared_body(schemas.NewDocuments),
)
@needs("write")
async def put_documents(request: Request, collection: schemas.CollectionName) -> Response:
    """Inserts documents, and replaces those whose id exists: all of them or, with an error, none. They can be found
    once this has answered, for sure with the answer's `seq` as `at_least_seq`."""
    parts = services_of(request)

    def check(body: schemas.NewDocuments) -> None:
        limit = parts.settings.max_metadata_bytes
        for position, document in enumerate(body.documents):
            check_metadata(document.metadata, f"documents[{position}].metadata")
            if len(to_json(document.metadata)) > limit:
                raise InvalidInput(f"documents[{position}]: metadata must be at most {limit} bytes of JSON")

    body = await read_body(request, schemas.NewDocuments, parts.settings.max_batch, check)
    new = [NewDocument(d.id, from_wire(text=d.text), d.metadata) for d in body.documents]
    added = await parts.ingest.add(await parts.ingest.collection(collection), new)
    created = any(put.created for put in added.documents)
    return Response(to_json(_added(added)), 201 if created else 200, media_type="application/json")


@router.post(
    "/delete",
    summary="Delete documents",
    response_model=schemas.DeletedDocuments,
    responses=problems(400),
    openapi_extra=declared_body(schemas.Ids),
)
@needs("write")
async def delete_documents(request: Request, collection: schemas.CollectionName) -> schemas.DeletedDocuments:
    """Deletes the documents of those ids; that there are none is no error. For many at once, and for ids that a path
    cannot carry."""
    parts = services_of(request)
    body = await read_body(request, schemas.Ids, parts.settings.max_batch)
    deletion = await parts.ingest.delete(await parts.ingest.collection(collection), body.ids)
    return schemas.DeletedDocuments(deleted=len(deletion.ids), ids=deletion.ids, seq=deletion.seq)


@router.get("", summary="List documents", response_model=schemas.DocumentPage)
@needs("read")
async def list_documents(
    request: Request, collection: schemas.CollectionName, limit: schemas.Limit = 100, cursor: schemas.Cursor = None
) -> Response:
    """Documents in the order of their first arrival. A page of long texts ends before `limit`, `next_cursor` tells."""
    database, after = services_of(request).database, from_cursor(cursor, 0)

    def page() -> list[bytes]:
        with database.read() as connection:
            stored = collections.get(connection, collection)
            found, more = documents.bounded_page(connection, stored.id, after, limit, _PAGE_CHARS)
        next_cursor = to_cursor(found[-1].key) if more else None
        items = ((json_bytes(_document(document)),) for document in found)
        return in_parts(object_of("items", items, {"next_cursor": next_cursor}))

    return JsonParts(await run_in_thread(page))


@router.get("/{id:path}", summary="Get a document", response_model=schemas.Document)
@needs("read")
async def get_document(request: Request, collection: schemas.CollectionName, id: schemas.PathId) -> Response:
    """The document of that id."""
    database = services_of(request).database

    def get() -> Document:
        with database.read() as connection:
            return documents.get(connection, collections.get(connection, collection).id, id)

    return json_answer(_document(await run_read(database, get)))


@router.delete("/{id:path}", summary="Delete a document")
@needs("write")
async def delete_document(
    request: Request, collection: schemas.CollectionName, id: schemas.PathId
) -> schemas.DeletedDocument:
    """Deletes the document of that id; that there is none is no error."""
    ingest = services_of(request).ingest
    deletion = await ingest.delete(await ingest.collection(collection), [id])
    return schemas.DeletedDocument(deleted=bool(deletion.ids), seq=deletion.seq)


def _added(added: Added) -> dict[str, object]:
    """A `PutDocuments`, as a dictionary: a thousand models cost more than the rest of the answer."""
    known = (added.n_known > 0).tolist()
    return {
        "documents": [
            {"id": put.id, "created": put.created, "changed": put.changed, "known": is_known}
            for put, is_known in zip(added.documents, known, strict=True)
        ],
        "space": {"version": added.space.version, "digest": added.space.digest},
        "seq": added.seq,
    }


def _document(document: Document) -> schemas.Document:
    return schemas.Document(
        id=document.id,
        metadata=document.metadata,
        revision=document.revision,
        created_at=document.created_at,
        updated_at=document.updated_at,
        **to_wire(document.content),
    )
