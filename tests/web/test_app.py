from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import event, make_url, select, update

from service.config import Settings
from service.encoding.client import EncoderClient
from service.hashing.content import Text
from service.hashing.function import digest_of
from service.hashing.untrained import untrained_hash_function
from service.index.hamming.kernels import select as engine
from service.store import schema
from service.web.app import create_app, create_encoder_app
from tests.web.asserting import refused

DOCUMENTS = "/v1/collections/texts/documents"


@contextmanager
def running(url: str, base_url: str = "http://localhost", **settings: Any) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=url, poll_interval_s=0.05, **settings))
    with TestClient(app, base_url, raise_server_exceptions=False) as client:
        yield client


def until(client: TestClient, path: str, status: int, timeout_s: float = 10) -> dict[str, Any]:
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


def test_it_is_healthy_at_once_and_ready_when_its_replicas_have_caught_up(url: str) -> None:
    with running(url) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        put(client, "one", "two")
        assert until(client, "/readyz", 200) == {
            "status": "ready",
            "checks": {"database": "ok", "replicas": "ok", "hash functions": "ok"},
        }
    with running(url) as client:  # what was stored is there again
        until(client, "/readyz", 200)
        assert len(client.get("/v1/collections/texts/similar", params={"q": "one"}).json()["matches"]) == 2


def test_a_probe_loads_no_hash_function_and_unloads_none(sqlite_url: str) -> None:
    widths = (16, 32, 64, 128)
    with running(sqlite_url, encoder_cache=2) as client:
        for n_bits in widths:
            client.put(f"/v1/collections/c{n_bits}", json={"n_bits": n_bits})
        for n_bits in widths:
            client.get(f"/v1/collections/c{n_bits}/similar", params={"q": "one"})
        encoder = client.app.state.services.encoder  # type: ignore[attr-defined]
        kept, n_calls = list(encoder._functions), encoder.stats.n_calls
        for _ in range(3):
            until(client, "/readyz", 200)
        assert (list(encoder._functions), encoder.stats.n_calls) == (kept, n_calls)


def test_what_is_amiss_with_one_collection_is_told_and_the_process_stays_ready(url: str) -> None:
    with running(url) as client:
        put(client, "one", "two")
        client.put("/v1/collections/damaged", json={"n_bits": 32})
        client.put("/v1/collections/unreadable", json={"n_bits": 64})
        client.post("/v1/collections/unreadable/documents", json={"documents": [{"text": "one"}]})
        with client.app.state.services.database.write() as connection:  # type: ignore[attr-defined]
            functions, codes = schema.hash_functions, schema.codes

            def of(column: Any, name: str) -> Any:
                joined = schema.code_spaces.join(schema.collections)
                return select(column).select_from(joined).where(schema.collections.c.name == name).scalar_subquery()

            digest, space_id = of(schema.code_spaces.c.digest, "damaged"), of(schema.code_spaces.c.id, "unreadable")
            connection.execute(update(functions).where(functions.c.digest == digest).values(content=b"damaged"))
            connection.execute(update(codes).where(codes.c.space_id == space_id).values(code=b"123"))
    with running(url) as client:
        answer = until(client, "/readyz", 200)
        assert answer["status"] == "ready"
        assert set(answer["collections"]) == {"damaged", "unreadable"}
        assert "do not match its digest" in answer["collections"]["damaged"]
        states = {
            name: client.get(f"/v1/collections/{name}").json()["replica"] for name in ("texts", *answer["collections"])
        }
        assert {name: state["state"] for name, state in states.items()} == {
            "texts": "following",
            "damaged": "following",
            "unreadable": "failed",
        }
        assert {name: state["error"] for name, state in states.items() if state["error"]} == answer["collections"]
        assert states["texts"] == {"state": "following", "seq": 2, "error": None}
        found = client.get("/v1/collections/texts/similar", params={"q": "one"}).json()
        assert (found["work"]["source"], len(found["matches"])) == ("memory", 2)


def test_a_process_without_compiled_loops_says_so_and_is_ready(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine.fallbacks, 64, "numba cannot be loaded")
    with running(sqlite_url) as client:
        assert until(client, "/readyz", 200)["notes"] == {"kernel": "numpy, many times slower: numba cannot be loaded"}


