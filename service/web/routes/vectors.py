"""Embedding models: put vectors of a further one, see how many documents have one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.ingest.vectors import GivenVector
from service.store.vectors import PutVectors as StoredVectors
from service.web.auth import needs, take_documents
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent
from service.web.problems import problem_responses
from service.web.request_json import openapi_body, read_json_body
from service.web.request_services import services_of
from service.web.response_json import json_response
from service.web.schemas.collections import CollectionName
from service.web.schemas.vectors import EmbeddingModel, EmbeddingModels, Force, ModelName, NewVectors, PutVectors

router = APIRouter(
    prefix="/v1/collections/{collection}",
    tags=["embedding models"],
    route_class=GuardedRoute,
    responses=problem_responses(401, 403, 404, 413, 414, 415, 421, 422, 429, 503),
)


@router.post(
    "/vectors",
    summary="Put vectors of an embedding model",
    response_model=PutVectors,
    responses=problem_responses(400, 409),
    openapi_extra=openapi_body(NewVectors),
)
@idempotent
@needs("write", load="put")
async def put_vectors(request: Request, collection: CollectionName) -> Response:
    """Gives documents a vector of a model beside those of other models, or in place of their vector of that model. All
    are kept or, with an error, none; ids that do not exist are no error. Sending the same again changes nothing."""
    services = services_of(request)
    body = await read_json_body(request, NewVectors, services.settings.max_batch)
    take_documents(request, len(body.vectors))
    given = [GivenVector(one.id, one.vector) for one in body.vectors]

    def respond(put: StoredVectors) -> Response:
        return json_response(PutVectors(model=body.model, changed=len(put.written), missing=put.missing, seq=put.seq))

    conclude = concluded_with(request, respond)
    return respond(await services.vectors.put(collection, body.model, body.dims, given, conclude))


@router.get("/models", summary="List embedding models")
@needs("read")
async def list_models(request: Request, collection: CollectionName) -> EmbeddingModels:
    """The models whose vectors documents have, with the share of documents that have one: how far a change of the
    model is."""
    found = await services_of(request).lookup.model_coverage(collection)
    return EmbeddingModels(
        items=[
            EmbeddingModel(
                name=one.model.name,
                dims=one.model.dims,
                documents=one.n_covered,
                share=one.share,
                active=one.is_active,
                spaces=one.versions,
                created_at=one.created_at,
            )
            for one in found
        ]
    )


@router.delete(
    "/models/{model}",
    summary="Delete an embedding model",
    status_code=204,
    responses=problem_responses(409),
)
@needs("admin")
async def delete_model(request: Request, collection: CollectionName, model: ModelName, force: Force = False) -> None:
    """Takes a model away that no code space encodes; its vectors are deleted in the background. With `force`, retired
    code spaces that encode it go with it."""
    await services_of(request).vectors.delete_model(collection, model, force=force)
