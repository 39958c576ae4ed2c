"""Columns from SQL: the metadata of a collection, read for one request that memory cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from sqlalchemy import Connection

from service.index.columns.index import ColumnIndex
from service.store import document_changes, document_summaries

_CHARS_AT_ONCE, _REMEMBERED = 1_000_000, 100_000


def columns_from_sql(
    connection: Connection,
    collection_id: int,
    fields: Collection[str] | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
) -> ColumnIndex:
    """The columns of all documents of a collection, as its SQL holds them now. Blocks.

    Args:
        connection: one that is reading.
        collection_id: the collection.
        fields: those that are needed; others may be left out. None keeps all.
        check_cancelled: called every million characters; may raise to stop.

    Cost: reads all metadata, and holds a million characters of them at a time: for a million documents of five fields
    about 10 s of a core.
    """
    index, after_key = ColumnIndex(), 0
    is_needed = _Needed(fields)
    while part := document_changes.all_metadata(connection, collection_id, after_key, _CHARS_AT_ONCE):
        check_cancelled()
        metadata = document_summaries.parsed([one.metadata for one in part])
        if fields is not None:
            metadata = ({name: one[name] for name in one if is_needed[name]} for one in metadata)
        index.put(np.array([one.key for one in part], np.int64), list(metadata))
        after_key = part[-1].key
    return index


class _Needed(dict[str, bool]):
    """Says of the name of a member whether a field, or one below it, can be in it."""

    def __init__(self, fields: Collection[str] | None) -> None:
        super().__init__()
        self.fields = [] if fields is None else list(fields)

    def __missing__(self, name: str) -> bool:
        found = any(
            name == field or field.startswith(f"{name}.") or name.startswith(f"{field}.") for field in self.fields
        )
        if len(self) < _REMEMBERED:
            self[name] = found
        return found
