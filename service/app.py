"""The composition root: the API process and the encoder process, put together from their parts."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import parent_process
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse

from service.auth import Keys, needs
from service.config import Settings
from service.crossing import in_thread
from service.edge import Edge
from service.encoding import Encoder
from service.encoding.batcher import Batcher
from service.encoding.client import EncoderClient
from service.encoding.worker import encoder_routes
from service.errors import NearbitError
from service.guarded_route import SECURITY_SCHEME, security
from service.hashing.device import share_cores
from service.index import engine
from service.index.replica import Follower
from service.ingest import Ingest
from service.logs import configure_logging
from service.metrics import RequestMetrics, Sample
from service.problems import Problem, install_problems, problems
from service.routes import admin, collections, documents, schemas, similar
from service.routes.parts import Parts
from service.search import Search
from service.store import spaces
from service.store.database import Database
from service.store.migrations import prepare

log = structlog.get_logger(__name__)

_ABOUT = """Stores documents, learns binary codes of them, and answers what is similar to what.

Errors are problem details (RFC 9457, `application/problem+json`); `type` tells kinds apart."""


def create_app(settings: Settings) -> FastAPI:
    """The service over HTTP; its parts live as long as its lifespan.

    Raises, when it starts:
        DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = await in_thread(_open, settings)
        app.state.parts = parts
        parts.follower.start()
        if settings.admin_key is None:
            log.warning("no admin key is set: only this machine is answered, and whoever is on it may do all")
        try:
            yield
        finally:
            await in_thread(parts.follower.stop)
            await parts.encoder.close()
            parts.database.close()
            log.info("stopped")

    app = _app(settings, "nearbit", lifespan, lambda: _gauges(app.state.parts))
    for router in (similar.router, documents.router, collections.router, admin.router):
        app.include_router(router)

    @app.get(
        "/readyz",
        tags=["health"],
        response_model=schemas.Ready,
        responses={503: {"model": schemas.Ready}},
    )
    async def readyz(request: Request) -> Response:
        """Whether the database answers, texts can be encoded, and the replicas have caught up.

        What is amiss with single collections is told, too, but does not make the process unready: the others, and often
        they themselves, are answered as well as by any other process.

        Where a key is configured, only a caller who sends one is told more than whether the process is ready.
        """
        ready = await _ready(app.state.parts)
        if not request.state.scopes:
            ready = schemas.Ready(status=ready.status)
        return JSONResponse(ready.model_dump(exclude_none=True), 200 if ready.status == "ready" else 503)

    return app


def create_encoder_app(settings: Settings) -> FastAPI:
    """The encoder process over HTTP: the batcher alone, for the hash functions of the database."""
    database = Database.open(settings.database_url)
    encoder = _batcher(settings, database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.info("encoder", device=encoder.device)
        try:
            yield
        finally:
            await encoder.close()
            database.close()

    app = _app(settings, "nearbit encoder", lifespan, lambda: _encoder_gauges(encoder))
    app.include_router(encoder_routes(encoder, settings.max_batch, settings.max_text_chars))
    return app


def from_environment() -> FastAPI:
    """The app of an API process that `serve` starts: settings from `NEARBIT_*`; it ends with its parent process."""
    settings = Settings()
    configure_logging(settings)
    if (parent := parent_process()) is not None:

        def follow_parent() -> None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=follow_parent, name="follow-parent", daemon=True).start()
    app = create_app(settings)
    # Half a million objects of the libraries live as long as the process: a full collection need not visit them, which
    # holds every thread for a fifth of a second.
    gc.collect()
    gc.freeze()
    return app


def _app(
    settings: Settings,
    title: str,
    lifespan: Callable[[FastAPI], Any],
    gauges: Callable[[], Iterable[Sample]],
) -> FastAPI:
    """An app with what both processes have: the edge, the error table, health, metrics and offline docs."""
    app = FastAPIOffline(
        title=title,
        version=version("nearbit"),
        description=_ABOUT,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,  # a path that a client shortened must not become that of another thing
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    metrics = RequestMetrics()
    app.add_middleware(
        Edge,
        metrics=metrics,
        keys=Keys.of(settings),
        max_body_bytes=settings.max_body_bytes,
    )
    install_problems(app)
    _complete_openapi(app)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> schemas.Health:
        """The process answers."""
        return schemas.Health(status="ok")

    @app.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problems(401)},
        openapi_extra=security("read"),
    )
    @needs("read")
    async def prometheus() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.render(gauges), media_type=CONTENT_TYPE_LATEST)

    return app


