"""Collections: put, get, list, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.services import Services
from service.store import collections, documents, spaces
from service.store.collections import Collection
from service.threads import run_in_thread
from service.web import schemas
from service.web.auth import needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.problems import problems
from service.web.request_services import services_of

router = APIRouter(
    prefix="/v1/collections",
    tags=["collections"],
    route_class=GuardedRoute,
    responses=problems(401, 403, 413, 414, 415, 421, 422, 503),
)


@router.put(
    "/{collection}",
    summary="Create a collection",
    responses={201: {"model": schemas.Collection}, **problems(400, 409)},
)
@needs("admin")
async def put_collection(
    request: Request,
    response: Response,
    collection: schemas.CollectionName,
    body: Annotated[schemas.NewCollection | None, Body()] = None,
) -> schemas.Collection:
    """201 if it is new, 200 if it exists with these settings, 409 if it exists with others."""
    asked = body or schemas.NewCollection()
    stored, created = await services_of(request).ingest.create_collection(collection, asked.kind, asked.n_bits)
    response.status_code = 201 if created else 200
    return _collection(stored)


@router.get("", summary="List collections")
@needs("read")
async def list_collections(
    request: Request, limit: schemas.Limit = 100, cursor: schemas.Cursor = None
) -> schemas.CollectionPage:
    """Collections in the order of their names."""
    database, after = services_of(request).database, from_cursor(cursor, "")

    def page() -> list[Collection]:
        with database.read() as connection:
            return collections.page(connection, after, limit + 1)

    found = await run_in_thread(page)
    items = [_collection(c) for c in found[:limit]]
    return schemas.CollectionPage(items=items, next_cursor=to_cursor(items[-1].name) if len(found) > limit else None)


@router.get("/{collection}", summary="Get a collection", responses=problems(404))
@needs("read")
async def get_collection(request: Request, collection: schemas.CollectionName) -> schemas.CollectionDetail:
    """The collection, the number of its documents and the code space that answers."""
    return await run_in_thread(_detail, services_of(request), collection)


@router.delete(
    "/{collection}",
    summary="Delete a collection",
    status_code=204,
    responses=problems(404),
)
@needs("admin")
async def delete_collection(request: Request, collection: schemas.CollectionName) -> None:
    """Deletes the collection with its documents, code spaces and jobs."""
    ingest = services_of(request).ingest
    await ingest.collection(collection)
    await ingest.drop_collection(collection)


def _detail(parts: Services, name: str) -> schemas.CollectionDetail:
    with parts.database.read() as connection:
        stored = collections.get(connection, name)
        n_documents = documents.count(connection, stored.id)
        space = spaces.active(connection, stored.id)
    ref = schemas.SpaceRef(version=space.version, digest=str(space.digest))
    state = parts.follower.state(stored.id)
    replica = schemas.Replica(state=state.state, seq=state.seq, error=state.error)
    return schemas.CollectionDetail(**dict(_collection(stored)), n_documents=n_documents, space=ref, replica=replica)


def _collection(stored: Collection) -> schemas.Collection:
    return schemas.Collection(
        name=stored.name,
        kind="text",
        n_bits=stored.n_bits,
        seq=stored.last_seq,
        created_at=stored.created_at,
    )
