"""Whether the process can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from service.errors import NearbitError
from service.index import engines
from service.services import Services
from service.threads import run_in_thread
from service.web.auth import caller_of
from service.web.request_services import services_of
from service.web.schemas.health import Ready

router = APIRouter(tags=["health"])


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
async def readyz(request: Request) -> Response:
    """Whether the database answers, texts can be encoded, and the replicas have caught up.

    A fault of a single collection is shown too, but does not make the process unready: it serves the others, and often
    that one too, as well as any other process does.

    Where a key is needed, a caller without one for all collections sees only whether the process is ready.
    """
    ready = await _ready(services_of(request))
    if not caller_of(request).scopes or caller_of(request).collections is not None:  # it names collections
        ready = Ready(status=ready.status)
    return JSONResponse(ready.model_dump(exclude_none=True), 200 if ready.status == "ready" else 503)


async def _ready(services: Services) -> Ready:
    """The result of each check, and further notes.

    The checks change nothing: no hash function is loaded into the encoder's memory, and none leaves it.
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
    on_numpy = sorted(set(engines.reasons().values()))
    return Ready(
        status="ready" if all(result == "ok" for result in checks.values()) else "not ready",
        checks=checks,
        collections=broken or None,
        notes={"kernel": f"numpy, many times slower: {'; '.join(on_numpy)}"} if on_numpy else None,
    )
