"""Find what is similar: by text, by a stored document, by code; many at a time.

One replica reference is taken per request and kept to its end, so all of an answer comes from one code space. Where the
replica has not reached the seq that a caller asks for, or is still being loaded, the hash table in SQL answers, with
the same matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.config import Settings
from service.crossing import in_thread, reading
from service.encoding import Encoder
from service.errors import InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Text, check_text
from service.index.replica import Follower, Replica
from service.index.table import Neighbors, Stats
from service.store import buckets, codes, documents, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import Document, Hit, Located
from service.store.spaces import SpaceReference

_SQL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Want:
    """What a query asks for: the `k` nearest; with `radius` only those within that many bits, at most `k` of them."""

    k: int = 10
    radius: int | None = None
    at_least_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A document and its distance in bits from the query."""

    document: Hit
    distance: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Matches in ascending (distance, key), with the space and the code that gave them and the work it took.

    `source` says who answered: the replica in memory or the hash table in SQL. `n_known` is the number of distinct
    known features of the query; None when the query was no content.
    """

    matches: list[Match]
    space: SpaceReference
    code: bytes
    stats: Stats
    source: Literal["memory", "sql"]
    n_known: int | None = None


class Search:
    """The use-cases that read."""

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def by_texts(self, collection: Collection, texts: Sequence[str], want: Want) -> list[Answer]:
        """What is similar to each of the texts.

        Raises:
            InvalidInput: k or radius out of range.
            InvalidContent: a text that cannot be hashed.
        """
        self._check(collection.n_bits, want)
        for text in texts:
            check_text(text, self.settings.max_text_chars)
        place = await self._place(collection.id, want)
        encoded = await self.encoder.encode(str(place.space.digest), [Text(text) for text in texts])
        answers = await reading(self.database, place.answer, encoded.codes, want)
        return [
            Answer(a.matches, a.space, a.code, a.stats, a.source, int(n))
            for a, n in zip(answers, encoded.n_known, strict=True)
        ]

    async def by_document(self, collection: str, id: str, want: Want) -> Answer:
        """What is similar to a stored document of the collection of that name, itself left out.

        Raises:
            InvalidInput: k or radius out of range.
            NotFound: no such collection, or no document of that id in it.
        """
        located = await reading(self.database, self._locate, collection, id)
        self._check(located.n_bits, want)
        place = await self._place(located.collection_id, want)
        code = await reading(self.database, place.code_of, located.key)
        if code is None:  # stored a moment ago, and not yet known here
            stored = await reading(self.database, self._document, located.collection_id, id)
            code = (await self.encoder.encode(str(place.space.digest), [Text(stored.text)])).codes[0]
        wider = Want(want.k + 1, want.radius, want.at_least_seq)
        (answer,) = await reading(self.database, place.answer, code[None], wider)
        others = [match for match in answer.matches if match.document.key != located.key][: want.k]
        return Answer(others, answer.space, answer.code, answer.stats, answer.source)

    def _check(self, n_bits: int, want: Want) -> None:
        if not 1 <= want.k <= self.settings.max_k:
            raise InvalidInput(f"k must be between 1 and {self.settings.max_k}, got {want.k}")
        if want.radius is not None and not 0 <= want.radius <= n_bits:
            raise InvalidInput(f"radius must be between 0 and n_bits = {n_bits}, got {want.radius}")

    def _locate(self, collection: str, id: str) -> Located:
        with self.database.read() as connection:
            return documents.locate(connection, collection, id)

    def _document(self, collection_id: int, id: str) -> Document:
        with self.database.read() as connection:
            return documents.get(connection, collection_id, id)

    async def _place(self, collection_id: int, want: Want) -> InMemory | InSql:
        """Who answers this request: the replica if it is loaded and recent enough, else SQL."""
        replica = self.follower.replica(collection_id)
        if want.at_least_seq is not None and (replica is None or replica.applied_seq < want.at_least_seq):
            timeout_s = self.settings.read_your_writes_s
            replica = await in_thread(self.follower.wait_for, collection_id, want.at_least_seq, timeout_s)
        if replica is not None:
            return InMemory(self.database, replica)
        return InSql(self.database, await reading(self.database, self._active, collection_id))

    def _active(self, collection_id: int) -> SpaceReference:
        with self.database.read() as connection:
            active = spaces.active(connection, collection_id)
        return SpaceReference(active.id, active.version, active.n_bits, active.digest)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Answers from one replica."""

    database: Database
    replica: Replica

    @property
    def space(self) -> SpaceReference:
        """The space that answers."""
        return self.replica.space

    def code_of(self, key: int) -> NDArray[np.uint8] | None:
        """The document's code in this space, if it is known here."""
        found_codes, found = self.replica.table.get(np.array([key], dtype=np.int64))
        return found_codes[0] if found[0] else None

    def answer(self, query_codes: Codes, want: Want) -> list[Answer]:
        """One answer per code of `(n, n_bytes)`."""
        table = self.replica.table

        def nearest(rows: Codes, k: int) -> list[Neighbors]:
            if want.radius is None:
                return table.search(rows, k)
            return [_first(neighbors, k) for neighbors in table.within(rows, want.radius)]

        return _answers(self.database, query_codes, want.k, nearest, self.space, "memory")


