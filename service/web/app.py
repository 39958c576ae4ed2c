"""The apps of the API process and of the encoder process."""

from __future__ import annotations

import asyncio
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
from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from service import tracing
from service.access.access import Access
from service.config import Settings
from service.encoding.batcher import Batcher
from service.errors import DatabaseUnavailable
from service.index.engines import answer_meanwhile
from service.logs import configure_logging
from service.services import EncoderServices, Services
from service.threads import run_in_thread
from service.web.auth import caller_of, is_open, needs
from service.web.cors import EXPOSED_HEADERS
from service.web.guarded_route import SECURITY_SCHEME, security
from service.web.http_protocol import LOAD, ORIGINS, STOP_STREAMS
from service.web.metrics import RequestMetrics, metrics_folder
from service.web.middleware import RequestMiddleware
from service.web.problems import install_problems, problem_responses
from service.web.routes import (
    bits,
    codes_described,
    collections,
    compare,
    document_changes,
    documents,
    duplicates,
    export,
    health,
    imports,
    job_lists,
    jobs,
    keys,
    maps,
    page,
    pairs,
    quality,
    queries,
    search,
    similar,
    spaces,
    vectors,
)
from service.web.routes.encoder import encoder_routes
from service.web.schemas.document_changes import DeleteDocuments, DocumentPatch, DocumentPatches
from service.web.schemas.documents import Ids, NewDocuments
from service.web.schemas.duplicates import FindDuplicates
from service.web.schemas.health import Health
from service.web.schemas.maps import NumbersOrIds
from service.web.schemas.pairs import NewPairs
from service.web.schemas.problem import Problem
from service.web.schemas.search import Examples, Queries
from service.web.schemas.similar import SimilarQueries
from service.web.schemas.vectors import NewVectors
from service.web.shared_gauges import Gauges, Sample, SharedGauges

log = structlog.get_logger(__name__)

_DESCRIPTION = """Stores documents, learns binary codes of them, and finds similar ones.

Errors are problem details (RFC 9457, `application/problem+json`); `type` names the kind of error."""

_MODELS = (
    *(Problem, NewDocuments, Ids, DeleteDocuments, DocumentPatch, DocumentPatches),
    *(SimilarQueries, Queries, Examples, FindDuplicates, NewVectors, NewPairs, NumbersOrIds),
)
"""Models that FastAPI does not see: that of problems, and bodies that their routes read themselves."""


