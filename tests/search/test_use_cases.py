"""Ingest and search together, on the moments that a request over HTTP cannot arrange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import pytest

from service.config import Settings
from service.encoding.batcher import Batcher
from service.errors import DuplicateIds, ForbiddenMove, InvalidContent, NotFound
from service.hashing.content import Contents, Text
from service.hashing.featurizers import Features
from service.hashing.function import Encoded, digest_of
from service.hashing.untrained import untrained_hash_function
from service.index.replicas import Follower
from service.ingest.documents import Ingest
from service.search.request import SearchRequest, TextOptions
from service.search.rerank import Reranker
from service.search.search import Search, SearchResult
from service.store import codes, documents, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.spaces import CodeSpace

T = TypeVar("T")
OTHER = untrained_hash_function(32, seed=77).to_bytes()


@dataclass
class House:
    """The use-cases on one database; the follower polls only when it is told to."""

    database: Database
    follower: Follower
    ingest: Ingest
    search: Search
    encoder: Interrupted
    collection: Collection

    def add(self, *texts: str, ids: list[str | None] | None = None) -> Any:
        new = [NewDocument(i, t, {}) for i, t in zip(ids or [None] * len(texts), texts, strict=True)]
        return run(self.ingest.add(self.collection, new))

    def next_space(self) -> CodeSpace:
        """A space with another hash function, ready but for the codes."""
        with self.database.write() as connection:
            spaces.put_function(connection, OTHER, digest_of(OTHER))
            space = spaces.start(connection, self.collection.id, 32, "test")
            spaces.set_digest(connection, space.id, digest_of(OTHER))
            for state in ("encoding", "evaluating", "ready"):
                space = spaces.move(connection, space.id, state)
        return space


class Interrupted:
    """An encoder that lets something happen after it has encoded, before its caller goes on."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.meanwhile: Callable[[], object] | None = None

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        encoded = await self.batcher.encode(digest, contents)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await asyncio.to_thread(meanwhile)
        return encoded

    async def health(self) -> str | None:
        return await self.batcher.health()

    async def features(self, digest: str, contents: Contents) -> Features:
        return await self.batcher.features(digest, contents)

    async def close(self) -> None:
        await self.batcher.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def by_texts(house: House, texts: Sequence[str], options: TextOptions) -> list[SearchResult]:
    asked = SearchRequest.of(options, collection=house.collection.name, texts=texts, is_batch=True)
    return run(house.search.similar(asked))


def by_document(house: House, id: str, options: TextOptions) -> SearchResult:
    (result,) = run(house.search.similar(SearchRequest.of(options, collection=house.collection.name, document_id=id)))
    return result


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    settings = Settings(read_your_writes_s=0)

    def load(digest: str) -> bytes:
        with database.read() as connection:
            return spaces.get_function(connection, digest)

    encoder = Interrupted(Batcher(load, device="cpu"))
    follower = Follower(database, "node")
    ingest = Ingest(database, encoder, follower, settings)
    collection, created = run(ingest.create_collection("texts", "text", 32))
    assert created
    yield House(database, follower, ingest, Search(database, encoder, follower, settings), encoder, collection)
    run(encoder.close())


def test_a_new_collection_answers_from_sql_before_any_replica_is_loaded(house: House) -> None:
    house.add("bread and butter", "wind and waves")
    (answer,) = by_texts(house, ["bread butter"], TextOptions(k=5))
    assert answer.source == "sql"
    assert [m.document.text for m in answer.matches] == ["bread and butter", "wind and waves"]


def test_memory_and_sql_give_the_same_matches_in_the_same_order(house: House) -> None:
    house.add(*(f"text {i} of {i % 7} and {i % 3}" for i in range(200)))
    wants = [TextOptions(k=7), TextOptions(k=500), TextOptions(k=50, radius=6), TextOptions(k=10, radius=0)]
    wants += [want.model_copy(update={"ties": "confidence"}) for want in wants]
    queries = ["text 5 of 3", "nothing alike", "text 7 of 0 and 1"]
    from_sql = [by_texts(house, queries, want) for want in wants]
    house.follower.poll()
    from_memory = [by_texts(house, queries, want) for want in wants]
    assert {a.source for answers in from_memory for a in answers} == {"memory"}
    for ours, theirs in zip(chain(*from_memory), chain(*from_sql), strict=True):
        assert [(m.distance, m.document.key) for m in ours.matches] == [
            (m.distance, m.document.key) for m in theirs.matches
        ]


