from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from service.config import Settings
from service.web.app import create_app

Start = Callable[..., TestClient]


@pytest.fixture(scope="module", autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Log warnings and errors only."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)  # other rooms' tests read the warnings


def running(stack: ExitStack, url: str, headers: dict[str, str] | None = None, **settings: Any) -> TestClient:
    """A client of an app on a database; both end with the stack."""
    app = create_app(Settings(database_url=url, poll_interval_s=0.05, **settings))
    client = TestClient(app, "http://localhost", raise_server_exceptions=False, headers=headers)
    return stack.enter_context(client)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts an app on a database, with settings, and returns a client of it; all apps stop at the end of the test.

    A test must request it after the database, or the database is closed first.
    """
    with ExitStack() as stack:
        yield partial(running, stack)


@pytest.fixture
def client(url: str, start: Start) -> TestClient:
    """A client of a running app with the default settings and no collection."""
    return start(url)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same on SQLite alone, with one empty collection `texts`: for refusals, which change nothing."""
    with ExitStack() as stack:
        client = running(stack, f"sqlite:///{tmp_path_factory.mktemp('lite')}/nearbit.db")
        assert client.put("/v1/collections/texts", json={"n_bits": 32}).status_code == 201
        yield client
