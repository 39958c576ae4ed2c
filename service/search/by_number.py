"""ByNumber: documents by their numbers, and the numbers of documents by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from service.store import collections, document_numbers, document_summaries, documents
from service.store.collections import Collection
from service.store.database import Database
from service.store.document_summaries import DocumentSummary
from service.threads import run_in_thread


class ByNumber:
    """Reads documents by number or by id; each call is one transaction.

    Args:
        database: where they are.
        max_chars: most characters that one call reads.
    """

    def __init__(self, database: Database, max_chars: int) -> None:
        self.database = database
        self.max_chars = max_chars

    async def of_numbers(self, collection: str, numbers: Sequence[int]) -> dict[int, DocumentSummary]:
        """The documents of a collection that have some numbers, by number; those that are not there are left out.

        Raises:
            NotFound: no such collection.
            TooMuchToRead: their texts and metadata are longer than the installation allows.
        """

        def read() -> dict[int, DocumentSummary]:
            with self.database.read() as connection:
                found = collections.get(connection, collection)
                keys = document_numbers.those_there(connection, found.id, numbers)
                return document_summaries.summaries(connection, keys, self.max_chars)

        return await run_in_thread(read)

    async def of_ids(self, collection: str, ids: Sequence[str]) -> dict[str, DocumentSummary]:
        """The documents of some ids, by id; those that are not there are left out.

        Raises:
            NotFound, TooMuchToRead: as `of_numbers`.
        """

        def read() -> dict[str, DocumentSummary]:
            with self.database.read() as connection:
                found: Collection = collections.get(connection, collection)
                numbers = [*documents.keys_of(connection, found.id, ids).values()]
                keys = document_numbers.those_there(connection, found.id, numbers)
                return {one.id: one for one in document_summaries.summaries(connection, keys, self.max_chars).values()}

        return await run_in_thread(read)
