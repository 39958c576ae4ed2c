from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient

from service.access.making import make_key
from service.config import Settings
from service.encoding.client import EncoderClient
from service.errors import ConfigurationError, EncoderUnavailable
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.store import spaces
from service.store.database import Database
from service.store.keys import SCOPES, NewKey
from service.web.app import create_app, create_encoder_app
from service.web.auth import is_open
from service.web.guarded_route import GuardedRoute
from tests.web.asserting import refused
from tests.web.conftest import running

ADMIN, READER = {"Authorization": "Bearer the admin's"}, {"Authorization": "Bearer the reader's"}
KEYS = {"admin_key": "the admin's", "read_key": "the reader's", "host": "0.0.0.0"}
DOCUMENTS = "/v1/collections/texts/documents"
OF_THE_FRAMEWORK = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"}
"""Routes that come with FastAPI; they are read with any key."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client, without a key, of a service with both keys and one document in a collection."""
    with ExitStack() as stack:
        client = running(stack, f"sqlite:///{tmp_path_factory.mktemp('guarded')}/nearbit.db", **KEYS)
        assert client.put("/v1/collections/texts", headers=ADMIN).status_code == 201
        body = {"documents": [{"id": "a", "text": "a text"}]}
        assert client.post(DOCUMENTS, json=body, headers=ADMIN).status_code == 201
        yield client


def routes_of(app: FastAPI) -> list[RouteContext]:
    return list(iter_route_contexts(app.routes))


def app_of(kind: str) -> FastAPI:
    return (create_app if kind == "service" else create_encoder_app)(Settings(database_url="sqlite://", **KEYS))


@pytest.mark.parametrize("kind", ["service", "encoder"])
def test_every_route_has_a_scope(kind: str) -> None:
    routes = routes_of(app_of(kind))
    assert len(routes) > 6
    for route in routes:
        if route.path in OF_THE_FRAMEWORK | {"/metrics"} or is_open(route.path or ""):
            continue
        assert isinstance(route.original_route, GuardedRoute), route.path
        assert route.original_route.needs in SCOPES, route.path


def test_a_route_without_a_scope_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="/here must have a scope"):

        @router.get("/here")
        async def here() -> None: ...


def test_the_scope_of_a_route_follows_from_its_method_and_kind() -> None:
    found = {
        f"{method} {route.path}": route.original_route.needs
        for route in routes_of(app_of("service"))
        if isinstance(route.original_route, GuardedRoute)
        for method in route.methods or ()
    }
    one = "/v1/collections/{collection}"
    assert {name for name, needed in found.items() if needed == "write"} == {
        f"POST {one}/documents",
        f"POST {one}/documents/delete",
        f"POST {one}/documents/patch",
        f"POST {one}/import",
        f"POST {one}/vectors",
        f"PATCH {one}/documents/{{id:path}}",
        f"POST {one}/pairs",
        f"DELETE {one}/pairs",
        f"DELETE {one}/documents/{{id:path}}",
    }
    read = {name for name, needed in found.items() if needed == "read"}
    queries = {
        f"POST {one}/{name}" for name in ("similar", "search", "recommend", "documents/get", "documents/numbers")
    }
    of_people = {"GET /v1/keys", "GET /v1/audit", f"GET {one}/queries"}
    assert read == {name for name in found if name.startswith("GET ")} - of_people | queries


@pytest.mark.parametrize("kind", ["service", "encoder"])
def test_without_a_key_only_health_checks_and_the_page_are_served(kind: str, guarded: TestClient) -> None:
    app = guarded.app if kind == "service" else app_of(kind)
    for n, route in enumerate(routes_of(app)):  # type: ignore[arg-type]
        client = TestClient(  # of an address of its own, or its wrong keys would be too many
            app,  # type: ignore[arg-type]
            "http://nearbit.example",
            raise_server_exceptions=False,
            client=(f"10.0.0.{n}", 1),
        )
        if is_open(route.path or ""):
            assert client.get(route.path or "").status_code != 401
            continue
        for method in route.methods or {"GET"}:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dGhlOmFkbWlu"}):
                response = client.request(method, route.path or "", headers=headers)
                if method == "HEAD":
                    assert (response.status_code, response.content) == (401, b"")
                else:
                    refused(response, 401, "unauthorized")
                assert response.headers["www-authenticate"].startswith("Bearer")
    client = TestClient(app, "http://nearbit.example", raise_server_exceptions=False)  # type: ignore[arg-type]
    for method, path in (
        ("GET", "/none"),
        ("GET", "/v2/none"),
        ("OPTIONS", "/v1/collections"),
        ("DELETE", "/healthz/"),
    ):
        refused(client.request(method, path), 401, "unauthorized")
    refused(client.get("/static-offline-docs/swagger-ui.css"), 401, "unauthorized")


def test_a_missing_key_and_a_wrong_one_get_different_messages(guarded: TestClient) -> None:
    assert "needs a key" in refused(guarded.get(DOCUMENTS), 401, "unauthorized")["detail"]
    wrong = guarded.get(DOCUMENTS, headers={"Authorization": "Bearer wrong"})
    assert "not one of this service" in refused(wrong, 401, "unauthorized")["detail"]
    assert guarded.get(DOCUMENTS, headers={"Authorization": "bEARER   the reader's "}).status_code == 200