@pytest.mark.parametrize("max_bytes", [0, 1 << 20])
def test_memory_and_sql_re_rank_to_the_same_matches(house: House, max_bytes: int) -> None:
    house.search.reranker = Reranker(house.encoder, max_bytes)
    ids: list[str | None] = [f"d{i}" for i in range(150)]
    house.add(*(f"text {i} of {i % 7} and {i % 3} with {i % 11}" for i in range(150)), ids=ids)
    wants = [
        TextOptions(k=7, rerank="features"),
        TextOptions(k=20, rerank="features", shortlist=20),
        TextOptions(k=50, radius=8, rerank="features"),
        TextOptions(k=5, radius=9, rerank="features", shortlist=12),
        TextOptions(k=5, rerank="features", shortlist=12, ties="confidence"),
    ]
    queries = ["text 5 of 3 with 4", "nothing alike", "text 7 of 0 and 1"]

    def ask() -> list[SearchResult]:
        answers = [by_texts(house, queries, want) for want in wants]
        return [
            *chain(*answers),
            *(by_document(house, "d77", want) for want in wants),
        ]

    from_sql = ask()
    house.follower.poll()
    from_memory = ask()
    assert ({a.source for a in from_sql}, {a.source for a in from_memory}) == ({"sql"}, {"memory"})
    for ours, theirs in zip(from_memory, from_sql, strict=True):
        assert ours.matches == theirs.matches
        assert ours.n_reranked == theirs.n_reranked
        scores = [match.score for match in ours.matches]
        assert scores == sorted(scores, reverse=True)
    assert len(house.search.reranker.cache) == (150 if max_bytes else 0)


def test_a_changed_document_is_re_ranked_by_its_new_text(house: House) -> None:
    house.add("bread and butter", "wind and waves", ids=["a", "b"])
    want = TextOptions(k=2, rerank="features")
    for text, best in (("wind", "b"), ("wind", "a")):
        house.follower.poll()
        (answer,) = by_texts(house, [text], want)
        assert answer.matches[0].document.id == best
        house.add("wind", ids=["a"])


def test_documents_that_go_while_a_shortlist_is_re_ranked_make_room_for_the_next(house: House) -> None:
    house.add(*(f"bread {'and water ' * i}" for i in range(12)), ids=[f"d{i}" for i in range(12)])
    house.follower.poll()
    want = TextOptions(k=3, rerank="features")
    (before,) = by_texts(house, ["bread"], want)
    best = [m.document.id for m in before.matches]
    encode = house.encoder.features

    async def features(digest: str, contents: Contents) -> Features:
        found = await encode(digest, contents)
        await asyncio.to_thread(lambda: run(house.ingest.delete(house.collection, best[:2])))
        return found

    house.encoder.features = features  # type: ignore[method-assign]
    (answer,) = by_texts(house, ["bread"], want)
    assert len(answer.matches) == 3
    assert answer.matches[0].document.id == best[2]
    assert not {m.document.id for m in answer.matches} & set(best[:2])


def test_a_replica_that_is_behind_fills_the_shortlist_with_documents_that_exist(house: House) -> None:
    added = house.add(*(f"bread {i}" for i in range(40)), ids=[f"d{i}" for i in range(40)])
    house.follower.poll()
    run(house.ingest.delete(house.collection, [document.id for document in added.documents[:25]]))
    (answer,) = by_texts(house, ["bread"], TextOptions(k=5, rerank="features", shortlist=15))
    assert (answer.source, answer.n_reranked, len(answer.matches)) == ("memory", 15, 5)


def test_a_write_is_read_by_its_seq_though_the_replica_is_behind(house: House) -> None:
    house.follower.poll()
    added = house.add("bread and butter")
    (stale,) = by_texts(house, ["bread"], TextOptions())
    (fresh,) = by_texts(house, ["bread"], TextOptions(at_least_seq=added.seq))
    assert (stale.source, len(stale.matches)) == ("memory", 0)
    assert (fresh.source, len(fresh.matches)) == ("sql", 1)


def test_a_document_deleted_behind_the_replica_is_replaced_by_the_next_nearest(house: House) -> None:
    house.add(*(f"bread {i}" for i in range(40)), ids=[f"d{i}" for i in range(40)])
    house.follower.poll()
    (before,) = by_texts(house, ["bread"], TextOptions(k=10))
    gone = [m.document.id for m in before.matches[:7]]
    run(house.ingest.delete(house.collection, gone))
    (after,) = by_texts(house, ["bread"], TextOptions(k=10))
    assert after.source == "memory"
    assert len(after.matches) == 10
    assert not {m.document.id for m in after.matches} & set(gone)
    assert [m.document.id for m in after.matches[:3]] == [m.document.id for m in before.matches[7:]]


