"""`nearbit serve` and `nearbit encoder`: a socket, the processes behind it, and a stop that loses no request."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from service.config import Settings
from service.errors import ConfigurationError
from service.processes.child import JOB_RUNNER, TRAINER, ChildProcess
from service.store.database import Database
from service.store.migrations import prepare
from service.web.http_protocol import HttpProtocol

log = structlog.get_logger(__name__)

_KEEPALIVE_S = 60
"""How long idle connections stay open: longer than `EncoderClient` keeps them, so none closes during a request."""

_WORKER_READY_S = 30
"""How long a worker may take to be ready, or not answer its parent, before it is replaced: a busy machine is slow."""


def serve(settings: Settings) -> None:
    """Run the API, and trainer and job runner if the settings say so, until SIGTERM or SIGINT.

    The API processes read their settings from the environment, which must hold the same settings.

    Raises:
        ConfigurationError: the port is taken.
        DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _wait_without_spinning()
    with ExitStack() as stack:
        listener = stack.enter_context(
            listening(settings.host, settings.port) if settings.uds is None else listening_on_file(settings.uds)
        )
        _prepare_database(settings)
        if settings.workers > 1:
            metrics_folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nearbit-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder
        children = [ChildProcess("trainer", TRAINER)] if settings.trainer else []
        children += [ChildProcess("job runner", JOB_RUNNER)] if settings.job_runner else []
        for child in children:
            stack.callback(child.stop)
            child.start()
        _run(settings, "service.web.app:from_environment", listener, settings.workers)


def serve_encoder(settings: Settings, port: int) -> None:
    """Run an encoder process until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the port is taken, or the device is not on this machine.
        DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
    """
    _wait_without_spinning()
    from service.web.app import create_encoder_app

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listening(settings.host, port) as listener:
        _prepare_database(settings)
        _run(settings, create_encoder_app(settings), listener, 1)


def _wait_without_spinning() -> None:
    """Have threads of torch sleep while they wait for one another, unless the environment says how they wait.

    Spinning, they took 30 us of the 110 us of processor that a put took for each vector of 384 numbers, on two cores.
    It is read once, when torch is loaded, here or in a child.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on the address, so that a taken port is an error before anything is started.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on port {port} of {host}: {os.strerror(error.errno or 0)}; choose another with --port"
            ) from None
        listener.set_inheritable(True)
        yield listener


@contextmanager
def listening_on_file(path: Path) -> Iterator[socket.socket]:
    """A Unix socket that listens, with the rights that the umask leaves; its file is deleted at the end.

    A file that an earlier process left, to which nobody listens any more, is replaced.

    Raises:
        ConfigurationError: it cannot be listened on.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            if path.is_socket() and not _is_listened_on(path):
                path.unlink()
            listener.bind(str(path))
            listener.listen(2048)
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {path}: {os.strerror(error.errno or 0) or error}") from None
        listener.set_inheritable(True)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _prepare_database(settings: Settings) -> None:
    """Migrate a new file, refuse an old schema: once, here, instead of at the start of each worker."""
    database = Database.open(settings.database_url)
    try:
        prepare(database)
    finally:
        database.close()


def _run(settings: Settings, app: Any, listener: socket.socket, workers: int) -> None:
    """Run the servers on a socket until SIGTERM, SIGINT or SIGHUP; requests in flight are finished first.

    With several workers SIGHUP has each replaced by a new one that is ready, one after another.
    """
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http=HttpProtocol,
        workers=workers,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=_KEEPALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        timeout_worker_healthcheck=_WORKER_READY_S,
    )
    log.info("nearbit listens", url=_url(listener), workers=workers)
    with suppress(KeyboardInterrupt):
        if workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
                signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
            uvicorn.Server(config).run(sockets=[listener])


def _url(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
