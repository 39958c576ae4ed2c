"""A database file served in this process, without a socket: what `nearbit.open` of the client's distribution finds.

The same app answers as in `nearbit serve`, on an event loop in a thread of its own; so the same rules hold.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import structlog
from fastapi import FastAPI
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from service.config import Settings
from service.processes.child import JOB_RUNNER, TRAINER, ChildProcess
from service.services import Services
from service.store.database import Database
from service.store.migrations import prepare
from service.web.app import create_app
from service.web.in_process import InProcessTransport

_OF_TRAINER = frozenset({"retrain", "quality", "map"})
"""Kinds of jobs that the trainer does, and the ends of the paths that ask for them."""

_ERROR = 40


class EmbeddedSettings(Settings):
    """Settings that do not come from the environment, which is for services."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only."""
        return (init_settings,)


def open_embedded(path: str, settings: Mapping[str, Any]) -> tuple[httpx2.BaseTransport, Callable[[], None]]:
    """A transport whose calls a database file in this process answers, and what ends it.

    Blocks for a second or two. Trainer and job runner are child processes, started when a job first needs them; they
    end with this process, however it ends.

    Args:
        path: of the SQLite file; created if it is not there. Checkpoints and snapshots are kept in `PATH-data`.
        settings: of `Settings`, by their names.

    Raises:
        ValidationError: a setting is wrong.
        DatabaseUnavailable, SchemaMismatch: the file cannot be served from.
    """
    file = Path(path).absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    given = {
        "database_url": f"sqlite:///{file}",
        "data_dir": Path(f"{file}-data"),
        "log_level": "error",
        "read_your_writes_s": 10.0,  # who waits alone would take a first answer without words for all there is
        **settings,
    }
    embedded = _Embedded(EmbeddedSettings(**given), _environment(given))
    embedded.open()
    return InProcessTransport(embedded.app, embedded.loop, embedded.note_response), embedded.close


class _Embedded:
    """The app, its event loop in a thread, and the children."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.app: FastAPI = create_app(settings)
        self.loop = asyncio.new_event_loop()
        self._trainer = ChildProcess("trainer", TRAINER, environment=environment)
        self._job_runner = ChildProcess("job runner", JOB_RUNNER, environment=environment)
        self._started: set[str] = set()
        self._lock = threading.Lock()
        self._ending: asyncio.Event | None = None
        self._is_open: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="nearbit-embedded", daemon=True)

    def open(self) -> None:
        """Migrate the file, start the app, and resume the jobs that an earlier process left."""
        if not structlog.is_configured():
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_ERROR))
        try:
            with closing(Database.open(self.settings.database_url)) as database:
                prepare(database)
        except BaseException:
            self.loop.close()  # which the thread does where it has been started
            raise
        self._thread.start()
        self._is_open.result()
        services: Services = self.app.state.services
        for waiting in services.lookup.backlog():
            self._start(waiting.kind)

    def close(self) -> None:
        """Stop children and app; their work is kept. A second call does nothing."""
        with self._lock:
            children = [child for child in (self._trainer, self._job_runner) if child.name in self._started]
            self._started = {self._trainer.name, self._job_runner.name}  # none is started from now on
            ending, self._ending = self._ending, None
        for child in children:
            child.stop()
        if ending is not None:
            self.loop.call_soon_threadsafe(ending.set)
            self._thread.join()

    def note_response(self, path: str, status: int) -> None:
        """Start the child that a call needs, if the response to it says that a job was queued."""
        if status == 202:
            self._start(path.rpartition("/")[2])

    def _start(self, kind: str) -> None:
        child = self._trainer if kind in _OF_TRAINER else self._job_runner
        with self._lock:
            if child.name in self._started:
                return
            self._started.add(child.name)
        child.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        ending = self._ending = asyncio.Event()
        try:
            async with self.app.router.lifespan_context(self.app):
                self._is_open.set_result(None)
                await ending.wait()
        except Exception as error:
            if self._is_open.done():
                raise
            self._is_open.set_exception(error)


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    """The environment of the children: that of this process, with these settings and no others."""
    names = {f"NEARBIT_{name.upper()}" for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    return kept | {f"NEARBIT_{name.upper()}": str(value) for name, value in given.items() if value is not None}