def test_a_stored_document_is_not_among_those_similar_to_it(house: House) -> None:
    house.add("bread", "bread", "butter", ids=["a", "b", "c"])
    for _ in ("sql", "memory"):
        answer = by_document(house, "a", TextOptions(k=2))
        assert [m.document.id for m in answer.matches] == ["b", "c"]
        house.follower.poll()


def test_a_document_stored_a_moment_ago_can_be_asked_with(house: House) -> None:
    house.add("bread", "butter", ids=["a", "b"])
    house.follower.poll()
    house.add("bread", ids=["new"])
    answer = by_document(house, "new", TextOptions(k=1))
    assert (answer.source, answer.matches[0].document.id, answer.matches[0].distance) == ("memory", "a", 0)


def test_documents_encoded_for_a_space_that_was_replaced_meanwhile_are_encoded_again(house: House) -> None:
    space = house.next_space()

    def promote() -> None:
        with house.database.lane(house.collection.id) as lane:
            spaces.promote(lane, space.id)

    house.encoder.meanwhile = promote
    added = house.add("bread")
    assert added.space.id == space.id
    with house.database.read() as connection:
        expected = untrained_hash_function(32, seed=77).encode([Text("bread")]).codes
        stored = codes.get(connection, space.id, added.documents[0].key)
    assert (stored == expected).all()


def test_a_promote_gives_every_document_its_code_first(house: House) -> None:
    house.add("bread", "butter", "wind")
    space = house.next_space()
    late = {"texts": 2}

    def meanwhile() -> None:
        if late["texts"]:
            late["texts"] -= 1
            with house.database.lane(house.collection.id) as lane:
                documents.put(lane, [NewDocument(None, f"late {late['texts']}", {})])
            house.encoder.meanwhile = meanwhile

    house.encoder.meanwhile = meanwhile
    promoted = run(house.ingest.promote(house.collection, space))
    assert promoted.state == "active"
    with house.database.read() as connection:
        assert codes.count_missing(connection, house.collection.id, space.id) == 0
        assert codes.count(connection, space.id) == 5


def test_a_document_that_changes_while_it_is_repaired_keeps_its_new_code(house: House) -> None:
    house.add("bread", ids=["a"])
    space = house.next_space()
    house.encoder.meanwhile = lambda: house.add("wind and waves", ids=["a"])
    run(house.ingest.promote(house.collection, space))
    with house.database.read() as connection:
        document = documents.get(connection, house.collection.id, "a")
        stored = codes.get(connection, space.id, document.key)
    assert (stored == untrained_hash_function(32, seed=77).encode([Text("wind and waves")]).codes).all()


def test_a_rollback_takes_along_what_was_added_and_goes_back_and_forth(house: House) -> None:
    house.add("bread", ids=["a"])
    run(house.ingest.promote(house.collection, house.next_space()))
    house.add("butter", ids=["b"])
    back = run(house.ingest.roll_back(house.collection))
    house.follower.poll()
    (answer,) = by_texts(house, ["butter"], TextOptions())
    assert (back.version, answer.space.version, len(answer.matches)) == (1, 1, 2)
    assert run(house.ingest.roll_back(house.collection)).version == 2


def test_there_is_nothing_to_roll_back_to_in_a_new_collection(house: House) -> None:
    with pytest.raises(NotFound, match="retired code space"):
        run(house.ingest.roll_back(house.collection))


def test_a_space_in_the_making_cannot_be_promoted(house: House) -> None:
    with house.database.write() as connection:
        space = spaces.start(connection, house.collection.id, 32, "test")
    with pytest.raises(ForbiddenMove, match="code space 2 is training and cannot become active"):
        run(house.ingest.promote(house.collection, space))


def test_only_the_active_version_can_be_rolled_back(house: House) -> None:
    run(house.ingest.promote(house.collection, house.next_space()))
    with pytest.raises(ForbiddenMove, match="code space 1 is retired and cannot become retired"):
        run(house.ingest.roll_back(house.collection, version=1))
    assert run(house.ingest.roll_back(house.collection, version=2)).version == 1


@pytest.mark.parametrize(
    ("texts", "ids", "error", "message"),
    [
        (["bread", " "], None, InvalidContent, r"documents\[1\]: text must hold"),
        (["bread", "x" * 100_001], None, InvalidContent, r"documents\[1\]: text must be at most 100000"),
        (["bread", "butter"], ["a", "a"], DuplicateIds, "more than once: a"),
    ],
)
def test_of_a_batch_with_a_fault_nothing_is_kept(
    house: House, texts: list[str], ids: list[str | None] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        house.add(*texts, ids=ids)
    with house.database.read() as connection:
        assert documents.count(connection, house.collection.id) == 0
