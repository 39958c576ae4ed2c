"""The size of a query and of what it reads and returns is bounded, and a refusal names the bound."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused
from tests.web.conftest import Start

COLLECTION = "/v1/collections/texts"
LONG = "long " * 200


def filled(start: Start, url: str, n: int = 30, text: str = LONG, **settings: Any) -> TestClient:
    client = start(url, **settings)
    client.put(COLLECTION, json={"n_bits": 32})
    documents = [{"id": f"d{i}", "text": f"{text}{i}", "metadata": {"i": i}} for i in range(n)]
    assert client.post(f"{COLLECTION}/documents", json={"documents": documents}).status_code == 201
    return client


def last_seq(client: TestClient) -> int:
    seq: int = client.get(COLLECTION).json()["seq"]
    return seq


def test_texts_times_k_are_bounded_and_the_limit_is_named(sqlite_url: str, start: Start) -> None:
    client = filled(start, sqlite_url, max_matches=60)
    body = {"texts": ["a", "b", "c"], "k": 20}
    assert client.post(f"{COLLECTION}/similar", json=body).status_code == 200
    problem = refused(client.post(f"{COLLECTION}/similar", json={**body, "k": 21}), 422, "invalid-input")
    assert "at most 60 (max_matches)" in problem["detail"]
    assert "3 x 21 = 63" in problem["detail"]


def test_queries_times_k_are_bounded_and_the_limit_is_named(sqlite_url: str, start: Start) -> None:
    client = filled(start, sqlite_url, max_matches=60)
    body = {"queries": ["a", "b", "c"], "k": 20}
    assert client.post(f"{COLLECTION}/search", json=body).status_code == 200
    problem = refused(client.post(f"{COLLECTION}/search", json={**body, "k": 21}), 422, "invalid-input")
    assert "at most 60 (max_matches)" in problem["detail"]
    assert "queries times k" in problem["detail"]
    assert "3 x 21 = 63" in problem["detail"]


@pytest.mark.parametrize("rerank", [{}, {"rerank": "features"}])
def test_an_answer_of_too_many_bytes_is_refused_and_fits_without_the_texts(
    url: str, start: Start, rerank: dict[str, str]
) -> None:
    client = filled(start, url, max_read_bytes=20_000)
    asked = {"q": "long", "k": 30, "at_least_seq": last_seq(client), **rerank}
    problem = refused(client.get(f"{COLLECTION}/similar", params=asked), 422, "too-much-to-read")
    assert problem["limit"] == 20_000
    brief = client.get(f"{COLLECTION}/similar", params={**asked, "fields": "id,metadata"}).json()
    assert len(brief["matches"]) == 30
    assert set(brief["matches"][0]) - {"score"} == {"id", "distance", "metadata"}


def test_a_document_counts_as_often_as_it_is_a_match(url: str, start: Start) -> None:
    client = filled(start, url, n=3, max_read_bytes=20_000)
    body = {"texts": ["long"] * 6, "k": 3, "at_least_seq": last_seq(client)}
    assert client.post(f"{COLLECTION}/similar", json=body).status_code == 200
    body["texts"] = ["long"] * 7
    refused(client.post(f"{COLLECTION}/similar", json=body), 422, "too-much-to-read")


def test_a_page_of_long_texts_ends_early_and_the_cursor_reaches_all(
    url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.search.lookup._PAGE_CHARS", 10_000)
    client = filled(start, url)
    seen, cursor = [], None
    while True:
        page = client.get(f"{COLLECTION}/documents", params={"limit": 25, **({"cursor": cursor} if cursor else {})})
        items, cursor = page.json()["items"], page.json()["next_cursor"]
        assert 1 <= len(items) <= 11
        seen += [item["id"] for item in items]
        if cursor is None:
            break
    assert seen == [f"d{i}" for i in range(30)]


@pytest.mark.parametrize("path", ["similar?q=long", "search?q=long", "documents/d0/similar?k=3"])
def test_a_seq_that_was_never_drawn_is_refused_at_once_and_the_last_one_named(
    url: str, start: Start, path: str
) -> None:
    client = filled(start, url, read_your_writes_s=60)
    last = last_seq(client)
    problem = refused(client.get(f"{COLLECTION}/{path}&at_least_seq={2**60}"), 409, "seq-not-reached")
    assert problem["last_seq"] == last
    assert f"at most {last}" in problem["detail"]
    assert client.get(f"{COLLECTION}/{path}&at_least_seq={last}").status_code == 200


def test_a_large_body_is_read_as_a_small_one_is(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url)
    client.put(COLLECTION, json={})
    path, headers = f"{COLLECTION}/documents", {"Content-Type": "application/json"}
    document = {"id": "a", "text": "x" * 90_000, "metadata": {"list": [1, [2, {"é": None}]], "ü": "\u2028"}}
    for name, spaced in (("a", {"separators": (",", ":")}), ("b", {"indent": 2}), ("c", {"ensure_ascii": False})):
        body = json.dumps({"documents": [{**document, "id": name}]}, **spaced)  # type: ignore[arg-type]
        assert client.post(path, content=body.encode(), headers=headers).status_code == 201
        stored = client.get(f"{path}/{name}").json()
        assert (stored["text"], stored["metadata"]) == (document["text"], document["metadata"])
    long = "y" * 70_000
    for broken in (f'{{"documents": [{{"text": "{long}"}}', f'{{"documents": [{{"text": "{long}"}}]}} x', f'"{long}'):
        assert (
            "must be JSON" in refused(client.post(path, content=broken.encode(), headers=headers), 400, None)["detail"]
        )
    for other in (
        f'["{long}"]',
        f'{{"documents": "{long}"}}',
        f'{{"a": "{long}"}}',
        f'{{"documents": [{{"id": "{long}"}}]}}',
    ):
        refused(client.post(path, content=other.encode(), headers=headers), 422, "invalid-input")
    many = json.dumps({"documents": [{"text": "short"}] * 5_000})
    problem = refused(client.post(path, content=many.encode(), headers=headers), 422, "invalid-input")
    assert "documents must be at most 1000 per request" in problem["detail"]
    refused(client.post(path, content=("[" * 100_000).encode(), headers=headers), 400, None)
    refused(client.post(path, content=long.encode(), headers={"Content-Type": "text/plain"}), 415, None)
