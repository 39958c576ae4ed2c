"""Pairs: take what people said of two documents, list it, forget it."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors import InvalidInput, NotFound
from service.store import collections, documents, pairs
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.pairs import Pair
from service.threads import run_in_thread

MAX_PAIRS = 100_000
"""Most pairs of one collection: each is looked at by every training that learns from them."""


class PairWriter:
    """Keeps what people said of pairs of documents."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def put(self, collection: str, said: Sequence[Pair], conclude: Conclude[int] | None = None) -> int:
        """Keep what was said, in place of what was said of these pairs before; returns how many pairs there are now.

        `conclude` is called with that before the transaction ends, and may write in it.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: a document is paired with itself or does not exist, or there would be too many pairs. Nothing
                was kept.
        """
        return await run_in_thread(self._put, collection, said, conclude)

    def _put(self, name: str, said: Sequence[Pair], conclude: Conclude[int] | None) -> int:
        with self.database.write() as connection:
            collection = collections.get(connection, name)
            ids = {id for pair in said for id in (pair.a, pair.b)}
            _check(said, {*documents.keys_of(connection, collection.id, sorted(ids))})
            pairs.put(connection, collection.id, said)
            n = pairs.count(connection, collection.id)
            if n > MAX_PAIRS:
                raise InvalidInput(f"pairs must be at most {MAX_PAIRS:,} in a collection, with these there are {n:,}")
            if conclude is not None:
                conclude(connection, n)
        return n

    async def page(self, collection: str, after_number: int, limit: int) -> tuple[list[Pair], bool]:
        """A page of the pairs, the oldest first, and whether there are more after it.

        Args:
            collection: its name.
            after_number: of the pair with which the page before ended; 0 for the first page.
            limit: most pairs in the page.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> list[Pair]:
            with self.database.read() as connection:
                return pairs.page(connection, collections.get(connection, collection).id, after_number, limit + 1)

        found = await run_in_thread(read)
        return found[:limit], len(found) > limit

    async def remove(self, collection: str, ends: tuple[str, str] | None) -> None:
        """Forget what was said of two documents, or of all pairs.

        Raises:
            NotFound: there is no such collection, or nothing was said of these two.
        """

        def forget() -> None:
            with self.database.write() as connection:
                stored: Collection = collections.get(connection, collection)
                if not pairs.remove(connection, stored.id, ends) and ends is not None:
                    raise NotFound("pair", f"{ends[0]}, {ends[1]}")

        await run_in_thread(forget)


def _check(said: Sequence[Pair], existing: set[str]) -> None:
    """Refuse pairs of one document, and of documents that do not exist.

    Raises:
        InvalidInput: there are such pairs; `errors` has the first hundred.
    """
    errors = []
    for place, pair in enumerate(said):
        if pair.a == pair.b:
            errors.append({"where": f"body.pairs.{place}", "rule": f"a and b must differ, got {pair.a!r} twice"})
        for id in sorted({pair.a, pair.b} - existing):
            errors.append({"where": f"body.pairs.{place}", "rule": f"there is no document {id!r}"})
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise InvalidInput(f"{errors[0]['where']}: {errors[0]['rule']}{more}", errors[:100])
