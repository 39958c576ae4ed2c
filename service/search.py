"""Find what is similar: by text, by a stored document, by code; many at a time.

One replica reference is taken per request and kept to its end, so all of an answer comes from one code space. Where the
replica has not reached the seq that a caller asks for, or is still being loaded, the hash table in SQL answers, with
the same matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlalchemy import Connection

from service.config import Settings
from service.crossing import in_thread, reading
from service.encoding import Encoder
from service.errors import InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Text, check_text
from service.index.answers import Neighbors, Stats
from service.index.replica import Follower, Replica
from service.store import buckets, codes, documents, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import Hit, Located
from service.store.spaces import SpaceReference

Source = Literal["memory", "sql"]


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
    source: Source
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
        await self._wait(collection.id, want)
        place: Place | None = self._in_memory(collection.id, want)
        if place is None:
            place = await reading(self.database, self._in_sql, collection.id)
        encoded = await self.encoder.encode(str(place.space.digest), [Text(text) for text in texts])
        answers = await reading(self.database, self._answer, place, encoded.codes, want)
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
        if want.at_least_seq is not None:
            await self._wait((await reading(self.database, self._locate, collection, id)).collection_id, want)
        found = await reading(self.database, self._near_document, collection, id, want)
        if isinstance(found, Answer):
            return found
        code = (await self.encoder.encode(str(found.place.space.digest), [Text(found.text)])).codes[0]
        (answer,) = await reading(self.database, self._answer, found.place, code[None], _one_more(want))
        return _without(answer, found.key, want.k)

    def _check(self, n_bits: int, want: Want) -> None:
        if not 1 <= want.k <= self.settings.max_k:
            raise InvalidInput(f"k must be between 1 and {self.settings.max_k}, got {want.k}")
        if want.radius is not None and not 0 <= want.radius <= n_bits:
            raise InvalidInput(f"radius must be between 0 and n_bits = {n_bits}, got {want.radius}")

    async def _wait(self, collection_id: int, want: Want) -> None:
        """Give the replica a moment to reach the seq that is asked for."""
        if want.at_least_seq is not None and self._in_memory(collection_id, want) is None:
            timeout_s = self.settings.read_your_writes_s
            await in_thread(self.follower.wait_for, collection_id, want.at_least_seq, timeout_s)

    def _in_memory(self, collection_id: int, want: Want) -> InMemory | None:
        """The replica, if it is loaded and recent enough."""
        replica = self.follower.replica(collection_id)
        if replica is None or (want.at_least_seq is not None and replica.applied_seq < want.at_least_seq):
            return None
        return InMemory(replica)

    def _in_sql(self, collection_id: int) -> InSql:
        with self.database.read() as connection:
            return InSql.of(connection, collection_id)

    def _locate(self, collection: str, id: str) -> Located:
        with self.database.read() as connection:
            return documents.locate(connection, collection, id)

    def _answer(self, place: Place, query_codes: Codes, want: Want) -> list[Answer]:
        with self.database.read() as connection:
            return _answers(connection, place, query_codes, want)

    def _near_document(self, collection: str, id: str, want: Want) -> Answer | _Uncoded:
        """The answer for a document, in one transaction; or what it takes to encode it."""
        with self.database.read() as connection:
            located = documents.locate(connection, collection, id)
            self._check(located.n_bits, want)
            place: Place = self._in_memory(located.collection_id, want) or InSql.of(connection, located.collection_id)
            code = codes.get(connection, place.space.id, located.key)
            if code is None:  # stored a moment ago, and not yet known here
                return _Uncoded(place, located.key, documents.get(connection, located.collection_id, id).text)
            (answer,) = _answers(connection, place, code[None], _one_more(want))
            return _without(answer, located.key, want.k)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Looks in one replica."""

    replica: Replica
    source: ClassVar[Source] = "memory"

    @property
    def space(self) -> SpaceReference:
        """The space that answers."""
        return self.replica.space

    def nearest(self, connection: Connection, query_codes: Codes, k: int, radius: int | None) -> list[Neighbors]:
        """The first `k` neighbors, within the radius if one is given, of each code of `(n, n_bytes)`."""
        if radius is None:
            return list(self.replica.table.search(query_codes, k))
        return [_first(neighbors, k) for neighbors in self.replica.table.within(query_codes, radius)]


@dataclass(frozen=True, slots=True)
class InSql:
    """Looks in the hash table in SQL."""

    space: SpaceReference
    source: ClassVar[Source] = "sql"

    @classmethod
    def of(cls, connection: Connection, collection_id: int) -> InSql:
        """The active space of a collection."""
        active = spaces.active(connection, collection_id)
        return cls(SpaceReference(active.id, active.version, active.n_bits, active.digest))

    def nearest(self, connection: Connection, query_codes: Codes, k: int, radius: int | None) -> list[Neighbors]:
        """The first `k` neighbors, within the radius if one is given, of each code of `(n, n_bytes)`."""
        if radius is None:
            found = [buckets.search(connection, self.space.id, code, k) for code in query_codes]
        else:
            found = [buckets.within(connection, self.space.id, code, radius) for code in query_codes]
        return [
            _first(Neighbors(f.keys, f.distances, Stats(f.path, f.probes, f.candidates, f.radius)), k) for f in found
        ]


Place = InMemory | InSql
"""Who answers a request, to its end: so all of an answer is of one space."""


@dataclass(frozen=True, slots=True)
class _Uncoded:
    """A document whose code the place does not know."""

    place: Place
    key: int
    text: str


def _one_more(want: Want) -> Want:
    return Want(want.k + 1, want.radius, want.at_least_seq)


def _without(answer: Answer, key: int, k: int) -> Answer:
    """The first k matches but that of the document itself."""
    others = [match for match in answer.matches if match.document.key != key][:k]
    return Answer(others, answer.space, answer.code, answer.stats, answer.source)


def _first(neighbors: Neighbors, k: int) -> Neighbors:
    return Neighbors(neighbors.keys[:k], neighbors.distances[:k], neighbors.stats)


def _answers(connection: Connection, place: Place, query_codes: Codes, want: Want) -> list[Answer]:
    """Look the nearest up and fetch their documents; where some are gone by now, ask for more in their place."""
    k = want.k
    found = place.nearest(connection, query_codes, k, want.radius)
    present = documents.hits(connection, _distinct(found))
    answers = []
    for code, neighbors in zip(query_codes, found, strict=True):
        asked, got, matches = k, neighbors, _matches(neighbors, present)
        while len(matches) < k and len(got.keys) == asked:
            asked += 2 * (len(got.keys) - len(matches)) + 8
            (got,) = place.nearest(connection, code[None], asked, want.radius)
            matches = _matches(got, documents.hits(connection, got.keys.tolist()))[:k]
        answers.append(Answer(matches, place.space, code.tobytes(), got.stats, place.source))
    return answers


def _distinct(found: list[Neighbors]) -> list[int]:
    return list({key for neighbors in found for key in neighbors.keys.tolist()})


def _matches(neighbors: Neighbors, present: dict[int, Hit]) -> list[Match]:
    pairs = zip(neighbors.keys.tolist(), neighbors.distances.tolist(), strict=True)
    return [Match(present[key], distance) for key, distance in pairs if key in present]
