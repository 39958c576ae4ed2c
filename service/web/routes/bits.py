"""Bits: what each bit of a collection's codes means."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.search.bits import SpaceBits
from service.threads import run_in_thread
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.explanations import Bits

router = APIRouter(
    prefix="/v1/collections/{collection}/bits",
    tags=["explanations"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 421, 422, 429, 503),
)


@router.get("", summary="Describe the bits", response_model=Bits)
@needs("read")
async def describe_bits(request: Request, collection: CollectionName) -> Response:
    """For each bit of the active space: the share of ones, words and documents of each side, and the bits that go with
    it. Read from a sample of the documents, which takes a second or two; then kept until a tenth of the documents have
    changed."""
    described = await services_of(request).bits.of(collection)
    return await run_in_thread(_response, described)


def _response(described: SpaceBits) -> Response:
    """A `Bits`: dataclasses are written as they are."""
    space = described.space
    return json_response(
        {
            "space": {"version": space.version, "digest": space.digest},
            "seq": described.seq,
            "documents": described.n_documents,
            "sampled": described.n_sampled,
            "bits": described.bits,
        }
    )