def _complete_openapi(app: FastAPI) -> None:
    """Put what the routes refer to where they refer to it: the schema of a problem, and how a key is sent."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        components = (schema := generate()).setdefault("components", {})
        described = components.setdefault("schemas", {})
        for model in (Problem, *schemas.BODIES):
            of_model = model.model_json_schema(ref_template="#/components/schemas/{model}")
            for name, part in of_model.pop("$defs", {}).items():
                described.setdefault(name, part)
            described.setdefault(model.__name__, of_model)
        components.setdefault("securitySchemes", {})[SECURITY_SCHEME] = {
            "type": "http",
            "scheme": "bearer",
            "description": "Where keys are configured: NEARBIT_ADMIN_KEY for everything, NEARBIT_READ_KEY for `read`.",
        }
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _open(settings: Settings) -> Parts:
    database = Database.open(settings.database_url)
    try:
        prepare(database)
        encoder: Encoder = EncoderClient.of(settings) if settings.encoder_url else _batcher(settings, database)
    except NearbitError:
        database.close()
        raise
    share_cores(settings.workers)
    follower = Follower(
        database,
        node_id=f"{os.uname().nodename}-{os.getpid()}-{id(database):x}",
        poll_interval_s=settings.poll_interval_s,
        snapshots=settings.data_dir / "snapshots" / sha256(database.place.encode()).hexdigest()[:16],
        unload_after_s=settings.unload_after_s,
        unload_from_bytes=settings.unload_from_bytes,
    )
    ingest = Ingest(database, encoder, follower, settings)
    search = Search(database, encoder, follower, settings)
    return Parts(settings, database, encoder, follower, ingest, search)


def _batcher(settings: Settings, database: Database) -> Batcher:
    def load(digest: str) -> bytes:
        with database.read() as connection:
            return spaces.get_function(connection, digest)

    return Batcher(
        load,
        device=settings.device,
        max_batch=settings.encoder_batch,
        max_queue=settings.encoder_queue,
        cache=settings.encoder_cache,
    )


async def _ready(parts: Parts) -> schemas.Ready:
    """What keeps the process from doing its work, by part, `ok` where nothing does; and what is to be known beside.

    Looking changes nothing: no hash function is loaded, and none leaves the encoder's memory.
    """
    checks = dict.fromkeys(("database", "replicas", "hash functions"), "ok")
    try:
        await in_thread(parts.database.ping)
    except NearbitError as error:
        checks["database"] = str(error)
    if parts.follower.error is not None:
        checks["replicas"] = parts.follower.error
    elif behind := parts.follower.behind():
        checks["replicas"] = f"not caught up: {', '.join(behind[:10])}"
    checks["hash functions"] = await parts.encoder.health() or "ok"
    broken = {c.collection: state.error for c, state in parts.follower.states() if state.error is not None}
    reason = next(iter(engine.fallbacks.values()), None)
    return schemas.Ready(
        status="ready" if all(said == "ok" for said in checks.values()) else "not ready",
        checks=checks,
        collections=broken or None,
        notes=None if reason is None else {"kernel": f"numpy, many times slower: {reason}"},
    )


def _gauges(parts: Parts) -> Iterable[Sample]:
    for collection, replica in parts.follower.overview():
        label = {"collection": collection.collection}
        yield "nearbit_collection_seq", "Latest change that the follower has seen.", label, collection.last_seq
        if replica is not None:
            yield "nearbit_replica_seq", "Latest change in the replica.", label, replica.applied_seq
            yield "nearbit_replica_codes", "Codes in the replica.", label, len(replica.table)
            yield "nearbit_replica_version", "Code space that answers.", label, replica.space.version
    if isinstance(parts.encoder, Batcher):
        yield from _encoder_gauges(parts.encoder)


def _encoder_gauges(encoder: Batcher) -> Iterable[Sample]:
    stats = encoder.stats
    yield "nearbit_encoder_waiting", "Contents that wait for a code.", {}, encoder.n_waiting
    yield "nearbit_encoder_calls", "Calls of a hash function since the start.", {}, stats.n_calls
    yield "nearbit_encoder_contents", "Contents encoded since the start.", {}, stats.n_encoded
    yield "nearbit_encoder_dropped", "Requests dropped as their caller had left.", {}, stats.n_dropped
    yield "nearbit_encoder_refused", "Requests refused as the queue was full.", {}, stats.n_refused
