from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import func, select

from service.config import Settings
from service.errors import InvalidContent, InvalidInput, StorageFull, Unavailable
from service.ingest import imports as receiving
from service.ingest.imports import ImportWriter
from service.processes import jobs
from service.processes.jobs import JobRunner
from service.store import deletion, imports, leases, schema
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.schema import now
from service.web.routes import imports as imports_route
from tests.conftest import new_collection
from tests.hashing.pictures import png
from tests.web.asserting import refused
from tests.web.conftest import Start

TEXTS = "/v1/collections/texts"
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def send(client: TestClient, body: bytes, collection: str = TEXTS, **headers: str) -> dict[str, Any]:
    response = client.post(f"{collection}/import", content=body, headers={**NDJSON, **headers})
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"]) == ("import", "queued")
    return job


def work(url: str, **settings: Any) -> None:
    """Run the imports that wait."""
    database = Database.open(url)
    runner = JobRunner(database, Settings(database_url=url, **settings))
    try:
        leases.work(database, 30, runner.importing(), threading.Event(), once=True)
    finally:
        runner.close()
        database.close()


def imported(client: TestClient, url: str, body: bytes, collection: str = TEXTS, **settings: Any) -> dict[str, Any]:
    job = send(client, body, collection)
    work(url, **settings)
    ended: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    return ended


def exported(client: TestClient, collection: str = TEXTS, **parameters: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.get(f"{collection}/export", params=parameters).content.splitlines()]


def errors_of(client: TestClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    response: Response = client.get(f"/v1/jobs/{job['id']}/errors")
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.content.splitlines()]


def n_rows(url: str, table: str) -> int:
    database = Database.open(url)
    with database.read() as connection:
        n = connection.scalar(select(func.count()).select_from(schema.metadata.tables[table]))
    database.close()
    return n or 0


@pytest.fixture
def texts(url: str, start: Start) -> TestClient:
    """A client of a service that cuts lines into chunks of a hundred, and a collection."""
    client = start(url, max_batch=100)
    client.put(TEXTS, json={"n_bits": 16})
    return client


def test_documents_of_an_import_are_stored_and_found(texts: TestClient, url: str) -> None:
    given = [{"id": f"d{i}", "text": f"number {i}", "metadata": {"n": i}} for i in range(250)]
    job = imported(texts, url, lines(*given))
    assert exported(texts) == given
    body = lines(*given)
    counts = {"lines": 250, "stored": 250, "created": 250, "refused": 0}
    assert job["progress"] == {"stage": "done", "done": len(body), "total": len(body), **counts}
    assert job["params"] == {"lines": 250}
    seq = texts.get(TEXTS).json()["seq"]
    found = texts.get(f"{TEXTS}/similar", params={"q": "number 7", "k": 3, "at_least_seq": seq}).json()
    assert len(found["matches"]) == 3
    assert n_rows(url, "import_chunks") == 0
    again = imported(texts, url, lines(*given))["progress"]
    assert (again["stored"], again["created"]) == (250, 0)


def test_each_line_that_is_wrong_is_refused_with_its_number_and_all_others_are_stored(
    texts: TestClient, url: str
) -> None:
    wrong = [
        (b"[1]", "must be a JSON object, got an array"),
        (b'{"id": "a", "text": "\xff"}', "must be UTF-8, got byte 0xff"),
        (b'{"id": "n", "text": "x", "metadata": {"n": NaN}}', "no number NaN"),
        (b'{"id": "t", "txt": "x"}', "txt: Extra inputs are not permitted"),
        (b'{"id": "blank", "text": "  "}', "must hold at least one character"),
        (b'{"id": "v", "vector": [1]}', "vector is not for a collection of kind text"),
        (b'{"id": "", "text": "x"}', "id: String should have at least 1 character"),
        (b'{"id": "m", "text": "x", "metadata": {"n": 9223372036854775808}}', "metadata.n must be an integer"),
        (b'{"id": "big", "text": "x", "metadata": {"n": "%s"}}' % (b"y" * 20_000), "metadata must be at most 16384"),
        (b'{"id": "nul", "text": "\\u0000 x"}', "NUL"),
        (b'{"id": "long", "text": "%s"}' % (b"z" * 100_001), "text must be at most 100000 characters"),
        (b"{" * 100_000, "must be JSON"),
    ]
    good = b'{"id": "good", "text": "one"}\r\n'
    body = b"\xef\xbb\xbf" + good + b"\n  \n".join(line for line, _ in wrong) + b'\n{"id": "last", "text": "two"}'
    job = imported(texts, url, body)
    assert [one["id"] for one in exported(texts)] == ["good", "last"]
    found = errors_of(texts, job)
    assert [one["line"] for one in found] == list(range(2, 2 + 2 * len(wrong), 2))
    for one, (line, reason) in zip(found, wrong, strict=True):
        assert reason in one["reason"], one
        assert len(one["beginning"]) <= 500
        assert line.decode("utf-8", "replace").startswith(one["beginning"])
    assert [one["id"] for one in found if one["id"]] == ["blank", "v", "nul", "long"]
    assert job["progress"]["refused"] == len(wrong)
    assert job["progress"]["lines"] == 2 * len(wrong) + 1


