"""The retrievers of LangChain and LlamaIndex; those of them that are installed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nearbit._async.client import AsyncClient
from nearbit._async.connection import AsyncConnection
from nearbit._sync.client import Client
from nearbit._sync.collection import Collection
from nearbit.answers import Match, Matches, SpaceRef
from nearbit.retrieval import Retrieval, metadata_of, score_of, text_of


def langchain(collection: Any, **options: Any) -> Any:
    pytest.importorskip("langchain_core", reason="LangChain is large: the tests do not install it")
    from nearbit.langchain import NearbitRetriever

    return NearbitRetriever(collection=collection, **options)


def llamaindex(collection: Any, **options: Any) -> Any:
    pytest.importorskip("llama_index.core", reason="LlamaIndex is large: the tests do not install it")
    from nearbit.llamaindex import NearbitRetriever

    return NearbitRetriever(collection, **options)


def refused_url() -> AsyncClient:
    return AsyncClient(AsyncConnection("http://127.0.0.1:9", None, 1, 0))


def matches(*found: Match, code: str | None = None) -> Matches:
    return Matches(matches=list(found), space=SpaceRef(version=1, digest="0"), code=code)


def test_parameters_of_a_call_go_before_those_of_the_retriever(notes: Collection) -> None:
    by_filter = Retrieval(notes, 1, "similar", {"filter": {"kind": "sport"}})
    assert [match.id for match in by_filter.find("How to bake bread")] == ["boat"]
    assert [match.id for match in by_filter.find("How to bake bread", filter={"kind": "food"})] == ["bread"]
    assert len(by_filter.find("How to bake bread", k=3, filter=None)) == 3


def test_a_collection_without_await_may_be_awaited_but_not_the_other_way_round(notes: Collection) -> None:
    assert asyncio.run(Retrieval(notes).find_async("bread"))[0].id == "bread"
    with pytest.raises(TypeError, match="is for await"):
        Retrieval(refused_url().collection("notes")).find("bread")


def test_score_and_distance_are_those_of_the_answer_and_the_title_that_of_the_metadata() -> None:
    match = Match(id="a", title="A", text="", metadata={"title": "own", "score": 9, "year": 1}, score=0.5, distance=2)
    assert text_of(match) == "A"
    assert metadata_of(match) == {"title": "own", "score": 0.5, "year": 1, "distance": 2}
    assert metadata_of(Match(id="b", title="B")) == {"title": "B"}
    assert text_of(Match(id="b")) == ""


def test_without_a_score_it_is_the_share_of_bits_that_agree() -> None:
    near, scored = Match(id="a", distance=4), Match(id="b", distance=4, score=0.1)
    assert score_of(near, matches(near, code="0" * 4)) == 0.75
    assert score_of(scored, matches(scored, code="0" * 4)) == 0.1
    assert score_of(near, matches(near)) is None


@pytest.mark.parametrize("by", ["search", "similar"])
def test_langchain_gets_documents_with_their_metadata_and_figures(notes: Collection, by: str) -> None:
    retriever = langchain(notes, k=2, by=by)
    found = retriever.invoke("How to bake bread")
    assert len(found) <= 2
    assert (found[0].id, found[0].page_content) == ("bread", "How to bake bread")
    assert found[0].metadata["kind"] == "food"
    assert found[0].metadata["distance"] == 0
    assert ("score" in found[0].metadata) == (by == "search")
    assert asyncio.run(retriever.ainvoke("How to bake bread")) == found
    (boat,) = retriever.invoke("How to sail a boat", k=1, filter={"kind": "sport"})
    assert boat.id == "boat"


@pytest.mark.parametrize("by", ["search", "similar"])
def test_llamaindex_gets_nodes_with_their_metadata_and_scores(notes: Collection, by: str) -> None:
    retriever = llamaindex(notes, k=2, by=by)
    found = retriever.retrieve("How to bake bread")
    assert len(found) <= 2
    assert (found[0].node.node_id, found[0].text, found[0].metadata["kind"]) == ("bread", "How to bake bread", "food")
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[0].score == 1.0 or by == "search"
    assert asyncio.run(retriever.aretrieve("How to bake bread")) == found
    (boat,) = llamaindex(notes, by=by, filter={"kind": "sport"}).retrieve("How to sail a boat")
    assert boat.node.node_id == "boat"


def test_a_client_with_await_serves_both_without_a_thread(client: Client, notes: Collection) -> None:
    asked: list[str] = []

    class Kept(AsyncConnection):
        async def read(self, path: str, parameters: Any = None) -> Any:
            asked.append(path)
            return client._connection.read(path, parameters)

    async def ask() -> None:
        kept = AsyncClient(Kept("http://127.0.0.1:9", None, 1, 0)).collection(notes.name)
        assert (await Retrieval(kept).find_async("bread"))[0].id == "bread"
        assert (await Retrieval(kept, by="similar").find_async("How to bake bread"))[0].id == "bread"

    asyncio.run(ask())
    assert [path.rpartition("/")[2] for path in asked] == ["search", "similar"]