def test_a_collection_that_nobody_asked_for_leaves_memory_and_comes_back(url: str) -> None:
    similar = "/v1/collections/texts/similar"

    def until_answered_from(source: str) -> None:
        deadline = time.monotonic() + 10
        while (found := client.get(similar, params={"q": "one"}).json())["work"]["source"] != source:
            assert len(found["matches"]) == 2
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with running(url, unload_after_s=0.5, unload_from_bytes=0) as client:
        put(client, "one", "two")
        until_answered_from("memory")
        deadline = time.monotonic() + 10
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


def test_requests_carry_an_id_that_the_caller_may_choose(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        chosen = client.get("/healthz", headers={"X-Request-ID": "a-b_c.9"})
        assert chosen.headers["x-request-id"] == "a-b_c.9"
        made = [client.get("/v1/none", headers={"X-Request-ID": bad}) for bad in ("", "a b", "x" * 65, "é".encode())]
        ids = {response.headers["x-request-id"] for response in made}
        assert len(ids) == 4
        assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
        assert refused(made[0], 404, None)["request_id"] == made[0].headers["x-request-id"]


def test_unknown_routes_and_methods_are_said(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        assert refused(client.get("/v2"), 404, None)["detail"] == "no route /v2"
        response = client.patch("/v1/collections")
        refused(response, 405, None)
        assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1", ""])
def test_without_a_key_only_names_of_this_machine_are_answered(sqlite_url: str, name: str) -> None:
    with running(sqlite_url) as client:
        refused(client.get("/v1/collections", headers={"Host": name}), 421, None)
        for here in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert client.get("/v1/collections", headers={"Host": here}).status_code == 200


def test_without_a_key_pages_of_the_web_are_refused(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        for origin in ("https://evil.example", "null"):
            refused(client.post("/v1/collections/texts/rollback", headers={"Origin": origin}), 403, None)
        assert client.get("/v1/collections", headers={"Origin": "http://localhost:3000"}).status_code == 200


def test_with_a_key_any_name_is_answered(sqlite_url: str) -> None:
    with running(sqlite_url, "http://nearbit.example", admin_key="secret", host="0.0.0.0") as client:
        assert client.get("/v1/collections", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_requests_are_counted_by_route_and_not_by_path(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        put(client, "one")
        for i in range(3):
            client.get(f"{DOCUMENTS}/none{i}")
        until(client, "/readyz", 200)
        figures = client.get("/metrics").text
    route = 'route="/v1/collections/{collection}/documents/{id:path}"'
    assert f'nearbit_http_requests_total{{method="GET",{route},status="404"}} 3.0' in figures
    assert f'nearbit_http_request_seconds_count{{method="GET",{route}}} 3.0' in figures
    assert re.search(r'^nearbit_replica_codes{collection="texts",pid="\d+"} 1.0$', figures, re.MULTILINE)
    assert "none0" not in figures


def test_the_documentation_needs_nothing_from_elsewhere(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        page = client.get("/docs").text
        sources = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert sources
        for source in sources:
            assert client.get(source).status_code == 200, source
        assert "://" not in "".join(sources)


def test_a_full_disk_is_said_and_nothing_is_kept(sqlite_url: str) -> None:
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


def test_a_database_that_goes_away_is_said_and_found_again_when_it_is_back(postgres: Any, postgres_url: str) -> None:
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


def test_an_error_that_nobody_foresaw_is_a_problem_without_its_inside(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(sqlite_url) as client:

        def broken(*_: object) -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(client.app.state.services.search, "similar", broken)  # type: ignore[attr-defined]
        problem = refused(client.get("/v1/collections/texts/similar?q=a"), 500, None)
        assert "secret" not in str(problem)
        assert client.get("/healthz").status_code == 200


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


def test_an_encoder_process_gives_the_service_the_codes_it_would_have_made_itself(url: str) -> None:
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


def test_a_batch_larger_than_an_encoder_process_takes_at_once_is_encoded_all_the_same(sqlite_url: str) -> None:
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
        assert httpx2.get(f"{encoder_url}/healthz").json() == {"status": "ok"}
        assert httpx2.get(f"{encoder_url}/readyz").json() == {"status": "ready", "checks": {"encoder": "ok"}}
        figures = httpx2.get(f"{encoder_url}/metrics").text
    assert re.search(r'^nearbit_encoder_contents{pid="\d+"} 2.0$', figures, re.MULTILINE)


def test_callers_are_not_told_which_database_does_not_answer_and_the_log_is(
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