def test_the_key_of_a_reader_reads_and_changes_nothing(guarded: TestClient) -> None:
    similar = "/v1/collections/texts/similar"
    for response in (
        guarded.get(f"{DOCUMENTS}/a", headers=READER),
        guarded.get(similar, params={"q": "text"}, headers=READER),
        guarded.post(similar, json={"texts": ["text"]}, headers=READER),
        guarded.get("/metrics", headers=READER),
        guarded.get("/openapi.json", headers=READER),
        guarded.get("/docs", headers=READER),
    ):
        assert response.status_code == 200, response.text
    for method, path, body, needed in (
        ("POST", DOCUMENTS, {"documents": [{"id": "b", "text": "more"}]}, "write"),
        ("POST", DOCUMENTS, {"neither": "read nor checked"}, "write"),
        ("POST", "/v1/collections/texts/import", {"neither": "read nor checked"}, "write"),
        ("DELETE", f"{DOCUMENTS}/a", None, "write"),
        ("POST", f"{DOCUMENTS}/delete", {"ids": ["a"]}, "write"),
        ("PUT", "/v1/collections/more", None, "admin"),
        ("DELETE", "/v1/collections/texts", None, "admin"),
        ("POST", "/v1/collections/texts/retrain", None, "admin"),
        ("POST", "/v1/collections/texts/rollback", None, "admin"),
    ):
        problem = refused(guarded.request(method, path, json=body, headers=READER), 403, "forbidden")
        assert problem["needed"] == needed
    assert [d["id"] for d in guarded.get(DOCUMENTS, headers=READER).json()["items"]] == ["a"]


def test_only_a_caller_with_a_key_is_told_why_the_service_is_not_ready(guarded: TestClient) -> None:
    for headers, told in (({}, False), ({"Authorization": "Bearer wrong"}, False), (READER, True), (ADMIN, True)):
        answer = guarded.get("/readyz", headers=headers).json()
        assert ("checks" in answer) == told
        assert answer["status"] in ("ready", "not ready")


def test_a_call_without_a_key_is_refused_before_its_body_is_read() -> None:
    app = create_app(Settings(database_url="sqlite://", **KEYS))
    n_read = 0

    async def receive() -> dict[str, Any]:
        nonlocal n_read
        n_read += 1
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def status(headers: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers]
        scope = {"type": "http", "method": "POST", "path": DOCUMENTS, "query_string": b"", "headers": headers}
        await app({**scope, "raw_path": DOCUMENTS.encode()}, receive, send)
        found: int = sent[0]["status"]
        return found

    assert asyncio.run(status([])) == 401
    assert asyncio.run(status([(b"authorization", READER["Authorization"].encode())])) == 403
    assert n_read == 0


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"host": "0.0.0.0"}, "set NEARBIT_ADMIN_KEY"),
        ({"read_key": "r"}, "set NEARBIT_ADMIN_KEY too"),
        ({"host": "0.0.0.0", "read_key": "r"}, "set NEARBIT_ADMIN_KEY"),
        ({"admin_key": "same", "read_key": "same"}, "must differ"),
    ],
)
def test_keys_that_protect_nothing_are_refused(keys: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Settings(**keys)  # type: ignore[arg-type]


def test_a_service_sends_its_encoder_process_the_key_that_both_have(sqlite_url: str) -> None:
    content = untrained_hash_function(16).to_bytes()
    database = Database.open(sqlite_url)
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
    database.close()
    settings = Settings(database_url=sqlite_url, encoder_url="http://encoder", **KEYS)
    app = create_encoder_app(settings)

    async def n_codes(settings: Settings) -> int:
        client = EncoderClient.of(settings, httpx2.ASGITransport(app))
        try:
            return len((await client.encode(digest_of(content), [Text("one"), Text("two")])).codes)
        finally:
            await client.close()

    async def scenario() -> None:
        assert await n_codes(settings) == 2
        with pytest.raises(EncoderUnavailable, match=r"answered 401: this call needs a key"):
            await n_codes(Settings(encoder_url="http://encoder"))
        with pytest.raises(EncoderUnavailable, match=r"answered 401: the key .* is not one"):
            await n_codes(Settings(encoder_url="http://encoder", admin_key="another"))

    asyncio.run(scenario())


def test_the_encoder_process_answers_readers_too_and_keeps_the_limits(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=sqlite_url, max_batch=2, max_text_chars=5, max_body_bytes=2_000, **KEYS)
    content = untrained_hash_function(16).to_bytes()
    database = Database.open(sqlite_url)
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
    database.close()
    with TestClient(create_encoder_app(settings), raise_server_exceptions=False, headers=READER) as client:

        def ask(*texts: str) -> httpx2.Response:
            response: httpx2.Response = client.post("/v1/encode", json={"digest": digest_of(content), "texts": texts})
            return response

        assert ask("one", "two").status_code == 200
        problem = refused(ask("one", "two", "three"), 422, "invalid-input")
        assert problem["detail"] == "texts must be at most 2 per request, got 3"
        assert refused(ask("one", "number"), 422, "invalid-content")["position"] == 1
        refused(ask("x" * 2_000), 413, None)
        refused(client.get("/metrics", headers={"Authorization": ""}), 401, "unauthorized")


def test_the_encoder_process_knows_the_keys_that_were_made_and_is_sent_the_one_for_it(sqlite_url: str) -> None:
    content = untrained_hash_function(16).to_bytes()
    database = Database.open(sqlite_url)
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
    _, text = make_key(database, NewKey("api", ["read"]))
    database.close()
    app = create_encoder_app(Settings(database_url=sqlite_url))

    async def n_codes(**keys: str) -> int:
        settings = Settings(encoder_url="http://localhost", **keys)  # type: ignore[arg-type]
        client = EncoderClient.of(settings, httpx2.ASGITransport(app))
        try:
            return len((await client.encode(digest_of(content), [Text("one")])).codes)
        finally:
            await client.close()

    with TestClient(app):
        assert asyncio.run(n_codes(encoder_key=text, admin_key="another")) == 1
        with pytest.raises(EncoderUnavailable, match="answered 401"):
            asyncio.run(n_codes())
