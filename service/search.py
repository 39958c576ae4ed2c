"""Find what is similar: by text, by a stored document, by code; many at a time.

One replica reference is taken per request and kept to its end, so all of an answer comes from one code space. Where the
replica has not reached the seq that a caller asks for, or is still being loaded, the hash table in SQL answers, with
the same matches.

With `rerank` the k nearest by code become a longer shortlist, which the cosine of features puts in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.config import Settings
from service.crossing import in_large_thread, in_thread, reading
from service.encoding import Encoder
from service.errors import InvalidInput, SeqNotReached, TooMuchToRead
from service.hashing.codes import Codes
from service.hashing.content import Text, check_text
from service.index.answers import Neighbors, Stats
from service.index.replica import Follower, Replica
from service.reranking import Reranker, Vector, cosines
from service.store import buckets, codes, collections, documents, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import ALL_SHOWN, Hit, Keys, Located, Shown
from service.store.spaces import SpaceReference

P = ParamSpec("P")
T = TypeVar("T")

Source = Literal["memory", "sql"]
Rerank = Literal["features"]
Ties = Literal["arrival", "confidence"]

_SHORTLIST = 100
"""Documents that are re-ranked unless the query says how many, or asks for more than a tenth of that."""
_RERANKED_AT_ONCE = 10_000
"""Documents whose vectors the queries of one request hold at a time."""
_BRIEF = 1_000
"""Documents up to which re-ranking may keep the event loop: a millisecond or two, and less than a thread costs."""
_BRIEF_MATCHES, _BRIEF_CHARS, _BRIEF_CODES = 200, 1_000_000, 20_000_000
"""What a search may read on the event loop: matches, characters of their documents, and codes compared at worst."""
_SMALL_MATCHES = 1_000
"""Matches up to which a search is a short one, that does not wait for a thread for large ones."""
_WAIT_STEP_S = 0.005


@dataclass(frozen=True, slots=True)
class Want:
    """What a query asks for.

    Attributes:
        k: the so many nearest.
        radius: only those within that many bits.
        at_least_seq: from a state that holds every change up to it.
        rerank: how a shortlist of the nearest is put in order before the first `k` of it are taken; None leaves it.
        shortlist: how long that is; if not given, ten times `k` and at least 100, or all within the radius.
        ties: what orders equal distances before arrival does; `confidence` is known of texts alone.
        shown: what of each document is read and answered with.
    """

    k: int = 10
    radius: int | None = None
    at_least_seq: int | None = None
    rerank: Rerank | None = None
    shortlist: int | None = None
    ties: Ties = "arrival"
    shown: Shown = ALL_SHOWN


@dataclass(frozen=True, slots=True)
class Match:
    """A document, its distance in bits from the query, and, where it was re-ranked, the cosine of their features."""

    document: Hit
    distance: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Matches with the space and the code that gave them and the work it took.

    They ascend by distance, then by key; where ties are left to confidence, equal distances are first ordered by what
    the query's code would take to be theirs: the confidence of the bits in which they differ. Re-ranked matches descend
    by score, and keep that order where scores are equal.

    `source` says who answered: the replica in memory or the hash table in SQL. `n_known` is the number of distinct
    known features of the query; None when the query was no content. `n_reranked` documents were re-ranked.
    """

    matches: list[Match]
    space: SpaceReference
    code: bytes
    stats: Stats
    source: Source
    n_known: int | None = None
    n_reranked: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Codes of queries, `(q, n_bytes)`, and the confidence of their bits, `(q, n_bits)` uint8, where it orders ties."""

    codes: Codes
    confidence: NDArray[np.uint8] | None = None

    def __getitem__(self, rows: slice) -> Asked:
        return Asked(self.codes[rows], None if self.confidence is None else self.confidence[rows])


class Search:
    """The use-cases that read."""

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings
        self.reranker = Reranker(encoder, settings.vector_cache_bytes)
        self._brief_chars = min(_BRIEF_CHARS, settings.max_read_bytes)

    async def by_texts(self, collection: Collection, texts: Sequence[str], want: Want) -> list[Answer]:
        """What is similar to each of the texts.

        Raises:
            InvalidInput: k, radius or shortlist out of range.
            InvalidContent: a text that cannot be hashed.
        """
        self._check(collection.n_bits, want, len(texts))
        for text in texts:
            check_text(text, self.settings.max_text_chars)
        await self._wait(collection.id, collection.name, collection.last_seq, want)
        place: Place | None = self._in_memory(collection.id, want)
        if place is None:
            place = await reading(self.database, self._in_sql, collection.id)
        encoded = await self.encoder.encode(str(place.space.digest), [Text(text) for text in texts])
        asked = Asked(encoded.codes, encoded.confidence if want.ties == "confidence" else None)
        if want.rerank is None:
            answers = await self._search(place, asked, want)
        else:
            answers = await self._rerank(place, asked, texts, want)
        return [
            Answer(a.matches, a.space, a.code, a.stats, a.source, n, a.n_reranked)
            for a, n in zip(answers, encoded.n_known.tolist(), strict=True)
        ]

    async def by_document(self, collection: str, id: str, want: Want) -> Answer:
        """What is similar to a stored document of the collection of that name, itself left out.

        Raises:
            InvalidInput: k, radius or shortlist out of range.
            NotFound: no such collection, or no document of that id in it.
        """
        if want.at_least_seq is not None:
            located = await reading(self.database, self._locate, collection, id)
            await self._wait(located.collection_id, collection, located.last_seq, want)
        found: Answer | _Stored | None = None
        if self.database.embedded and want.k <= _BRIEF_MATCHES:
            with suppress(_NotBrief, TooMuchToRead):
                found = self._near_document(collection, id, want, self._brief_chars, brief=True)
        if found is None:
            found = await in_thread(self._near_document, collection, id, want, self.settings.max_read_bytes)
        if isinstance(found, Answer):
            return found
        if found.code is None:
            asked = Asked((await self.encoder.encode(str(found.place.space.digest), [Text(found.text)])).codes)
        else:
            asked = Asked(found.code[None])
        if want.rerank is None:
            (answer,) = await self._search(found.place, asked, _one_more(want))
            return _without(answer, found.key, want.k)
        (answer,) = await self._rerank(found.place, asked, [found.text], want, leave_out=found.key)
        return answer

    async def _search(self, place: Place, asked: Asked, want: Want) -> list[Answer]:
        """The answers to queries: on the event loop where it is sure to be short, else in a thread."""
        n_matches = want.k * len(asked.codes)
        if self.database.embedded and n_matches <= _BRIEF_MATCHES and place.is_brief(asked):
            with suppress(TooMuchToRead):
                return self._answer(place, asked, want, self._brief_chars)
        run = in_thread if n_matches <= _SMALL_MATCHES else in_large_thread
        return await run(self._answer, place, asked, want, self.settings.max_read_bytes)

    async def _rerank(
        self, place: Place, asked: Asked, texts: Sequence[str], want: Want, leave_out: int | None = None
    ) -> list[Answer]:
        """The answers to queries, their shortlists re-ranked; a few queries at a time, so that memory is bounded."""
        n = self._n_shortlisted(want)
        step = max(1, _RERANKED_AT_ONCE // n)
        answers: list[Answer] = []
        for start in range(0, len(texts), step):
            rows = slice(start, start + step)
            answers += await self._rerank_some(place, asked[rows], texts[rows], want, n, leave_out)
        return answers

    async def _rerank_some(
        self, place: Place, asked: Asked, texts: Sequence[str], want: Want, n: int, leave_out: int | None
    ) -> list[Answer]:
        brief = n * len(texts) <= _BRIEF and place.is_brief(asked)
        found = await self._read(brief, self._shortlists, place, asked, n, want.radius, leave_out)
        revisions = {key: revision for one in found for key, _, revision in one.entries}
        self.reranker.begin(self.follower.history)
        vectors = self.reranker.kept(str(place.space.digest), revisions)
        missing = [key for key in revisions if key not in vectors]
        stored = await self._bounded(brief, self._texts, missing) if missing else {}
        queries, made = await self.reranker.vectors(str(place.space.digest), texts, stored)
        vectors |= made

        def rank() -> list[list[_Scored]]:
            return [_ranked(query, one, vectors) for query, one in zip(queries, found, strict=True)]

        ranked = rank() if brief else await in_thread(rank)
        best = await self._bounded(brief, self._best, ranked, want)
        return [
            Answer(matches, place.space, code.tobytes(), one.stats, place.source, n_reranked=len(scored))
            for matches, code, one, scored in zip(best, asked.codes, found, ranked, strict=True)
        ]

    async def _read(self, brief: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if brief:
            return await reading(self.database, function, *args, **kwargs)
        return await in_large_thread(function, *args, **kwargs)

    async def _bounded(self, brief: bool, function: Callable[..., T], *args: Any) -> T:
        """What a function reads whose last argument bounds it: a little on the event loop, or more in a thread."""
        if brief and self.database.embedded:
            with suppress(TooMuchToRead):
                return function(*args, self._brief_chars)
        return await in_large_thread(function, *args, self.settings.max_read_bytes)

    def _n_shortlisted(self, want: Want) -> int:
        if want.shortlist is not None:
            return want.shortlist
        n = self.settings.max_shortlist
        return max(want.k, n if want.radius is not None else min(n, max(_SHORTLIST, 10 * want.k)))

    def _check(self, n_bits: int, want: Want, n_queries: int = 1) -> None:
        if not 1 <= want.k <= self.settings.max_k:
            raise InvalidInput(f"k must be between 1 and {self.settings.max_k}, got {want.k}")
        if want.k * n_queries > self.settings.max_matches:
            raise InvalidInput(
                f"texts times k must be at most {self.settings.max_matches} (max_matches) in one request, got "
                f"{n_queries} x {want.k} = {want.k * n_queries}"
            )
        if want.radius is not None and not 0 <= want.radius <= n_bits:
            raise InvalidInput(f"radius must be between 0 and n_bits = {n_bits}, got {want.radius}")
        if want.shortlist is None:
            return
        if want.rerank is None:
            raise InvalidInput("shortlist must come with rerank=features")
        if not want.k <= want.shortlist <= self.settings.max_shortlist:
            raise InvalidInput(
                f"shortlist must be between k = {want.k} and {self.settings.max_shortlist}, got {want.shortlist}"
            )

    async def _wait(self, collection_id: int, collection: str, last_seq: int, want: Want) -> None:
        """Give the replica a moment to reach the seq that is asked for; the event loop goes on meanwhile.

        Raises:
            SeqNotReached: the collection itself has not reached it.
        """
        if want.at_least_seq is None:
            return
        if want.at_least_seq > last_seq:  # it may have been reached since it was read
            last_seq = (await reading(self.database, self._collection, collection_id)).last_seq
        if want.at_least_seq > last_seq:
            raise SeqNotReached(collection, last_seq, want.at_least_seq)
        deadline = time.monotonic() + self.settings.read_your_writes_s
        while self._in_memory(collection_id, want) is None and time.monotonic() < deadline:
            self.follower.wake()
            await asyncio.sleep(_WAIT_STEP_S)

    def _in_memory(self, collection_id: int, want: Want) -> InMemory | None:
        """The replica, if it is loaded and recent enough."""
        replica = self.follower.replica(collection_id)
        if replica is None or (want.at_least_seq is not None and replica.applied_seq < want.at_least_seq):
            return None
        return InMemory(replica)

    def _in_sql(self, collection_id: int) -> InSql:
        with self.database.read() as connection:
            return InSql.of(connection, collection_id)

    def _collection(self, collection_id: int) -> Collection:
        with self.database.read() as connection:
            return collections.by_id(connection, collection_id)

    def _locate(self, collection: str, id: str) -> Located:
        with self.database.read() as connection:
            return documents.locate(connection, collection, id)

    def _answer(self, place: Place, asked: Asked, want: Want, max_chars: int) -> list[Answer]:
        with self.database.read() as connection:
            return _answers(connection, place, asked, want, max_chars)

    def _shortlists(
        self, place: Place, asked: Asked, n: int, radius: int | None, leave_out: int | None
    ) -> list[_Found[int]]:
        """The `n` nearest documents of each query with their revisions, but for the one that is to be left out."""
        more = n if leave_out is None else n + 1
        with self.database.read() as connection:
            found = _existing(connection, place, asked, more, radius, documents.revisions)
        return [replace(one, entries=[e for e in one.entries if e[0] != leave_out][:n]) for one in found]

    def _texts(self, keys: Keys, max_chars: int) -> dict[int, tuple[int, str]]:
        with self.database.read() as connection:
            return documents.texts(connection, keys, max_chars)

    def _best(self, ranked: Sequence[Sequence[_Scored]], want: Want, max_chars: int) -> list[list[Match]]:
        """The first `k` of each ranking that still exist."""
        k = want.k

        def fetch(keys: Keys) -> dict[int, Hit]:
            return documents.hits(connection, keys, max_chars, want.shown)

        with self.database.read() as connection:
            present = fetch(list({key for one in ranked for key, _, _ in one[:k]}))
            best = []
            for one in ranked:
                matches, n_seen = _scored_matches(one[:k], present), k
                while len(matches) < k and n_seen < len(one):
                    following = one[n_seen : n_seen + k]
                    matches += _scored_matches(following, fetch([key for key, _, _ in following]))
                    n_seen += k
                best.append(matches[:k])
        _check_size(best, max_chars)
        return best

    def _near_document(
        self, collection: str, id: str, want: Want, max_chars: int, *, brief: bool = False
    ) -> Answer | _Stored:
        """The answer for a document, in one transaction; or what it takes to encode or to re-rank it.

        Raises:
            _NotBrief: where it must be `brief`, and may not be.
        """
        with self.database.read() as connection:
            located = documents.locate(connection, collection, id)
            self._check(located.n_bits, want)
            place: Place = self._in_memory(located.collection_id, want) or InSql.of(connection, located.collection_id)
            code = codes.get(connection, place.space.id, located.key)
            if brief and code is not None and not place.is_brief(Asked(code[None])):
                raise _NotBrief
            if code is None or want.rerank is not None:  # no code: stored a moment ago, and not yet known here
                return _Stored(place, located.key, documents.get(connection, located.collection_id, id).text, code)
            (answer,) = _answers(connection, place, Asked(code[None]), _one_more(want), max_chars)
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

    def is_brief(self, asked: Asked) -> bool:
        """Whether a search is sure to take a few milliseconds at most."""
        return asked.confidence is None and len(asked.codes) * len(self.replica.table) <= _BRIEF_CODES

    def nearest(self, connection: Connection, asked: Asked, k: int, radius: int | None) -> Sequence[Neighbors]:
        """The first `k` neighbors, within the radius if one is given, of each query."""
        logits = None if asked.confidence is None else asked.confidence.astype(np.float32)
        return list(self.replica.table.search(asked.codes, k, logits=logits, radius=radius))


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

    def is_brief(self, asked: Asked) -> bool:
        """Whether a search is sure to take a few milliseconds at most: it may read every code, so never."""
        return False

    def nearest(self, connection: Connection, asked: Asked, k: int, radius: int | None) -> Sequence[Neighbors]:
        """The first `k` neighbors, within the radius if one is given, of each query."""
        sure = asked.confidence if asked.confidence is not None else [None] * len(asked.codes)
        queries = zip(asked.codes, sure, strict=True)
        if radius is None:
            found = [buckets.search(connection, self.space.id, code, k, bits) for code, bits in queries]
        else:
            found = [buckets.within(connection, self.space.id, code, radius, bits) for code, bits in queries]
        return [Neighbors(f.keys[:k], f.distances[:k], Stats(f.path, f.probes, f.candidates, f.radius)) for f in found]


Place = InMemory | InSql
"""Who answers a request, to its end: so all of an answer is of one space."""


class _NotBrief(Exception):
    """A search that was to be short enough for the event loop is not."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A document to find similar ones of; its code is None where the place does not know it."""

    place: Place
    key: int
    text: str
    code: Codes | None


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """Neighbors that exist: key, distance and what was fetched of each, nearest first; and the work of the search."""

    entries: list[tuple[int, int, T]]
    stats: Stats


