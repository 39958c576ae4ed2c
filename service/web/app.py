"""The apps of the API process and of the encoder process."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from multiprocessing import parent_process
from typing import Any

import structlog
from fastapi import FastAPI, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST

from service.config import Settings
from service.encoding.batcher import Batcher
from service.logs import configure_logging
from service.services import Services, open_batcher
from service.store.database import Database
from service.threads import run_in_thread
from service.web import schemas
from service.web.auth import Keys, needs
from service.web.guarded_route import SECURITY_SCHEME, security
from service.web.metrics import RequestMetrics, Sample
from service.web.middleware import RequestMiddleware
from service.web.problems import Problem, install_problems, problems
from service.web.routes import collections, documents, health, similar, spaces
from service.web.routes.encoder import encoder_routes

log = structlog.get_logger(__name__)

_ABOUT = """Stores documents, learns binary codes of them, and answers what is similar to what.

Errors are problem details (RFC 9457, `application/problem+json`); `type` tells kinds apart."""


def create_app(settings: Settings) -> FastAPI:
    """The service over HTTP; its services live as long as its lifespan.

    Raises, when it starts:
        DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_in_thread(Services.open, settings)
        app.state.services = services
        services.start()
        if settings.admin_key is None:
            log.warning("no admin key is set: only this machine is answered, and whoever is on it may do all")
        try:
            yield
        finally:
            await services.close()
            log.info("stopped")

    app = _app(settings, "nearbit", lifespan, lambda: _gauges(app.state.services))
    for router in (similar.router, documents.router, collections.router, spaces.router, health.router):
        app.include_router(router)
    return app


def create_encoder_app(settings: Settings) -> FastAPI:
    """The encoder process over HTTP: the batcher alone, for the hash functions of the database."""
    database = Database.open(settings.database_url)
    encoder = open_batcher(settings, database)

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
        RequestMiddleware,
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


def _gauges(services: Services) -> Iterable[Sample]:
    for collection, replica in services.follower.overview():
        label = {"collection": collection.collection}
        yield "nearbit_collection_seq", "Latest change that the follower has seen.", label, collection.last_seq
        if replica is not None:
            yield "nearbit_replica_seq", "Latest change in the replica.", label, replica.applied_seq
            yield "nearbit_replica_codes", "Codes in the replica.", label, len(replica.table)
            yield "nearbit_replica_version", "Code space that answers.", label, replica.space.version
    if isinstance(services.encoder, Batcher):
        yield from _encoder_gauges(services.encoder)


def _encoder_gauges(encoder: Batcher) -> Iterable[Sample]:
    stats = encoder.stats
    yield "nearbit_encoder_waiting", "Contents that wait for a code.", {}, encoder.n_waiting
    yield "nearbit_encoder_calls", "Calls of a hash function since the start.", {}, stats.n_calls
    yield "nearbit_encoder_contents", "Contents encoded since the start.", {}, stats.n_encoded
    yield "nearbit_encoder_dropped", "Requests dropped as their caller had left.", {}, stats.n_dropped
    yield "nearbit_encoder_refused", "Requests refused as the queue was full.", {}, stats.n_refused
