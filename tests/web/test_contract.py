"""The service keeps to its OpenAPI document for any request (schemathesis draws them)."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx2
import numpy as np
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
from tests.examples import examples
from tests.hashing.pictures import png

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CONTRACT = schemathesis.openapi.from_dict(create_app(Settings(database_url="sqlite://")).openapi())


@schemathesis.serializer("application/x-npy")
def _file_of_numpy(ctx: Any, drawn: Any) -> bytes:
    """What was drawn, or every other time a file of three vectors."""
    if len(str(drawn)) % 2:
        return str(drawn).encode("utf-8", "replace")
    file = BytesIO()
    np.save(file, np.ones((3, 3)))
    return file.getvalue()


@schemathesis.serializer("application/x-ndjson")
def _lines(ctx: Any, drawn: Any) -> bytes:
    """What was drawn, or every other time two documents."""
    if len(str(drawn)) % 2:
        return str(drawn).encode("utf-8", "replace")
    return b'{"id": "imported", "text": "some"}\n\n{"text": 7}\n'


METADATA = (
    {},
    {"lang": "en", "year": 2020, "tags": ["a", "b"]},
    {"lang": "de", "year": "2020", "author": {"name": "Ada", "living": False}},
    {"lang": "en", "year": 2021.5, "published": "2026-11-30T14:05:00Z", "tags": []},
)
"""What the documents have in turn."""
COLLECTIONS: dict[str, tuple[dict[str, Any], Callable[[int], dict[str, Any]]]] = {
    "texts": ({}, lambda i: {"text": f"text {i}"}),
    "vectors": ({"kind": "embedding", "dims": 3}, lambda i: {"vector": [i, 3, -i], "text": f"text {i}"}),
    "pictures": ({"kind": "image"}, lambda i: {"image": base64.b64encode(png(12 * i)).decode()}),
}
"""The settings of collections, and what their documents hold."""
KNOWN: dict[str, Any] = {
    "q": "text",
    "queries": ["text", "a 7"],
    "texts": ["text", "a 7"],
    "vectors": [[1, 0.5, -2], "ADwAPAA8"],
    "images": [base64.b64encode(png(7)).decode()],
    "codes": ["0f0f"],
    "code": "00FF",
    "positive": [{"id": "1"}, {"text": "text 2"}],
    "negative": [{"id": "3"}],
    "filter": {"or": [{"lang": "en", "year": {"gte": 2020}}, {"published": {"gt": "2026-11-30"}}, {"tags": "a"}]},
    "where": ["lang:en"],
    "facets": ["lang", "year:2020..2021..", "tags:1"],
    "fields": ["id", "metadata.lang"],
    "sort": "-year",
    "group_by": "lang",
    "group_size": 2,
    "k": 5,
    "offset": 1,
    "radius": 12,
    "at_least_seq": 1,
}
"""Values of parameters that the service can answer to, with these documents."""
ASKS = {"texts": "texts", "vectors": "vectors", "pictures": "images"}
"""What asks for similar documents of a collection."""
ADMIN = {"Authorization": "Bearer the admin's"}
"""Without a key in the settings, the first key that is made would leave all other requests without one."""
ASKING = {*ASKS.values(), "codes"}
LIMITED = ("shortlist", "min_score", "cursor")
"""Parameters that go with few others."""
IN_URL = (
    KNOWN | {"filter": json.dumps(KNOWN["filter"])} | {name: ",".join(KNOWN[name]) for name in ("facets", "fields")}
)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The URL of a service on SQLite with documents in a collection of each kind."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(database_url="sqlite://", min_train_documents=10, admin_key="the admin's"))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name, (of_kind, content) in COLLECTIONS.items():
        collection = f"{url}/v1/collections/{name}"
        documents = [{"id": f"{i}", **content(i), "metadata": METADATA[i % len(METADATA)]} for i in range(20)]
        httpx2.put(collection, json={"n_bits": 16, **of_kind}, headers=ADMIN, timeout=60).raise_for_status()
        body = {"documents": documents}
        httpx2.post(f"{collection}/documents", json=body, headers=ADMIN, timeout=60).raise_for_status()
    while httpx2.get(f"{url}/readyz", timeout=60).status_code != 200:
        time.sleep(0.05)
    yield url
    server.should_exit = True
    thread.join()


def make_answerable(case: schemathesis.Case, collection: str) -> None:
    """Give what was drawn for a case values that go together: else nearly all searches would be refused."""
    for given, known in ((case.query, IN_URL), (case.body, KNOWN)):
        if isinstance(given, dict):
            given |= {name: value for name, value in known.items() if name in given}
            for name in (*LIMITED, *(("diversity", "rerank") if "sort" in given else ())):
                given.pop(name, None)
            asking = ASKING & given.keys()
            if asking and "queries" not in given:
                asks = "codes" if "codes" in asking or collection not in COLLECTIONS else ASKS[collection]
                given |= {asks: KNOWN[asks]}
                for name in asking - {asks}:
                    del given[name]
            if "q" in given:
                given.pop("code", None)


def test_every_schema_that_the_openapi_document_refers_to_is_in_it() -> None:
    document = create_app(Settings(database_url="sqlite://")).openapi()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()


def test_what_every_call_of_its_kind_may_answer_is_declared() -> None:
    document = create_app(Settings(database_url="sqlite://")).openapi()
    calls = {
        f"{method.upper()} {path}": call for path, calls in document["paths"].items() for method, call in calls.items()
    }
    with_body = {name for name, call in calls.items() if "requestBody" in call}
    with_key = {name for name, call in calls.items() if "401" in call["responses"] and name != "GET /metrics"}
    assert len(with_body) > 10
    assert {name for name in with_body if "400" not in calls[name]["responses"]} == set()
    assert {name for name in with_key if "429" not in calls[name]["responses"]} == set()


@CONTRACT.parametrize()
@settings(
    examples(25),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_is_declared_in_the_openapi_document(case: schemathesis.Case, base_url: str) -> None:
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if positive and "collection" in case.path_parameters and case.operation.method not in ("put", "delete"):
        names = [*COLLECTIONS, "texts"]  # else nearly all would ask for unknown collections
        case.path_parameters["collection"] = names[len(str((case.query, case.body))) // 2 % len(names)]
    if positive and len(str((case.query, case.body))) % 2:
        make_answerable(case, case.path_parameters.get("collection", ""))
    # 503 is what /readyz says, as declared, while the replica of a collection that was just made is loaded.
    checks = CHECKS[1:] if case.path == "/readyz" else CHECKS
    case.call_and_validate(base_url=base_url, checks=checks, headers=ADMIN, timeout=60)