_Scored = tuple[int, int, float]
"""Key, distance and score of a document."""


def _one_more(want: Want) -> Want:
    return replace(want, k=want.k + 1)


def _without(answer: Answer, key: int, k: int) -> Answer:
    """The first k matches but that of the document itself."""
    return replace(answer, matches=[match for match in answer.matches if match.document.key != key][:k])


def _answers(connection: Connection, place: Place, asked: Asked, want: Want, max_chars: int) -> list[Answer]:
    def fetch(connection: Connection, keys: Keys) -> dict[int, Hit]:
        return documents.hits(connection, keys, max_chars, want.shown)

    found = _existing(connection, place, asked, want.k, want.radius, fetch)
    answers = [
        Answer([Match(hit, n) for _, n, hit in one.entries], place.space, code.tobytes(), one.stats, place.source)
        for code, one in zip(asked.codes, found, strict=True)
    ]
    _check_size([answer.matches for answer in answers], max_chars)
    return answers


def _check_size(matches: Sequence[Sequence[Match]], max_chars: int) -> None:
    """Refuse an answer that would be too long; a document counts as often as it is a match."""
    if sum(match.document.n_chars for one in matches for match in one) > max_chars:
        raise TooMuchToRead(max_chars)


def _existing(
    connection: Connection,
    place: Place,
    asked: Asked,
    k: int,
    radius: int | None,
    fetch: Callable[[Connection, Keys], dict[int, T]],
) -> list[_Found[T]]:
    """Look the nearest up and fetch their documents; where some are gone by now, ask for more in their place."""
    nearest = place.nearest(connection, asked, k, radius)
    present = fetch(connection, list({key for neighbors in nearest for key in neighbors.keys.tolist()}))
    found = []
    for row, neighbors in enumerate(nearest):
        n_asked, got, entries = k, neighbors, _present(neighbors, present)
        while len(entries) < k and len(got.keys) == n_asked:
            n_asked += 2 * (len(got.keys) - len(entries)) + 8
            (got,) = place.nearest(connection, asked[row : row + 1], n_asked, radius)
            entries = _present(got, fetch(connection, got.keys))[:k]
        found.append(_Found(entries, got.stats))
    return found


def _present(neighbors: Neighbors, present: Mapping[int, T]) -> list[tuple[int, int, T]]:
    pairs = zip(neighbors.keys.tolist(), neighbors.distances.tolist(), strict=True)
    return [(key, distance, present[key]) for key, distance in pairs if key in present]


def _ranked(query: Vector, shortlist: _Found[int], vectors: Mapping[int, Vector]) -> list[_Scored]:
    """A shortlist by descending cosine; equal ones as they were. A document that is gone by now has no vector."""
    near = [(key, distance) for key, distance, _ in shortlist.entries if key in vectors]
    scores = cosines(query, [vectors[key] for key, _ in near])
    return [(*near[place], float(scores[place])) for place in np.argsort(-scores, kind="stable").tolist()]


def _scored_matches(scored: Sequence[_Scored], present: Mapping[int, Hit]) -> list[Match]:
    return [Match(present[key], distance, score) for key, distance, score in scored if key in present]
