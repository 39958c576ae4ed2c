"""Create and drop collections; get one by its name."""

from __future__ import annotations

from service.errors import NotFound
from service.hashing.codes import check_n_bits
from service.hashing.function import digest_of
from service.hashing.untrained import untrained_hash_function
from service.index.replicas import Follower
from service.store import collections, deletion, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.threads import run_in_thread, run_read


class CollectionWriter:
    """Creates and drops collections."""

    def __init__(self, database: Database, follower: Follower) -> None:
        self.database = database
        self.follower = follower

    async def create(self, name: str, kind: str, n_bits: int) -> tuple[Collection, bool]:
        """The collection of that name, and whether it is new; a new one answers at once from the untrained space.

        Raises:
            CollectionDiffers: it exists with another kind or n_bits.
            InvalidInput: codes cannot have that width.
        """
        check_n_bits(n_bits)
        collection, created = await run_in_thread(self._create, name, kind, n_bits)
        if created:
            self.follower.wake()
        return collection, created

    def _create(self, name: str, kind: str, n_bits: int) -> tuple[Collection, bool]:
        content = untrained_hash_function(n_bits).to_bytes()
        with self.database.write() as connection:
            collection = collections.create(connection, name, kind, n_bits)
            created = not spaces.list(connection, collection.id)
            if created:
                spaces.put_function(connection, content, digest_of(content))
                spaces.create_untrained(connection, collection, digest_of(content))
        return collection, created

    async def drop(self, name: str) -> None:
        """Drop a collection: its name is free at once, and a job deletes everything that it had.

        Raises:
            NotFound: there is none.
        """
        await get_collection(self.database, name)
        await run_in_thread(self._drop, name)
        self.follower.wake()

    def _drop(self, name: str) -> None:
        with self.database.write() as connection:
            dropped = collections.drop(connection, name)
            if dropped is None:  # by another call, a moment ago
                raise NotFound("collection", name)
            deletion.enqueue(connection, dropped, "drop_collection")


async def get_collection(database: Database, name: str) -> Collection:
    """The collection of that name.

    Raises:
        NotFound: there is none.
    """

    def read() -> Collection:
        with database.read() as connection:
            return collections.get(connection, name)

    return await run_read(database, read)
