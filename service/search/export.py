"""Export: every document of a collection from one snapshot, a part at a time."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

from service.errors import Unavailable
from service.hashing.embedding_models import EmbeddingModels
from service.store import codes, collections, documents, embedding_models, spaces
from service.store.database import Database
from service.store.documents import Document

_DOCUMENTS_AT_ONCE, _CHARS_AT_ONCE = 1_000, 1 << 20
AT_ONCE = 4
"""Exports that may run at once in one process: each holds a connection to the database and one of its snapshots."""


@dataclass(frozen=True, slots=True)
class ExportedDocument:
    """A document, and its code in the active space if codes were asked for and it has one."""

    document: Document
    code: bytes | None


@dataclass(frozen=True, slots=True)
class ExportHead:
    """What an export is of.

    Attributes:
        seq: the last change that it holds.
        models: the embedding models of the collection, if it is of vectors.
    """

    seq: int
    models: EmbeddingModels | None


class Export:
    """One export that has begun; it holds a snapshot of the database until it is closed.

    Its methods block, and may be called from different threads, one at a time.

    Attributes:
        head: what it is of.
    """

    def __init__(self, database: Database, collection: str, with_codes: bool, turns: threading.Semaphore) -> None:
        if not turns.acquire(blocking=False):
            raise Unavailable(f"{AT_ONCE} exports are under way in this process: try again when one has ended")
        self._turns = turns
        self._is_open = True
        self._read = _read(database, collection, with_codes)
        try:
            head = next(self._read)
            assert isinstance(head, ExportHead)
            self.head = head
        except BaseException:
            self.close()
            raise

    def next_part(self) -> list[ExportedDocument]:
        """The next documents in the order of their arrival, about a megabyte of them; none after the last."""
        part = next(self._read, [])
        assert isinstance(part, list)
        return part

    def close(self) -> None:
        """Give the snapshot back; closing twice is fine."""
        if self._is_open:
            self._is_open = False
            try:
                self._read.close()
            finally:
                self._turns.release()


class Exporter:
    """Begins exports."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._turns = threading.Semaphore(AT_ONCE)

    def begin(self, collection: str, *, with_codes: bool) -> Export:
        """An export of a collection as it is now. Blocks; the caller must close it.

        Args:
            collection: its name.
            with_codes: read the code of each document in the active space, too.

        Raises:
            NotFound: there is no such collection.
            Unavailable: too many exports are under way.
        """
        return Export(self.database, collection, with_codes, self._turns)


def _read(
    database: Database, collection: str, with_codes: bool
) -> Generator[ExportHead | list[ExportedDocument], None, None]:
    """The head, then the documents in parts, all in one transaction."""
    with database.read() as connection:
        stored = collections.get(connection, collection)
        space = spaces.active(connection, stored.id)
        yield ExportHead(stored.last_seq, embedding_models.of_collection(connection, stored))
        last, has_more = 0, True
        while has_more:
            page, has_more = documents.bounded_page(connection, stored.id, last, _DOCUMENTS_AT_ONCE, _CHARS_AT_ONCE)
            if not page:
                return
            last = page[-1].key
            found = codes.states(connection, space.id, [document.key for document in page]) if with_codes else {}
            yield [ExportedDocument(one, found.get(one.key, (0, None))[1]) for one in page]
