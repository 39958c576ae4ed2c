"""Column reader: the metadata of a collection for a request that found none in memory."""

from __future__ import annotations

import threading
from collections.abc import Collection

from sqlalchemy import Connection

from service.index.columns.from_sql import columns_from_sql
from service.index.columns.view import ColumnView
from service.index.replicas import Follower


class ColumnReader:
    """Reads metadata from SQL, for one request at a time: a million documents take ten seconds of a core.

    Args:
        follower: may have the metadata by the time that a request has its turn.
    """

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self._turn = threading.Lock()

    def read(self, connection: Connection, collection_id: int, seq: int, fields: Collection[str]) -> ColumnView:
        """The metadata with every change up to a seq. Blocks.

        Args:
            connection: to read with.
            collection_id: of which collection.
            seq: that the collection has reached.
            fields: those that are wanted.
        """
        with self._turn:
            replica = self.follower.documents(collection_id)
            if replica is not None and replica.columns_seq >= seq:
                return replica.columns.view()
            return columns_from_sql(connection, collection_id, fields).view()