@dataclass(frozen=True, slots=True)
class InSql:
    """Answers from the hash table in SQL."""

    database: Database
    space: SpaceReference

    def code_of(self, key: int) -> NDArray[np.uint8] | None:
        """The document's code in this space, if it has one."""
        with self.database.read() as connection:
            _, found = codes.get(connection, self.space.id, [key])
        return found[0] if len(found) else None

    def answer(self, query_codes: Codes, want: Want) -> list[Answer]:
        """One answer per code of `(n, n_bytes)`."""

        def nearest(rows: Codes, k: int) -> list[Neighbors]:
            with self.database.read() as connection:
                if want.radius is None:
                    found = [buckets.search(connection, self.space.id, row, k) for row in rows]
                else:
                    found = [buckets.within(connection, self.space.id, row, want.radius) for row in rows]
            return [
                _first(Neighbors(f.keys, f.distances, Stats(f.path, f.probes, f.candidates, f.radius)), k)
                for f in found
            ]

        return _answers(self.database, query_codes, want.k, nearest, self.space, "sql")


def _first(neighbors: Neighbors, k: int) -> Neighbors:
    return Neighbors(neighbors.keys[:k], neighbors.distances[:k], neighbors.stats)


def _answers(
    database: Database,
    query_codes: Codes,
    k: int,
    nearest: Callable[[Codes, int], list[Neighbors]],
    space: SpaceReference,
    source: Literal["memory", "sql"],
) -> list[Answer]:
    """Look the nearest up and fetch their documents; where some are gone by now, ask for more in their place."""
    found = nearest(query_codes, k)
    with database.read() as connection:
        present = documents.hits(connection, _distinct(found))
    answers = []
    for code, neighbors in zip(query_codes, found, strict=True):
        asked, got, matches = k, neighbors, _matches(neighbors, present)
        while len(matches) < k and len(got.keys) == asked:
            asked += 2 * (len(got.keys) - len(matches)) + 8
            (got,) = nearest(code[None], asked)
            with database.read() as connection:
                matches = _matches(got, documents.hits(connection, got.keys.tolist()))[:k]
        answers.append(Answer(matches, space, code.tobytes(), got.stats, source))
    return answers


def _distinct(found: list[Neighbors]) -> list[int]:
    return list({key for neighbors in found for key in neighbors.keys.tolist()})


def _matches(neighbors: Neighbors, present: dict[int, Hit]) -> list[Match]:
    pairs = zip(neighbors.keys.tolist(), neighbors.distances.tolist(), strict=True)
    return [Match(present[key], distance) for key, distance in pairs if key in present]
