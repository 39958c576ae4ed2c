"""Collections: put, get, list, delete."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request, Response

from service.search.lookup import CollectionSummary
from service.services import Services
from service.store.collections import Collection as StoredCollection
from service.store.upkeep import RetrainPolicy
from service.web.auth import caller_of, needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.schemas.collections import (
    AutoRetrain,
    Collection,
    CollectionDetail,
    CollectionName,
    CollectionPage,
    CollectionSettings,
    Columns,
    DriftFigures,
    NewCollection,
    Replica,
    Words,
)
from service.web.schemas.pages import Cursor, Limit
from service.web.schemas.spaces import SpaceRef

router = APIRouter(
    prefix="/v1/collections",
    tags=["collections"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 413, 414, 415, 421, 422, 429, 503),
)


@router.put(
    "/{collection}",
    summary="Create a collection",
    response_model_exclude_unset=True,
    responses={201: {"model": Collection}, **problem_responses(400, 409)},
)
@needs("admin")
async def put_collection(
    request: Request,
    response: Response,
    collection: CollectionName,
    body: Annotated[NewCollection | None, Body()] = None,
) -> Collection:
    """201 if it is new, 200 if it exists with these settings, 409 if it exists with others."""
    settings = body or NewCollection()
    stored, created = await services_of(request).collections.create(
        collection, settings.kind, settings.n_bits, settings.changes(), settings.vectors(), settings.upkeep()
    )
    response.status_code = 201 if created else 200
    return _collection(stored)


@router.get("", summary="List collections", response_model_exclude_unset=True)
@needs("read", for_limited_keys=True)
async def list_collections(request: Request, limit: Limit = 100, cursor: Cursor = None) -> CollectionPage:
    """Collections in the order of their names; with a key for some of them, those."""
    among = caller_of(request).collections
    stored, has_more = await services_of(request).lookup.collections(from_cursor(cursor, ""), limit, among)
    items = [_collection(collection) for collection in stored]
    return CollectionPage(items=items, next_cursor=to_cursor(items[-1].name) if has_more else None)


@router.get(
    "/{collection}",
    summary="Get a collection",
    response_model_exclude_unset=True,
    responses=problem_responses(404),
)
@needs("read")
async def get_collection(request: Request, collection: CollectionName) -> CollectionDetail:
    """The collection, the number of its documents and the active code space."""
    services = services_of(request)
    summary = await services.lookup.collection(collection)
    return _detail(services, summary)


@router.patch(
    "/{collection}",
    summary="Change a collection",
    response_model_exclude_unset=True,
    responses=problem_responses(400, 404),
)
@needs("admin")
async def patch_collection(request: Request, collection: CollectionName, body: CollectionSettings) -> CollectionDetail:
    """Changes what is given. Another language has the words read anew in the background, while the old ones answer."""
    services = services_of(request)
    await services.collections.change(collection, body.changes(), body.upkeep())
    return _detail(services, await services.lookup.collection(collection))


@router.delete(
    "/{collection}",
    summary="Delete a collection",
    status_code=204,
    responses=problem_responses(404),
)
@needs("admin")
async def delete_collection(request: Request, collection: CollectionName) -> None:
    """Deletes the collection with its documents, code spaces and jobs."""
    await services_of(request).collections.drop(collection)


def _detail(services: Services, summary: CollectionSummary) -> CollectionDetail:
    follower, id = services.follower, summary.collection.id
    state, (state_of_words, error), words = follower.state(id), follower.state_of_documents(id), follower.documents(id)
    return CollectionDetail(
        **_collection(summary.collection).model_dump(exclude_unset=True),
        n_documents=summary.n_documents,
        space=SpaceRef(version=summary.active_space.version, digest=str(summary.active_space.digest)),
        replica=Replica(state=state.state, seq=state.seq, error=state.error),
        words=Words(
            **summary.words.given,
            analyzed_as=summary.words.analyzer_language,
            state=state_of_words,
            n_documents=None if words is None else len(words.words),
            memory_bytes=None if words is None else words.words.memory_bytes,
            error=error,
        ),
        columns=Columns(
            seq=None if words is None else words.columns_seq,
            n_fields=None if words is None else words.columns.n_fields,
            memory_bytes=None if words is None else words.columns.memory_bytes,
        ),
        judge=summary.upkeep.judge,
        auto_retrain=_policy(summary.upkeep.auto_retrain),
        keep_queries=summary.upkeep.keep_queries,
        retrain_advised=[reason.text for reason in summary.drift.reasons(services.settings.min_train_documents)],
        drift=DriftFigures.model_validate(summary.drift, from_attributes=True),
    )


def _policy(policy: Literal["off", "advise"] | RetrainPolicy) -> Literal["off", "advise"] | AutoRetrain:
    return AutoRetrain.model_validate(policy, from_attributes=True) if isinstance(policy, RetrainPolicy) else policy


def _collection(stored: StoredCollection) -> Collection:
    return Collection(
        name=stored.name,
        kind=stored.kind,
        n_bits=stored.n_bits,
        seq=stored.last_seq,
        created_at=stored.created_at,
        **({} if stored.vectors is None else stored.vectors.to_row()),
    )
