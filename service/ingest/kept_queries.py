"""The queries that a collection keeps: list them, forget them."""

from __future__ import annotations

from service.errors import NotFound
from service.store import collections, kept_queries
from service.store.database import Database
from service.store.kept_queries import KeptQuery
from service.threads import run_in_thread


class KeptQueries:
    """Lists and deletes what collections were asked with, where they keep it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def page(self, collection: str, before_number: int, limit: int) -> tuple[list[KeptQuery], bool]:
        """A page of the queries, the latest first, and whether there are more after it.

        Args:
            collection: its name.
            before_number: of the query with which the page before ended.
            limit: most queries in the page; fewer if their texts are long.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> tuple[list[KeptQuery], bool]:
            with self.database.read() as connection:
                return kept_queries.page(connection, collections.get(connection, collection).id, before_number, limit)

        return await run_in_thread(read)

    async def remove(self, collection: str, number: int | None = None) -> None:
        """Forget one query, or all.

        Raises:
            NotFound: there is no such collection, or no such query.
        """

        def forget() -> None:
            with self.database.write() as connection:
                id = collections.get(connection, collection).id
                if number is None:
                    kept_queries.clear(connection, id)
                elif not kept_queries.remove(connection, id, number):
                    raise NotFound("query", str(number))

        await run_in_thread(forget)
