"""Code spaces: retrain, list, promote, roll back."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.hashing.embedding_models import EmbeddingModels
from service.ingest.spaces import Promoted
from service.store.idempotency import Conclude
from service.store.jobs import Job as StoredJob
from service.store.spaces import CodeSpace as StoredSpace
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.routes.jobs import ACCEPTED, accepted
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import Job
from service.web.schemas.spaces import (
    Activation,
    CodeSpace,
    CodeSpacePage,
    PreviewSize,
    Retrain,
    SpacePreview,
    Version,
)

ActivationBody = Annotated[Activation | None, Body()]

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["code spaces"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "/retrain",
    summary="Learn codes",
    status_code=202,
    response_model=Job,
    responses=problem_responses(400, 409),
)
@idempotent
@needs("admin")
async def retrain(
    request: Request,
    collection: CollectionName,
    body: Annotated[Retrain | None, Body()] = None,
) -> Response:
    """Has the trainer learn a new hash function on the collection, encode every document with it, compare it with the
    active one and, if it is no worse, put it in its place. `GET /v1/jobs/{id}` shows the progress."""
    params = (body or Retrain()).params()
    respond = partial(accepted, request)
    return respond(await services_of(request).spaces.retrain(collection, params, concluded_with(request, respond)))


@router.get("/spaces", summary="List code spaces", response_model_exclude_unset=True)
@needs("read")
async def list_spaces(request: Request, collection: CollectionName) -> CodeSpacePage:
    """Every code space of the collection, newest first, with its report."""
    lookup = services_of(request).lookup
    stored, models = await lookup.spaces(collection), await lookup.models(collection)
    return CodeSpacePage(items=[_space(space, models) for space in stored], next_cursor=None)


@router.get("/spaces/{version}/preview", summary="Preview a promotion", responses=problem_responses(409))
@needs("read")
async def preview(request: Request, collection: CollectionName, version: Version, n: PreviewSize = 100) -> SpacePreview:
    """How the ten nearest of a sample of documents would change if that code space became the active one."""
    found = await services_of(request).previews.preview(collection, version, n)
    return SpacePreview.model_validate(found, from_attributes=True)


@router.post(
    "/spaces/{version}/promote",
    summary="Promote a code space",
    response_model=CodeSpace,
    response_model_exclude_unset=True,
    responses=ACCEPTED | problem_responses(400, 409, 500),
)
@idempotent
@needs("admin")
async def promote(
    request: Request, collection: CollectionName, version: Version, body: ActivationBody = None
) -> CodeSpace | Response:
    """Makes a ready or retired space the active one, after giving a code to documents that lack one in it.

    200 and the space if few documents lack one; 202 and a job if many do."""
    force = body is not None and body.force
    conclude = await _concluded(request, collection)
    activated = await services_of(request).spaces.promote(collection, version, force=force, conclude=conclude)
    return await _space_or_job(request, collection, activated, force)


@router.post(
    "/rollback",
    summary="Roll back to the code space before",
    response_model=CodeSpace,
    response_model_exclude_unset=True,
    responses=ACCEPTED | problem_responses(400, 409, 500),
)
@idempotent
@needs("admin")
async def roll_back(request: Request, collection: CollectionName, body: ActivationBody = None) -> CodeSpace | Response:
    """Promotes the space that was retired last; a second call undoes the first.

    200 and the space if few documents lack a code in it; 202 and a job if many do."""
    force = body is not None and body.force
    conclude = await _concluded(request, collection)
    activated = await services_of(request).spaces.roll_back(collection, force=force, conclude=conclude)
    return await _space_or_job(request, collection, activated, force)


@router.post(
    "/spaces/{version}/rollback",
    summary="Roll back a code space",
    response_model=CodeSpace,
    response_model_exclude_unset=True,
    responses=ACCEPTED | problem_responses(400, 409, 500),
)
@idempotent
@needs("admin")
async def roll_back_version(
    request: Request, collection: CollectionName, version: Version, body: ActivationBody = None
) -> CodeSpace | Response:
    """As `rollback`, but a conflict unless that version is the active one: safe to send twice."""
    force = body is not None and body.force
    conclude = await _concluded(request, collection)
    activated = await services_of(request).spaces.roll_back(collection, version, force=force, conclude=conclude)
    return await _space_or_job(request, collection, activated, force)


async def _concluded(request: Request, collection: str) -> Conclude[Promoted | StoredJob] | None:
    """What keeps the answer to a promotion or a rollback with a key."""
    models = await services_of(request).lookup.models(collection)

    def respond(outcome: Promoted | StoredJob) -> Response:
        if not isinstance(outcome, Promoted):
            return accepted(request, outcome)
        space = _space(outcome.space, models, outcome.n_uncovered)
        return json_response(space.model_dump(mode="json", exclude_unset=True))

    return concluded_with(request, respond)


async def _space_or_job(
    request: Request, collection: str, outcome: StoredSpace | StoredJob, force: bool
) -> CodeSpace | Response:
    """The space that is active now, or 202 and the job that will make it active."""
    if not isinstance(outcome, StoredSpace):
        return accepted(request, outcome)
    lookup = services_of(request).lookup
    uncovered = await lookup.n_uncovered(outcome) if force else None
    return _space(outcome, await lookup.models(collection), uncovered)


def _space(space: StoredSpace, models: EmbeddingModels | None, uncovered: int | None = None) -> CodeSpace:
    members = {
        name: getattr(space, name) for name in StoredSpace.__dataclass_fields__ if name in CodeSpace.model_fields
    }
    del members["model"]
    if models is not None:
        members["model"] = models[space.model].name
        if uncovered is not None:
            members["uncovered"] = uncovered
    return CodeSpace(**members)
