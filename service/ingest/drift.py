"""DriftWatch: adds what this process counted to SQL once a minute, and says when a retrain is advised."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog
from sqlalchemy import Connection

from service.errors import NotFound
from service.store import collections, documents, drift, kept_queries, spaces, upkeep, usage
from service.store.collections import Collection
from service.store.database import Database
from service.store.usage import UsageCounter

log = structlog.get_logger(__name__)

_EVERY_S = 60.0
_PAGE = 1_000


class DriftWatch:
    """A thread that looks at all collections once a minute.

    Attributes:
        advised: by name of each collection, why a retrain is advised; as it was at the last look.
    """

    def __init__(self, database: Database, usage_counter: UsageCounter, least_documents: int) -> None:
        self.database = database
        self.usage_counter = usage_counter
        self.least_documents = least_documents
        self.advised: Mapping[str, list[str]] = {}
        self._counted: dict[int, tuple[int, int]] = {}  # by collection: its last seq and its documents then
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)

    def start(self) -> None:
        """Begin to look, for the first time in a minute."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and keep what was counted. Blocks until the thread has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Keep what was counted, and read the drift of all collections; blocks.

        Cost: linear in the documents of the collections that changed, from an index.
        """
        self.keep_counts()
        before, self.advised = self.advised, {one.name: self._reasons(one) for one in self._collections()}
        for name, reasons in self.advised.items():
            if reasons and reasons != before.get(name) and self._is_logged(name):
                log.warning("a retrain is advised", collection=name, reasons=reasons)

    def keep_counts(self) -> None:
        """Add what was counted since the last call to SQL, and the queries of collections that keep them."""
        counted, asked = self.usage_counter.take(), self.usage_counter.take_queries()
        with self.database.read() as connection:
            keeping = upkeep.that_keep_queries(connection)
        self.usage_counter.keeps = {name: keep for name, (_, keep) in keeping.items()}
        if counted or asked:
            with self.database.write() as connection:
                usage.add(connection, counted)
                for name in asked.keys() & keeping.keys():
                    kept_queries.add(connection, keeping[name][0], asked[name], keeping[name][1])

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self._try()
        try:
            self.keep_counts()
        except Exception as error:  # counts of a minute are no reason to stop badly
            log.warning("counts of queries are lost", error=str(error))

    def _try(self) -> None:
        try:
            self.look()
        except Exception as error:  # the next look may do better
            log.warning("cannot tell whether a retrain is advised", error=str(error))

    def _collections(self) -> list[Collection]:
        found: list[Collection] = []
        with self.database.read() as connection:
            while part := collections.page(connection, found[-1].name if found else None, _PAGE):
                found += part
        return found

    def _reasons(self, collection: Collection) -> list[str]:
        try:
            with self.database.read() as connection:
                active = spaces.active(connection, collection.id)
                moved = drift.read(connection, active, self._n_documents(connection, collection))
        except NotFound:  # dropped meanwhile
            return []
        return [reason.text for reason in moved.reasons(self.least_documents)]

    def _n_documents(self, connection: Connection, collection: Collection) -> int:
        """Number of documents, counted anew if something changed."""
        last_seq, n = self._counted.get(collection.id, (-1, 0))
        if last_seq != collection.last_seq:
            n = documents.count(connection, collection.id)
            self._counted[collection.id] = collection.last_seq, n
        return n

    def _is_logged(self, name: str) -> bool:
        try:
            with self.database.read() as connection:
                return upkeep.get(connection, collections.get(connection, name).id).auto_retrain != "off"
        except NotFound:
            return False
