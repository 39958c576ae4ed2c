"""CodeReader: the code of one text or document bit by bit, and how many documents lie at each distance from a code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.encoding import Encoder
from service.errors import InvalidInput
from service.hashing.codes import Codes, hamming_distance, unpack
from service.hashing.content import Content, Image, Text
from service.hashing.contributions import WordContributions
from service.index.replicas import Follower
from service.search.sources import MemorySource, SearchSource, SqlSource
from service.store import collections, documents, embedding_models
from service.store.database import Database
from service.store.overviews import SpaceReference
from service.threads import run_in_large_thread, run_in_thread, run_read

_WORDS_OF_BIT = 5
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class DescribedBit:
    """A bit of one code.

    Attributes:
        bit: its number, from 0.
        value: 0 or 1.
        confidence: how far the logit lies from the threshold, in shares of the surest bit.
        words: those that do most for its value, and what the logit loses without each.
    """

    bit: int
    value: int
    confidence: float
    words: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class DescribedCode:
    """The code of a text or of a document.

    Attributes:
        space: whose function gave it.
        id: of the document; None of a text.
        title: of the document, if it has one.
        code: `(n_bytes,)`.
        bits: `(n_bits,)`.
    """

    space: SpaceReference
    id: str | None
    title: str | None
    code: Codes
    bits: Sequence[DescribedBit]


@dataclass(frozen=True, slots=True)
class Distances:
    """Where the documents of a collection lie, as seen from one code.

    Attributes:
        space: whose codes were counted.
        n_documents: that have a code.
        distances: `(n_bits + 1,)` documents at each distance in bits.
        ones: `(n_bits,)` documents that have each bit.
    """

    space: SpaceReference
    n_documents: int
    distances: NDArray[np.int64]
    ones: NDArray[np.int64]


class CodeReader:
    """Reads codes of a collection in its active space.

    Args:
        database: where documents are.
        encoder: explains codes.
        follower: has the codes in memory.
    """

    def __init__(self, database: Database, encoder: Encoder, follower: Follower) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower

    async def of_text(self, collection: str, text: str) -> DescribedCode:
        """The code of a text.

        Raises:
            NotFound: no such collection.
            InvalidInput: it holds no texts.
        """

        def read() -> SpaceReference:
            with self.database.read() as connection:
                found = collections.get(connection, collection)
                if found.kind != "text":
                    raise InvalidInput(f"q is a text, and a collection of kind {found.kind} encodes none: give an id")
                return SqlSource.of(connection, found.id).space

        space = await run_read(self.database, read)
        return await self._described(space, Text(text), None, None)

    async def of_document(self, collection: str, id: str) -> DescribedCode:
        """The code that the active space gives to what a document holds now.

        Raises:
            NotFound: no such collection or document.
            VectorsMissing: it has no vector of the model that the active space encodes.
        """

        def read() -> tuple[SpaceReference, Content]:
            with self.database.read() as connection:
                found = collections.get(connection, collection)
                space = SqlSource.of(connection, found.id).space
                content = documents.get(connection, found.id, id).content
                return space, embedding_models.hashed(connection, found.id, content, space.model)

        space, content = await run_in_thread(read)
        title = None if isinstance(content, Image) else content.title
        return await self._described(space, content, id, title)

    async def _described(
        self, space: SpaceReference, content: Content, id: str | None, title: str | None
    ) -> DescribedCode:
        digest = str(space.digest)
        code = (await self.encoder.encode(digest, [content])).codes[0]  # (n_bytes,), as a search has it
        explained = (await self.encoder.explain(digest, [content]))[0]
        return DescribedCode(space, id, title, code, await run_in_large_thread(_bits, explained, code))

    async def distances(self, collection: str, code: str) -> Distances:
        """How many documents lie at each distance from a code.

        Args:
            collection: its name.
            code: in hexadecimal.

        Raises:
            NotFound: no such collection.
            InvalidInput: codes of the collection are of another width.

        Cost: reads every code: a tenth of a second for a million in memory.
        """
        return await run_in_large_thread(self._count, collection, code)

    def _count(self, collection: str, code: str) -> Distances:
        with self.database.read() as connection:
            found = collections.get(connection, collection)
            replica = self.follower.replica(found.id)
            source: SearchSource = SqlSource.of(connection, found.id) if replica is None else MemorySource(replica)
            n_bits = source.space.n_bits
            if len(code) * 4 != n_bits:
                raise InvalidInput(f"code must be {n_bits // 4} hexadecimal digits, got {len(code)}")
            asked = np.frombuffer(bytes.fromhex(code), dtype=np.uint8)
            distances, ones = count(source.all_codes(connection), asked)
        return Distances(source.space, int(distances.sum()), distances, ones)


def count(parts: Iterable[Codes], code: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many codes lie at each distance from one, `(n_bits + 1,)`, and how many have each bit, `(n_bits,)`.

    Args:
        parts: codes `(n, n_bytes)`.
        code: `(n_bytes,)`.
    """
    n_bits = 8 * len(code)
    distances, ones = np.zeros(n_bits + 1, np.int64), np.zeros(n_bits, np.int64)
    for part in parts:
        distances += np.bincount(hamming_distance(part, code), minlength=n_bits + 1)
        ones += np.unpackbits(part, axis=1).sum(axis=0, dtype=np.int64)
    return distances, ones


def _bits(explained: WordContributions, code: Codes) -> list[DescribedBit]:
    """All bits; those of the code, which for a logit on the threshold may be other than what the logit is again."""
    sure = (explained.confidence / 255).tolist()
    values = unpack(code[None])[0].tolist()
    return [
        DescribedBit(
            bit,
            value,
            round(sure[bit], _DIGITS),
            [(word, round(gain, _DIGITS)) for word, gain in explained.speaking_for(bit, bool(value), _WORDS_OF_BIT)],
        )
        for bit, value in enumerate(values)
    ]
