"""Documents that have expired and are not deleted yet: no answer may hold them."""

from __future__ import annotations

from sqlalchemy import Connection

from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask
from service.store import expiry


def living(connection: Connection, collection_id: int, columns: ColumnView | None, passing: KeyMask | None) -> KeyMask:
    """The documents that have not expired, of those in `passing` or of all. Blocks.

    Args:
        connection: to read with.
        collection_id: of which collection.
        columns: its metadata, which know all documents; None where they are not at hand.
        passing: documents that may be matches.

    Cost: linear in those that have expired; in all documents of the collection without `columns` and `passing`.
    """
    if passing is None:
        if columns is None:
            return KeyMask.of_keys(expiry.living_keys(connection, collection_id))
        passing = columns.all_keys()
    return passing.without(expiry.expired_keys(connection, collection_id))