def test_a_line_longer_than_a_body_may_be_is_refused_and_the_others_are_stored(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, max_body_bytes=2_000, max_import_bytes=20_000)
    client.put(TEXTS)
    body = lines({"id": "a", "text": "x"}, {"id": "long", "text": "y" * 5_000}, {"id": "b", "text": "z"})
    job = imported(client, sqlite_url, body)
    assert [one["id"] for one in exported(client)] == ["a", "b"]
    (error,) = errors_of(client, job)
    assert (error["line"], error["reason"]) == (2, "must be at most 2,000 bytes")
    refused(client.post(f"{TEXTS}/import", content=b"x" * 20_001, headers=NDJSON), 413, None)
    packed = {**NDJSON, "Content-Encoding": "gzip"}
    bomb = gzip.compress(b"x" * 1_000_000)
    refused(client.post(f"{TEXTS}/import", content=bomb, headers=packed), 413, None)
    refused(client.post(f"{TEXTS}/documents/import", content=b"x" * 2_001, headers=NDJSON), 413, None)
    assert n_rows(sqlite_url, "imports") == 1


def test_a_document_that_the_encoder_refuses_is_a_refused_line(
    sqlite_url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder process may have other limits; the line before with the same id takes the place of the refused one."""
    encode = jobs._BlockingEncoder.encode

    def encode_some(encoder: Any, digest: str, contents: Any) -> Any:
        for position, content in enumerate(contents):
            if "refused" in content.text:
                raise InvalidContent("is refused", position)
        return encode(encoder, digest, contents)

    monkeypatch.setattr(jobs._BlockingEncoder, "encode", encode_some)
    client = start(sqlite_url)
    client.put(TEXTS)
    body = lines(*({"id": id, "text": text} for id, text in zip("abab", ("x", "refused", "refused", "y"), strict=True)))
    job = imported(client, sqlite_url, body)
    assert [(one["line"], one["reason"]) for one in errors_of(client, job)] == [(3, "is refused")]
    assert {one["id"]: one["text"] for one in exported(client)} == {"a": "x", "b": "y"}


@pytest.mark.long_on_postgresql
def test_of_lines_with_the_same_id_the_last_good_one_is_stored(texts: TestClient, url: str) -> None:
    body = lines({"id": "a", "text": "first"}, {"id": "a", "text": "second"}, {"id": "a", "text": " "})
    imported(texts, url, body)
    assert exported(texts) == [{"id": "a", "text": "second", "metadata": {}}]


@pytest.mark.long_on_postgresql
def test_what_is_exported_with_codes_is_imported_into_an_equal_collection(texts: TestClient, url: str) -> None:
    imported(texts, url, lines({"id": "a", "title": "t", "text": "one"}, {"id": 7, "text": "two", "metadata": None}))
    everything = {"codes": "1", "fields": "id,title,text,metadata,revision,created_at"}
    body = texts.get(f"{TEXTS}/export", params=everything).content
    assert texts.put("/v1/collections/again", json={"n_bits": 16}).status_code == 201
    imported(texts, url, gzip.decompress(gzip.compress(body)), "/v1/collections/again")
    assert exported(texts, "/v1/collections/again", codes="1") == exported(texts, codes="1")
    assert texts.put("/v1/collections/vectors", json={"kind": "embedding", "dims": 2}).status_code == 201
    vectors = lines(*({"id": str(i), "vector": [i, 1], "text": "beside"} for i in range(5)), {"vector": [1, 2, 3]})
    job = imported(texts, url, vectors, "/v1/collections/vectors")
    (error,) = errors_of(texts, job)
    assert (error["line"], error["reason"]) == (6, "vector must have 2 entries in this collection, got 3")
    assert len(exported(texts, "/v1/collections/vectors")) == 5


def test_what_expires_comes_out_with_its_moment_and_goes_in_with_it(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url)
    later = {"id": "later", "text": "x", "metadata": {}, "expires_at": "2126-12-01T00:00:00Z"}
    never = {"id": "never", "text": "y", "metadata": {}}
    past = {"id": "past", "text": "z", "expires_at": "2020-12-01T00:00:00Z"}
    for name in ("first", "second"):
        assert client.put(f"/v1/collections/{name}").status_code == 201
    imported(client, sqlite_url, lines(later, never), "/v1/collections/first")
    before = exported(client, "/v1/collections/first")
    assert before == [later, never]
    assert exported(client, "/v1/collections/first", fields="expires_at")[0] == {"expires_at": later["expires_at"]}
    imported(client, sqlite_url, lines(*before, past), "/v1/collections/second")
    assert exported(client, "/v1/collections/second") == before


@pytest.mark.long_on_postgresql
def test_pictures_and_vectors_of_two_models_come_out_as_they_went_in(client: TestClient, url: str) -> None:
    pictures = [{"id": str(i), "image": base64.b64encode(png(i)).decode(), "metadata": {}} for i in range(3)]
    vectors = [{"id": str(i), "vector": [i + 1, 1], "metadata": {"n": i}} for i in range(3)]
    kinds: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "pictures": ({"kind": "image"}, pictures),
        "vectors": ({"kind": "embedding", "dims": 2, "model": "old"}, vectors),
    }
    for name, (settings, given) in kinds.items():
        first, second = f"/v1/collections/{name}", f"/v1/collections/{name}-again"
        for there in (first, second):
            assert client.put(there, json=settings).status_code == 201
            imported(client, url, lines(*given), there)
            if name == "vectors":
                new = [{"id": str(i), "vector": [1, 0, i]} for i in range(2)]
                body = {"model": "new", "dims": 3, "vectors": new}
                assert client.post(f"{there}/vectors", json=body).status_code == 200
        before = exported(client, first)
        assert imported(client, url, lines(*before), second)["progress"]["stored"] == 3
        assert exported(client, second) == before
        if name == "pictures":
            assert before == pictures
        else:
            assert [*before[0]["vectors"]] == ["old", "new"]


@pytest.mark.long_on_postgresql
def test_a_compressed_body_is_imported_as_a_plain_one(texts: TestClient, url: str) -> None:
    body = gzip.compress(lines({"id": "a", "text": "one"}))
    send(texts, body, **{"Content-Encoding": "gzip"})
    work(url)
    assert [one["id"] for one in exported(texts)] == ["a"]


@pytest.mark.long_on_postgresql
def test_a_body_that_cannot_be_imported_at_all_is_refused_and_nothing_of_it_is_kept(
    texts: TestClient, url: str
) -> None:
    for body, said in ((b"", "at least one line"), ("\ufeff{}".encode("utf-16-le"), "must be UTF-8")):
        problem = refused(texts.post(f"{TEXTS}/import", content=body, headers=NDJSON), 422, "invalid-input")
        assert said in problem["detail"]
    other = {"Content-Type": "application/json"}
    refused(texts.post(f"{TEXTS}/import", content=b"{}", headers=other), 415, None)
    refused(texts.post("/v1/collections/none/import", content=b"{}", headers=NDJSON), 404, "not-found")
    cut = gzip.compress(lines(*({"text": f"number {i}"} for i in range(100))))[:-20]
    packed = {**NDJSON, "Content-Encoding": "gzip"}
    refused(texts.post(f"{TEXTS}/import", content=cut, headers=packed), 400, None)
    assert n_rows(url, "imports") == 0


@pytest.mark.long_on_postgresql
def test_a_second_import_into_a_collection_waits_for_its_turn(texts: TestClient, url: str) -> None:
    job = send(texts, lines({"id": "a", "text": "one"}))
    response = texts.post(f"{TEXTS}/import", content=lines({"text": "two"}), headers=NDJSON)
    assert refused(response, 409, "job-running")["job_id"] == job["id"]
    work(url)
    send(texts, lines({"id": "b", "text": "two"}))


def test_only_so_many_imports_are_received_at_once(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(sqlite_url)
    for name in ("a", "b", "c"):
        new_collection(database, name=name)
    monkeypatch.setattr(receiving, "AT_ONCE", 2)
    writer = ImportWriter(database, Settings(database_url=sqlite_url))

    async def receive_all() -> list[Any]:
        go_on = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            await go_on.wait()
            yield b"{}\n"

        started = [asyncio.create_task(writer.receive(name, pieces())) for name in ("a", "b")]
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match="2 imports are being received"):
            await writer.receive("c", pieces())
        go_on.set()
        jobs = await asyncio.gather(*started)
        return [*jobs, await writer.receive("c", pieces())]

    assert [job.collection for job in asyncio.run(receive_all())] == ["a", "b", "c"]
    database.close()


def test_refused_lines_of_the_last_imports_are_kept(
    sqlite_url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_KEPT", 2)
    client = start(sqlite_url)
    client.put(TEXTS)
    jobs = [imported(client, sqlite_url, b"[]\n") for _ in range(3)]
    assert [len(errors_of(client, job)) for job in jobs] == [0, 1, 1]


@pytest.mark.long_on_postgresql
def test_a_cancelled_import_keeps_what_it_stored_and_no_lines(texts: TestClient, url: str) -> None:
    job = send(texts, lines({"id": "a", "text": "one"}))
    assert texts.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    database = Database.open(url)
    deletion.discard_abandoned_imports(database)
    database.close()
    assert (n_rows(url, "import_chunks"), n_rows(url, "imports")) == (0, 1)
    assert exported(texts) == []


def test_lines_of_a_dropped_collection_and_of_an_upload_that_was_given_up_are_deleted(
    texts: TestClient, url: str
) -> None:
    send(texts, lines({"id": "a", "text": "one"}))
    assert texts.delete(TEXTS).status_code == 204
    database = Database.open(url)
    with database.read() as connection:
        (dropped,) = connection.scalars(select(schema.collections.c.id))
    Deletion(database, lambda progress: None).drop_collection(dropped)
    assert (n_rows(url, "import_chunks"), n_rows(url, "imports")) == (0, 0)
    assert texts.put(TEXTS).status_code == 201
    writer = ImportWriter(database, Settings(database_url=url))
    with database.write() as connection:
        (collection_id,) = connection.scalars(select(schema.collections.c.id))
        for shift_s in (-3_500, -3_700):
            id = f"given up {shift_s}"
            values = {"id": id, "collection_id": collection_id, "received_at": now(shift_s)}
            connection.execute(schema.imports.insert().values(values))
    deletion.discard_abandoned_imports(writer.database)
    with database.read() as connection:
        assert [*connection.scalars(select(schema.imports.c.id))] == ["given up -3500"]
    database.close()


@pytest.mark.long_on_postgresql
def test_a_stream_that_breaks_off_leaves_nothing(texts: TestClient, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_TOGETHER_BYTES", 10)
    database = Database.open(url)
    writer = ImportWriter(database, Settings(database_url=url, max_batch=2))

    async def pieces() -> AsyncIterator[bytes]:
        for i in range(10):
            yield lines({"id": str(i), "text": "x"})
        assert n_rows(url, "import_chunks") == 5
        raise InvalidInput("gone")

    with pytest.raises(InvalidInput, match="gone"):
        asyncio.run(writer.receive("texts", pieces()))
    assert n_rows(url, "imports") == n_rows(url, "import_chunks") == 0
    database.close()


def test_a_client_that_sends_nothing_for_too_long_is_given_up(
    lite: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports_route, "_SLOWEST_PIECE_S", 0.05)
    sent: list[Any] = []
    pieces: list[Any] = [{"type": "http.request", "body": b'{"text": "x"}\n', "more_body": True}]

    async def receive() -> Any:
        if pieces:
            return pieces.pop()
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    path = f"{TEXTS}/import"
    headers = [(b"host", b"localhost"), (b"content-type", b"application/x-ndjson"), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    lite.portal.call(lite.app, {**scope, "headers": headers}, receive, send)  # type: ignore[union-attr]
    assert sent[0]["status"] == 408
    assert "nothing of the body came" in json.loads(sent[1]["body"])["detail"]
    other = lite.post(path, content=b"{}\n", headers=NDJSON)
    assert other.status_code == 202  # nothing of it is left


@pytest.fixture
def _full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_SPARE_BYTES", 1 << 60)


@pytest.mark.usefixtures("_full_disk")
def test_nothing_is_received_when_the_disk_is_nearly_full(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url)
    client.put(TEXTS)
    response = client.post(f"{TEXTS}/import", content=lines({"text": "x"}), headers=NDJSON)
    assert "MB free" in refused(response, 503, "storage-full")["detail"]
    database = Database.open(sqlite_url)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}\n"

    with pytest.raises(StorageFull):
        asyncio.run(ImportWriter(database, Settings(database_url=sqlite_url)).receive("texts", pieces()))
    database.close()


def test_an_import_that_is_interrupted_goes_on_where_it_was_and_stores_nothing_twice(
    texts: TestClient, url: str
) -> None:
    """The worker is asked to end after its second chunk, and dies within the third: another one takes over."""
    body = lines(*({"text": f"number {i}"} for i in range(250)), [], {"text": "last"})
    job = send(texts, body)
    database = Database.open(url)
    runner = JobRunner(database, Settings(database_url=url))
    with database.write() as connection:
        claimed = leases.jobs.claim(connection, "me", 0.0, ["import"])
    assert claimed is not None
    n_reports = 0

    def report(progress: Any) -> None:
        nonlocal n_reports
        n_reports += 1
        if n_reports == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.import_lines(claimed, report)
    runner.close()
    database.close()
    assert len(exported(texts, fields="id")) == 200
    work(url)
    ended = texts.get(f"/v1/jobs/{job['id']}").json()
    assert (ended["state"], ended["attempts"]) == ("succeeded", 2)
    assert ended["progress"]["created"] == ended["progress"]["stored"] == 251
    assert len(exported(texts, fields="id")) == 251
    assert [one["line"] for one in errors_of(texts, job)] == [251]


def test_of_very_many_refused_lines_the_first_are_kept_and_all_are_counted(
    sqlite_url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MAX_ERRORS", 1_050)
    client = start(sqlite_url)
    client.put(TEXTS)
    job = imported(client, sqlite_url, b"[]\n" * 2_100)
    assert job["progress"]["refused"] == 2_100
    assert [one["line"] for one in errors_of(client, job)] == list(range(1, 1_051))


def test_what_expires_goes_out_with_its_time_and_comes_in_with_it(url: str, start: Start) -> None:
    client = start(url)
    client.put(TEXTS, json={"n_bits": 16})
    moment, past = "2200-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
    expiring = [{"id": "a", "text": "one", "expires_at": moment}, {"id": "b", "text": "two", "expires_at": past}]
    imported(client, url, lines(*expiring, {"id": "c", "text": "three"}))
    out = exported(client)
    assert [(one["id"], one.get("expires_at")) for one in out] == [("a", moment), ("c", None)]
    client.put("/v1/collections/copy", json={"n_bits": 16})
    imported(client, url, lines(*out), "/v1/collections/copy")
    assert client.get("/v1/collections/copy/documents/a").json()["expires_at"] == moment


def test_an_import_that_is_sent_again_with_its_key_is_the_same_job(url: str, start: Start) -> None:
    client = start(url)
    client.put(TEXTS, json={"n_bits": 16})
    body, headers = lines({"text": "one"}, {"text": "two"}), {"Idempotency-Key": "import"}
    jobs = [send(client, body, **headers)["id"] for _ in range(2)]
    work(url)
    assert [*jobs, send(client, body, **headers)["id"]] == [jobs[0]] * 3
    assert client.get(TEXTS).json()["n_documents"] == 2
    other = client.post(f"{TEXTS}/import", content=lines({"text": "three"}), headers={**NDJSON, **headers})
    refused(other, 422, "key-reused")
