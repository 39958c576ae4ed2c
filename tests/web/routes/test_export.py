from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.requests import Request

from service.search.export import AT_ONCE, Exporter
from service.store import codes, collections, documents, spaces
from service.store.database import Database
from service.web import ndjson
from service.web.ndjson import NdjsonResponse
from tests.hashing.pictures import png
from tests.web.asserting import refused
from tests.web.conftest import Start

EXPORT = "/v1/collections/texts/export"
DOCUMENTS = "/v1/collections/texts/documents"


def lines_of(response: Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.content.splitlines()]


def test_documents_come_in_the_order_of_their_arrival_as_they_were_put(client: TestClient) -> None:
    client.put("/v1/collections/texts", json={"n_bits": 16})
    given = [
        {"id": f"d {i}", "text": f"text {i}\u2028", **({"title": f"title {i}"} if i % 2 else {}), "metadata": {"n": i}}
        for i in range(1_050)
    ]
    for start in range(0, len(given), 1_000):
        last = client.post(DOCUMENTS, json={"documents": given[start : start + 1_000]}).json()["seq"]
    response = client.get(EXPORT)
    assert lines_of(response) == given
    assert response.headers["nearbit-seq"] == str(last)


@pytest.mark.long_on_postgresql
def test_what_is_exported_of_each_kind_goes_in_again_and_comes_out_equal(client: TestClient) -> None:
    kinds: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "texts": ({}, [{"id": "a", "text": "one", "title": "t", "metadata": {"x": [1, 2.5, None]}}]),
        "pictures": ({"kind": "image"}, [{"id": "a", "image": base64.b64encode(png(7)).decode(), "metadata": {}}]),
        "vectors": (
            {"kind": "embedding", "dims": 3, "model": "old"},
            [{"id": i, "vector": [1, 2, n], "text": "beside", "metadata": {}} for n, i in enumerate("ab")],
        ),
    }
    for name, (settings, given) in kinds.items():
        there = f"/v1/collections/{name}"
        assert client.put(there, json=settings).status_code == 201
        assert client.post(f"{there}/documents", json={"documents": given}).status_code == 201
        if name == "vectors":
            more = {"model": "new", "dims": 2, "vectors": [{"id": "b", "vector": [1, 0]}]}
            assert client.post(f"{there}/vectors", json=more).status_code == 200
        exported = lines_of(client.get(f"{there}/export"))
        assert [one["id"] for one in exported] == [one["id"] for one in given]
        again = f"{there}-again"
        assert client.put(again, json=settings).status_code == 201
        if name == "vectors":
            assert exported[1]["vectors"].keys() == {"old", "new"}
            known = [{**exported[0], "id": "x"}]  # there must be the model before its vectors
            assert client.post(f"{again}/documents", json={"documents": known}).status_code == 201
            more["vectors"] = [{"id": "x", "vector": [1, 0]}]
            assert client.post(f"{again}/vectors", json=more).status_code == 200
            assert client.delete(f"{again}/documents/x").status_code == 200
        assert client.post(f"{again}/documents", json={"documents": exported}).status_code in (200, 201)
        assert lines_of(client.get(f"{again}/export")) == exported


@pytest.mark.long_on_postgresql
def test_codes_are_those_of_the_active_space(texts: TestClient, url: str) -> None:
    exported = lines_of(texts.get(EXPORT, params={"codes": "1", "fields": "id"}))
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "texts")
        space = spaces.active(connection, collection.id)
        expected = []
        for one in documents.page(connection, collection.id, 0, 100):
            code = codes.get(connection, space.id, one.key)
            assert code is not None
            expected.append({"id": one.id, "code": code.tobytes().hex()})
    database.close()
    assert exported == expected
    assert len(exported) == 12


@pytest.mark.long_on_postgresql
def test_fields_are_chosen_and_unknown_ones_are_refused(texts: TestClient) -> None:
    assert lines_of(texts.get(EXPORT, params={"fields": "id,revision"}))[0] == {"id": "d0", "revision": 1}
    problem = refused(texts.get(EXPORT, params={"fields": "id,code"}), 422, "invalid-input")
    assert problem["detail"].startswith("fields must be among created_at, expires_at, id,")
    refused(texts.get("/v1/collections/none/export"), 404, "not-found")
    refused(texts.get(EXPORT, params={"codes": "perhaps"}), 422, "invalid-input")


