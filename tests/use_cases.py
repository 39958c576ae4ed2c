"""Ingest and search on one database, for moments that a request over HTTP cannot arrange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from service.config import Settings
from service.encoding.batcher import Batcher
from service.hashing.content import Contents, from_wire
from service.hashing.contributions import WordContributions
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded
from service.hashing.untrained import untrained_hash_function
from service.index.replicas import Follower
from service.ingest.collections import CollectionWriter
from service.ingest.document_changes import DocumentChanger
from service.ingest.documents import DocumentWriter
from service.ingest.spaces import SpaceWriter
from service.search.request import SearchRequest, TextOptions
from service.search.results import SearchResult
from service.search.search import Search
from service.store import codes, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.spaces import CodeSpace
from service.store.usage import UsageCounter

T = TypeVar("T")
OTHER = untrained_hash_function(32, seed=77).to_bytes()


@dataclass
class UseCases:
    """Ingest and search on one database; the follower polls only when it is told to."""

    database: Database
    follower: Follower
    documents: DocumentWriter
    changes: DocumentChanger
    spaces: SpaceWriter
    search: Search
    encoder: Interrupted
    collection: Collection

    def add(self, *texts: str, ids: list[str | None] | None = None) -> Any:
        new = [NewDocument(i, from_wire(text=t), {}) for i, t in zip(ids or [None] * len(texts), texts, strict=True)]
        return run(self.documents.add(self.collection.name, new))

    def next_space(self) -> CodeSpace:
        """A space with another hash function, ready but for the codes."""
        with self.database.write() as connection:
            spaces.put_function(connection, OTHER, digest_of(OTHER))
            space = spaces.start(connection, self.collection.id, 32, "test")
            spaces.set_digest(connection, space.id, digest_of(OTHER))
            for state in ("encoding", "evaluating", "ready"):
                space = spaces.move(connection, space.id, state)
        return space

    def swap_space(self) -> None:
        """Another hash function answers from now on, with codes of all documents."""
        space, database = self.next_space(), self.database
        with database.read() as connection:
            missing = codes.missing(connection, self.collection.id, space.id, 0, 1_000)
        encoded = run(self.encoder.encode(str(space.digest), [d.content for d in missing]))
        with database.lane(self.collection.id) as lane:
            codes.append(lane, space.id, [d.key for d in missing], encoded.codes)
        with database.lane(self.collection.id) as lane:
            spaces.promote(lane, space.id)


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

    def encode_at_once(self, digest: str, contents: Contents) -> Encoded | None:
        return None

    async def explain(
        self, digest: str, contents: Contents, bits: Sequence[int] | None = None
    ) -> list[WordContributions]:
        return await self.batcher.explain(digest, contents, bits)

    async def health(self) -> str | None:
        return await self.batcher.health()

    async def close(self) -> None:
        await self.batcher.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def by_texts(use_cases: UseCases, texts: Sequence[str], options: TextOptions) -> list[SearchResult]:
    asked = SearchRequest.of(options, collection=use_cases.collection.name, texts=texts, is_batch=True)
    return run(use_cases.search.answer(asked))


def by_document(use_cases: UseCases, id: str, options: TextOptions) -> SearchResult:
    (result,) = run(
        use_cases.search.answer(SearchRequest.of(options, collection=use_cases.collection.name, document_id=id))
    )
    return result


@pytest.fixture
def use_cases(database: Database) -> Iterator[UseCases]:
    settings = Settings(read_your_writes_s=0)

    def load(digest: str) -> bytes:
        with database.read() as connection:
            return spaces.get_function(connection, digest)

    encoder = Interrupted(Batcher(load, device="cpu"))
    follower = Follower(database, "node")
    collection, created = run(CollectionWriter(database, follower).create("texts", "text", 32))
    assert created
    yield UseCases(
        database,
        follower,
        DocumentWriter(database, encoder, follower, settings, UsageCounter()),
        DocumentChanger(database, follower),
        SpaceWriter(database, encoder, follower, settings),
        Search(database, encoder, follower, settings),
        encoder,
        collection,
    )
    run(encoder.close())
