from __future__ import annotations

import asyncio
import gc
import re
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import event, make_url

from service.config import Settings
from service.encoding.client import EncoderClient
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.web.app import create_app, create_encoder_app
from tests.web.asserting import refused
from tests.web.serving import DOCUMENTS, put, running, until


def test_a_collection_without_queries_leaves_memory_and_comes_back(url: str) -> None:
    similar = "/v1/collections/texts/similar"

    def until_answered_from(source: str) -> None:
        deadline = time.monotonic() + 120
        while (found := client.get(similar, params={"q": "one"}).json())["work"]["source"] != source:
            assert len(found["matches"]) == 2
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with running(url, unload_after_s=0.5, unload_from_bytes=0) as client:
        put(client, "one", "two")
        until_answered_from("memory")
        deadline = time.monotonic() + 120
        while client.get("/v1/collections/texts").json()["replica"]["state"] != "unloaded":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.get("/readyz").status_code == 200
        found = client.get(similar, params={"q": "one"}).json()
        assert (found["work"]["source"], len(found["matches"])) == ("sql", 2)
        until_answered_from("memory")


def test_a_new_file_is_migrated_and_a_second_start_finds_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/down/new.db"
    for _ in range(2):
        with running(url) as client:
            assert client.put("/v1/collections/texts").status_code in (200, 201)


def test_unknown_routes_and_methods_are_reported(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        assert refused(client.get("/v2"), 404, None)["detail"] == "no route /v2"
        response = client.patch("/v1/collections")
        refused(response, 405, None)
        assert response.headers["allow"] == "GET"


def test_the_documentation_needs_no_other_site(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        page = client.get("/docs").text
        sources = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert sources
        for source in sources:
            assert client.get(source).status_code == 200, source
        assert "://" not in "".join(sources)


def test_a_full_disk_is_reported_and_nothing_is_kept(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        put(client, "one")
        engine = client.app.state.services.database.engine  # type: ignore[attr-defined]
        n_pages = Path(engine.url.database).stat().st_size // 4096

        def limit(connection: Any, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {n_pages}")

        event.listen(engine, "checkout", limit)
        documents = [{"id": f"d{i}", "text": f"text {i} " + "x" * 5_000} for i in range(200)]
        response = client.post(DOCUMENTS, json={"documents": documents})
        refused(response, 503, "storage-full")
        event.remove(engine, "checkout", limit)
        assert client.get("/v1/collections/texts").json()["n_documents"] == 1


def test_a_database_that_goes_away_is_reported_and_used_again_when_it_is_back(postgres: Any, postgres_url: str) -> None:
    name = make_url(postgres_url).database
    with running(postgres_url) as client, psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        put(client, "one")
        until(client, "/readyz", 200)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for response in (
            client.get("/v1/collections"),
            client.get("/v1/collections/texts/similar", params={"q": "one"}),
            client.post(DOCUMENTS, json={"documents": [{"text": "two"}]}),
        ):
            refused(response, 503, "database-unavailable")
        assert until(client, "/readyz", 503)["checks"]["database"] != "ok"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY file_copy")
        until(client, "/readyz", 200)
        put(client, "one")


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """An app behind a real socket, served from a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_an_encoder_process_gives_the_same_codes_as_the_api_process(url: str) -> None:
    settings = Settings(database_url=url)
    text = {"q": "two", "at_least_seq": 3}
    similar = "/v1/collections/texts/similar"
    asked = [
        (similar, text),
        (similar, text | {"rerank": "features"}),
        (similar, text | {"rerank": "features", "k": 1}),
    ]
    with running(url) as alone:
        put(alone, "one two", "three", "four two")
        wanted = [alone.get(path, params=p).json() for path, p in asked]
    with listening(create_encoder_app(settings)) as encoder_url, running(url, encoder_url=encoder_url) as client:
        got = [client.get(path, params=p).json() for path, p in asked]
        put(client, "five")
        until(client, "/readyz", 200)
    assert len(got[1]["matches"]) == 3
    assert got[1]["work"]["reranked"] == 3
    for ours, theirs in zip(got, wanted, strict=True):
        assert (ours["code"], ours["matches"]) == (theirs["code"], theirs["matches"])


def test_without_its_encoder_process_the_service_says_so(sqlite_url: str) -> None:
    with running(sqlite_url, encoder_url="http://127.0.0.1:1") as client:
        client.put("/v1/collections/texts")
        refused(client.post(DOCUMENTS, json={"documents": [{"text": "one"}]}), 503, "encoder-unavailable")
        assert "does not answer" in until(client, "/readyz", 503)["checks"]["hash functions"]
        assert client.get(DOCUMENTS).json()["items"] == []


def test_a_batch_too_large_for_one_request_to_the_encoder_process_is_still_encoded(sqlite_url: str) -> None:
    encoder = create_encoder_app(Settings(database_url=sqlite_url, max_body_bytes=100_000))
    with listening(encoder) as encoder_url, running(sqlite_url, encoder_url=encoder_url) as client:
        put(client, *(f"text {i} " * 2_000 for i in range(40)))
        assert client.get("/v1/collections/texts").json()["n_documents"] == 40


def test_the_encoder_process_is_healthy_and_counts(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        put(client, "one")
    content = untrained_hash_function(16).to_bytes()
    with listening(create_encoder_app(Settings(database_url=sqlite_url))) as encoder_url:

        async def ask() -> tuple[int, ...]:
            client = EncoderClient(encoder_url)
            encoded = await client.encode(digest_of(content), [Text("one"), Text("two")])
            await client.close()
            return encoded.codes.shape

        assert asyncio.run(ask()) == (2, 2)
        assert httpx2.get(f"{encoder_url}/healthz", timeout=60).json() == {"status": "ok"}
        assert httpx2.get(f"{encoder_url}/readyz", timeout=60).json() == {
            "status": "ready",
            "checks": {"encoder": "ok"},
        }
        figures = httpx2.get(f"{encoder_url}/metrics", timeout=60).text
    assert re.search(r'^nearbit_encoder_contents{pid="\d+"} 2.0$', figures, re.MULTILINE)


def test_only_the_log_names_the_database_that_is_unavailable(
    postgres: Any, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(make_url(postgres_url).database)
    hidden = (name, "postgres", str(make_url(postgres_url).query["host"]), "FATAL")
    with psycopg.connect(postgres.get_uri(), autocommit=True) as admin, running(postgres_url) as client:
        put(client, "one")
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        response = client.get("/v1/collections/texts/documents/none")
        problem = refused(response, 503, "database-unavailable")
        assert "reason" not in problem
        until(client, "/readyz", 503)
        for answer in (response, client.get("/readyz"), client.post(DOCUMENTS, json={"documents": [{"text": "x"}]})):
            assert answer.status_code == 503
            assert not [word for word in hidden if word in answer.text]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        until(client, "/readyz", 200)
    assert f'database "{name}" is not currently accepting connections' in "".join(capsys.readouterr())


def test_an_app_that_has_stopped_holds_no_hash_functions(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url))
    with TestClient(app, "http://localhost") as client:
        client.put("/v1/collections/texts", json={"n_bits": 16})
        client.post("/v1/collections/texts/documents", json={"documents": [{"text": "text"}]}).raise_for_status()
        encoder = weakref.ref(app.state.services.encoder)
        assert encoder() is not None
    gc.collect()
    assert encoder() is None
