"""The quality of code spaces: have one judged, read the report."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.routes.jobs import accepted
from service.web.schemas.collections import CollectionName
from service.web.schemas.jobs import Job
from service.web.schemas.quality import JudgeQuality, Quality, QualityLabel, QualityVersion

router = APIRouter(
    prefix="/v1/collections/{collection}/quality",
    tags=["code spaces"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "", summary="Judge a code space", status_code=202, response_model=Job, responses=problem_responses(400, 409)
)
@idempotent
@needs("admin")
async def judge_quality(
    request: Request,
    collection: CollectionName,
    body: Annotated[JudgeQuality | None, Body()] = None,
) -> Response:
    """Has the trainer judge a code space on a sample of the collection's documents. `GET /v1/jobs/{id}` shows the
    progress, `GET .../quality` the report."""
    asked = body or JudgeQuality()
    respond = partial(accepted, request)
    conclude = concluded_with(request, respond)
    return respond(await services_of(request).quality.start(collection, asked.version, asked.label, conclude))


@router.get("", summary="Get the quality of a code space")
@needs("read")
async def get_quality(
    request: Request, collection: CollectionName, version: QualityVersion = None, label: QualityLabel = None
) -> Quality:
    """The last report on a code space by that label; not found if it was never judged so. It starts no work."""
    space, judgment = await services_of(request).quality.last(collection, version, label)
    return Quality(version=space.version, label=judgment.label, created_at=judgment.created_at, report=judgment.report)
