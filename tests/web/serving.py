"""A service in this process, on a database, for tests that start and stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient

from service.config import Settings
from service.web.app import create_app

DOCUMENTS = "/v1/collections/texts/documents"


@contextmanager
def running(url: str, base_url: str = "http://localhost", **settings: Any) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=url, poll_interval_s=0.05, **settings))
    with TestClient(app, base_url, raise_server_exceptions=False) as client:
        yield client


def until(client: TestClient, path: str, status: int, timeout_s: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while (response := client.get(path)).status_code != status:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.02)
    answer: dict[str, Any] = response.json()
    return answer


def put(client: TestClient, *texts: str) -> None:
    client.put("/v1/collections/texts", json={"n_bits": 16})
    response = client.post(DOCUMENTS, json={"documents": [{"text": text} for text in texts]})
    assert response.status_code == 201, response.text