_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def create_app(settings: Settings) -> FastAPI:
    """The app of an API process; it opens its services when it starts, and closes them when it stops.

    Raises, when it starts:
        DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        services = await run_in_thread(Services.open, settings)
        app.state.services = services
        access: Access = app.state.access
        await run_in_thread(access.start, services.database)
        services.start()
        shared = asyncio.create_task(gauges.keep_written())
        if access.keyring.is_open:
            log.warning("there is no key: requests from this machine only are served, and may do everything")
        try:
            yield {LOAD: access.load, ORIGINS: settings.origins, STOP_STREAMS: services.job_events.stop}
        finally:
            shared.cancel()
            await run_in_thread(access.stop)
            await services.close()
            del app.state.services  # FastAPI keeps apps that have stopped in its caches, but these hold hash functions
            log.info("stopped")

    gauges = SharedGauges(lambda: _gauges(app.state.services, app.state.access), metrics_folder())
    app = _app(
        settings, "nearbit", lifespan, gauges, lambda: _gauges_of_installation(app.state.services), settings.workers
    )
    routers = (
        similar.router,  # first what is asked most: each route before it is tried, too
        search.router,
        documents.router,
        document_changes.router,
        duplicates.router,
        collections.router,
        spaces.router,
        vectors.router,
        pairs.router,
        queries.router,
        quality.router,
        bits.router,
        codes_described.router,
        compare.router,
        maps.router,
        export.router,
        imports.router,
        jobs.router,
        job_lists.router,
        keys.router,
        health.router,
        page.page_routes(),
    )
    # Not `include_router`, of which FastAPI tries each route twice: once to choose the router, then in the router.
    app.router.routes[:0] = [route for router in routers for route in router.routes]
    return app


def create_encoder_app(settings: Settings) -> FastAPI:
    """The app of an encoder process: a batcher for the hash functions of the database.

    Raises:
        ConfigurationError: the device is not on this machine.
    """
    services = EncoderServices.open(settings)
    encoder = services.encoder

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.info("encoder started", device=encoder.device)
        access: Access = app.state.access
        await run_in_thread(access.start, services.database)
        try:
            yield
        finally:
            await run_in_thread(access.stop)
            await services.close()

    app = _app(settings, "nearbit encoder", lifespan, SharedGauges(lambda: _encoder_gauges(encoder), None), tuple)
    app.include_router(encoder_routes(encoder, settings.max_batch, settings.max_text_chars))
    return app


def from_environment() -> FastAPI:
    """The app of an API process that `serve` starts: settings from `NEARBIT_*`, and an end when the parent ends."""
    settings = Settings()
    configure_logging(settings)
    answer_meanwhile()
    if (parent := parent_process()) is not None:

        def follow_parent() -> None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=follow_parent, name="follow-parent", daemon=True).start()
    app = create_app(settings)
    # The libraries have half a million objects, which live as long as the process. A full garbage collection would
    # visit them all, and stop every thread for a fifth of a second.
    gc.collect()
    gc.freeze()
    # A put of a thousand documents makes some ten thousand objects, of which none is garbage that only a collection
    # finds: looking every 700 objects took a tenth of its time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    return app


def _app(
    settings: Settings,
    title: str,
    lifespan: Callable[[FastAPI], Any],
    gauges: SharedGauges,
    of_installation: Gauges,
    n_processes: int = 1,
) -> FastAPI:
    """An app with what both processes have: middleware, problems, health, metrics and offline docs."""
    app = FastAPIOffline(
        title=title,
        version=version("nearbit"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,  # a path that a client shortened must not lead to another resource
        telemetry=_telemetry(settings.root_path or ""),
    )
    metrics = RequestMetrics()
    access = app.state.access = Access(settings, n_processes)
    app.add_middleware(
        RequestMiddleware,
        metrics=metrics,
        access=access,
        settings=settings,
    )
    if settings.origins:  # outermost, as browsers send no key when they ask what they may send
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "PUT", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    install_problems(app)
    _complete_openapi(app)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problem_responses(401, 403, 429, 503)},
        openapi_extra=security("read"),
    )
    @needs("read")
    async def prometheus(request: Request) -> Response:
        """Figures for Prometheus."""
        caller_of(request).check_collection(None)  # labels name collections
        return Response(await run_in_thread(metrics.render, gauges, of_installation), media_type=CONTENT_TYPE_LATEST)

    return app


def _telemetry(root_path: str) -> TelemetryConfig:
    """Traces and metrics for OpenTelemetry if the environment names where they go to, else nothing.

    No logs: what FastAPI sends of a failed validation holds the values that callers sent.
    """
    if not tracing.is_wanted():
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

    def is_of_health(scope: Scope) -> bool:
        return is_open(str(scope.get("path")).removeprefix(root_path))

    tracing.start()
    return {"logs": False, "operation_spans": False, "auto_configure": True, "exclude": is_of_health}


def _complete_openapi(app: FastAPI) -> None:
    """Add to the OpenAPI document what FastAPI does not: the schemas of `_MODELS`, and how a key is sent."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        components = (schema := generate()).setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in _MODELS:
            model_schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            for name, part in model_schema.pop("$defs", {}).items():
                schemas.setdefault(name, part)
            schemas.setdefault(model.__name__, model_schema)
        components.setdefault("securitySchemes", {})[SECURITY_SCHEME] = {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of `POST /v1/keys`, NEARBIT_ADMIN_KEY (`admin`) or NEARBIT_READ_KEY (`read`). Where "
            "there is none at all, none is needed.",
        }
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _gauges(services: Services, access: Access) -> Iterable[Sample]:
    yield "nearbit_refused_requests", "Requests refused since the start as too many.", {}, access.load.n_refused
    for collection, replica in services.follower.overview():
        label = {"collection": collection.collection}
        yield "nearbit_collection_seq", "Latest change that the follower has seen.", label, collection.last_seq
        if replica is not None:
            yield "nearbit_replica_seq", "Latest change in the replica.", label, replica.applied_seq
            yield "nearbit_replica_codes", "Codes in the replica.", label, len(replica.table)
            yield "nearbit_replica_version", "Version of the code space that answers.", label, replica.space.version
    for name, reasons in services.drift.advised.items():
        yield "nearbit_retrain_advised", "1 if a retrain is advised, else 0.", {"collection": name}, int(bool(reasons))
    if isinstance(services.encoder, Batcher):
        yield from _encoder_gauges(services.encoder)


def _gauges_of_installation(services: Services) -> Iterable[Sample]:
    try:
        backlog = services.lookup.backlog()
    except DatabaseUnavailable:
        yield "nearbit_database_up", "Whether the database answers.", {}, 0
        return
    yield "nearbit_database_up", "Whether the database answers.", {}, 1
    for one in backlog:
        labels = {"kind": one.kind, "state": one.state}
        yield "nearbit_jobs", "Jobs that are queued or run.", labels, one.n_jobs
        yield "nearbit_job_oldest_seconds", "Seconds since the oldest of them was asked for.", labels, one.oldest_s


def _encoder_gauges(encoder: Batcher) -> Iterable[Sample]:
    stats = encoder.stats
    yield "nearbit_encoder_waiting", "Contents that wait for a code.", {}, encoder.n_waiting
    yield "nearbit_encoder_calls", "Calls of a hash function since the start.", {}, stats.n_calls
    yield "nearbit_encoder_contents", "Contents encoded since the start.", {}, stats.n_encoded
    yield "nearbit_encoder_dropped", "Requests dropped because their caller had left.", {}, stats.n_dropped
    yield "nearbit_encoder_refused", "Requests refused because the queue was full.", {}, stats.n_refused
