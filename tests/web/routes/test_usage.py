from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.store import collections, kept_queries
from tests.web.asserting import refused

TEXTS = "/v1/collections/texts"


def test_queries_and_documents_are_counted_and_not_kept(texts: TestClient) -> None:
    assert isinstance(texts.app, FastAPI)
    counter = texts.app.state.services.search.usage

    def counted(method: str, path: str, **options: Any) -> dict[str, int]:
        counter.take()
        response = texts.request(method, f"{TEXTS}/{path}", **options)
        assert response.status_code in (200, 201), response.text
        figures = Counter[str]()
        for (_, figure, _), n in counter.take().items():
            figures[figure] += n
        return {figure: n for figure, n in figures.items() if n}

    added = counted("POST", "documents", json={"documents": [{"id": "new", "text": "a new text"}, {"text": "?!"}]})
    assert added == {"documents": 2, "unknown_documents": 1}
    seen = {"at_least_seq": texts.get(TEXTS).json()["seq"]}
    assert counted("GET", "similar", params={"q": "text", **seen}) == {"queries": 1, "nearest": 1}
    assert counted("GET", "similar", params={"q": "?!"}) == {"unknown_queries": 1}
    assert counted("GET", "similar", params={"q": "text", "filter": '{"a": {"exists": false}}'}) == {"queries": 1}
    assert counted("POST", "similar", json={"texts": ["text", "new", "?!"]}) == {
        "queries": 2,
        "nearest": 2,
        "unknown_queries": 1,
    }
    assert counted("GET", "documents/new/similar") == {}
    assert counted("GET", "search", params={"q": "new"}) == {"queries": 1}


def test_queries_are_kept_only_if_the_collection_says_so(texts: TestClient) -> None:
    assert isinstance(texts.app, FastAPI)
    watch = texts.app.state.services.drift

    def kept() -> list[str]:
        watch.look()
        with watch.database.read() as connection:
            return kept_queries.last(connection, collections.get(connection, "texts").id, 10)

    def ask(*queries: str) -> None:
        for query in queries:
            assert texts.get(f"{TEXTS}/similar", params={"q": query}).status_code == 200

    ask("before")
    assert texts.patch(TEXTS, json={"keep_queries": 2}).json()["keep_queries"] == 2
    assert kept() == []
    ask("first", "second", "third")
    assert kept() == ["third", "second"]
    queries = texts.get(f"{TEXTS}/spaces/1/preview").json()["queries"]
    assert (queries["n"], queries["overlap"]) == (2, 1.0)
    assert texts.patch(TEXTS, json={"keep_queries": 0}).json()["keep_queries"] == 0
    ask("after")
    assert kept() == []
    assert texts.get(f"{TEXTS}/spaces/1/preview").json()["queries"] is None


def test_kept_queries_are_listed_and_deleted(texts: TestClient) -> None:
    assert isinstance(texts.app, FastAPI)
    texts.patch(TEXTS, json={"keep_queries": 9})
    assert texts.get(f"{TEXTS}/queries").json() == {"items": [], "next_cursor": None}
    texts.app.state.services.drift.look()
    for query in ("first", "second", "third"):
        texts.get(f"{TEXTS}/similar", params={"q": query})
    texts.app.state.services.drift.look()
    page = texts.get(f"{TEXTS}/queries", params={"limit": 2}).json()
    assert [one["text"] for one in page["items"]] == ["third", "second"]
    assert page["items"][0]["created_at"].endswith("Z")
    rest = texts.get(f"{TEXTS}/queries", params={"cursor": page["next_cursor"]}).json()
    assert ([one["text"] for one in rest["items"]], rest["next_cursor"]) == (["first"], None)
    number = page["items"][1]["number"]
    assert texts.delete(f"{TEXTS}/queries/{number}").status_code == 204
    refused(texts.delete(f"{TEXTS}/queries/{number}"), 404, "not-found")
    refused(texts.delete(f"{TEXTS}/queries/0"), 422, "invalid-input")
    assert [one["text"] for one in texts.get(f"{TEXTS}/queries").json()["items"]] == ["third", "first"]
    assert texts.delete(f"{TEXTS}/queries").status_code == 204
    assert texts.get(f"{TEXTS}/queries").json()["items"] == []
    assert texts.get(TEXTS).json()["keep_queries"] == 9
    refused(texts.get("/v1/collections/none/queries"), 404, "not-found")
