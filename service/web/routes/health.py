"""Whether the process can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from service.errors import NearbitError
from service.index.hamming.kernels import select
from service.services import Services
from service.threads import run_in_thread
from service.web import schemas
from service.web.request_services import services_of

router = APIRouter(tags=["health"])


@router.get("/readyz", response_model=schemas.Ready, responses={503: {"model": schemas.Ready}})
async def readyz(request: Request) -> Response:
    """Whether the database answers, texts can be encoded, and the replicas have caught up.

    What is amiss with single collections is told, too, but does not make the process unready: the others, and often
    they themselves, are answered as well as by any other process.

    Where a key is configured, only a caller who sends one is told more than whether the process is ready.
    """
    ready = await _ready(services_of(request))
    if not request.state.scopes:
        ready = schemas.Ready(status=ready.status)
    return JSONResponse(ready.model_dump(exclude_none=True), 200 if ready.status == "ready" else 503)


async def _ready(services: Services) -> schemas.Ready:
    """What keeps the process from doing its work, by part, `ok` where nothing does; and what is to be known beside.

    Looking changes nothing: no hash function is loaded, and none leaves the encoder's memory.
    """
    checks = dict.fromkeys(("database", "replicas", "hash functions"), "ok")
    try:
        await run_in_thread(services.database.ping)
    except NearbitError as error:
        checks["database"] = str(error)
    if services.follower.error is not None:
        checks["replicas"] = services.follower.error
    elif behind := services.follower.behind():
        checks["replicas"] = f"not caught up: {', '.join(behind[:10])}"
    checks["hash functions"] = await services.encoder.health() or "ok"
    broken = {c.collection: state.error for c, state in services.follower.states() if state.error is not None}
    reason = next(iter(select.fallbacks.values()), None)
    return schemas.Ready(
        status="ready" if all(found == "ok" for found in checks.values()) else "not ready",
        checks=checks,
        collections=broken or None,
        notes=None if reason is None else {"kernel": f"numpy, many times slower: {reason}"},
    )
