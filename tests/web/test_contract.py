"""The service keeps to its OpenAPI document for any request (schemathesis draws them)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.config import Settings
from service.web.app import create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CONTRACT = schemathesis.openapi.from_dict(create_app(Settings(database_url="sqlite://")).openapi())


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The URL of a service on SQLite with documents in a collection."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(database_url="sqlite://", min_train_documents=10))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    documents = [{"id": f"{i}", "text": f"text {i}"} for i in range(20)]
    httpx2.put(f"{url}/v1/collections/texts", json={"n_bits": 16}).raise_for_status()
    httpx2.post(f"{url}/v1/collections/texts/documents", json={"documents": documents}).raise_for_status()
    while httpx2.get(f"{url}/readyz").status_code != 200:
        time.sleep(0.05)
    yield url
    server.should_exit = True
    thread.join()


@CONTRACT.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_is_declared_in_the_openapi_document(case: schemathesis.Case, base_url: str) -> None:
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if positive and "collection" in case.path_parameters and case.operation.method not in ("put", "delete"):
        case.path_parameters["collection"] = "texts"  # else nearly all would ask for unknown collections
    # 503 is what /readyz says, as declared, while the replica of a collection that was just made is loaded.
    checks = CHECKS[1:] if case.path == "/readyz" else CHECKS
    case.call_and_validate(base_url=base_url, checks=checks)