@pytest.mark.long_on_postgresql
def test_a_client_that_accepts_gzip_gets_it_and_a_head_gets_no_lines(texts: TestClient) -> None:
    with texts.stream("GET", EXPORT, headers={"Accept-Encoding": "br, gzip;q=0.5"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        packed = b"".join(response.iter_raw())
    with texts.stream("GET", EXPORT, headers={"Accept-Encoding": "gzip;q=0, identity"}) as response:
        assert "content-encoding" not in response.headers
        plain = b"".join(response.iter_raw())
    assert gzip.decompress(packed) == plain
    head = texts.head(EXPORT)
    assert (head.status_code, head.content, head.headers["nearbit-seq"]) == (200, b"", "12")


def test_an_export_sees_one_moment_whatever_is_written_meanwhile(texts: TestClient, url: str) -> None:
    database = Database.open(url)
    export = Exporter(database).begin("texts", with_codes=True)
    assert texts.post(DOCUMENTS, json={"documents": [{"id": "d3", "text": "other"}, {"text": "new"}]}).is_success
    assert texts.delete(f"{DOCUMENTS}/d1").is_success
    part = export.next_part()
    assert [one.document.id for one in part] == [f"d{i}" for i in range(12)]
    assert all(one.document.revision == 1 and one.code is not None for one in part)
    assert export.next_part() == []
    export.close()
    database.close()


@pytest.mark.long_on_postgresql
def test_only_so_many_exports_run_at_once_and_each_gives_its_turn_back(texts: TestClient, url: str) -> None:
    database = Database.open(url)
    exporter = Exporter(database)
    begun = [exporter.begin("texts", with_codes=False) for _ in range(AT_ONCE)]
    with pytest.raises(Exception, match="exports are under way"):
        exporter.begin("texts", with_codes=False)
    for export in begun:
        export.close()
        export.close()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(Exception, match="no collection"):
            exporter.begin("none", with_codes=False)
    exporter.begin("texts", with_codes=False).close()
    database.close()


class Reader:
    """A client of a response without end: it takes `takes` parts, then leaves, or reads no more."""

    def __init__(self, takes: int, *, leaves: bool) -> None:
        self.left, self.leaves = takes, leaves
        self.n_made, self.is_closed, self.ended = 0, threading.Event(), False

    def run(self, limit_s: float) -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}
        request = Request(scope, self.receive)
        response = NdjsonResponse(request, self.next_lines, self.is_closed.set, limit_s, {})
        asyncio.run(response(scope, self.receive, self.send))

    def next_lines(self) -> bytes:
        self.n_made += 1
        return b"{}\n"

    async def receive(self) -> dict[str, Any]:
        if self.left <= 0 and self.leaves:
            return {"type": "http.disconnect"}
        await asyncio.sleep(60)
        raise AssertionError

    async def send(self, message: Any) -> None:
        self.left -= 1
        self.ended |= message["type"] == "http.response.body" and not message["more_body"]
        if self.left <= 0 and not self.leaves:
            await asyncio.sleep(60)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "SLOWEST_READ_S", 0.05)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(("takes", "leaves", "limit_s"), [(4, True, 60.0), (4, False, 60.0), (1 << 40, False, 0.05)])
def test_a_stream_stops_when_its_client_leaves_reads_too_slowly_or_takes_too_long(
    takes: int, leaves: bool, limit_s: float
) -> None:
    reader = Reader(takes, leaves=leaves)
    reader.run(limit_s)
    assert reader.is_closed.is_set()
    assert reader.n_made >= 1
    assert not reader.ended
    if limit_s > 1:
        assert reader.n_made <= 5


def test_a_collection_without_documents_is_exported_as_no_lines(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url)
    client.put("/v1/collections/texts")
    assert lines_of(client.get(EXPORT)) == []
