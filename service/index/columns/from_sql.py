"""Columns from SQL: the metadata of a collection, read for one request that memory cannot answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from sqlalchemy import Connection

from service.index.columns.index import ColumnIndex
from service.store import documents

_CHARS_AT_ONCE = 1_000_000


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

    Cost: reads all metadata, and holds a million characters of them at a time: 10 s for a million documents of five
    fields.
    """
    index, after_key = ColumnIndex(), 0
    while part := documents.all_metadata(connection, collection_id, after_key, _CHARS_AT_ONCE):
        check_cancelled()
        metadata = [_needed(json.loads(one.metadata), fields) for one in part]
        index.put(np.array([one.key for one in part], np.int64), metadata)
        after_key = part[-1].key
    return index


def _needed(metadata: dict[str, Any], fields: Collection[str] | None) -> dict[str, Any]:
    """The members in which a field, or one below it, can be."""
    if fields is None:
        return metadata
    return {name: value for name, value in metadata.items() if any(_may_hold(name, field) for field in fields)}


def _may_hold(member: str, field: str) -> bool:
    return member == field or field.startswith(f"{member}.") or member.startswith(f"{field}.")
