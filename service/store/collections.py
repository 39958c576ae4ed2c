"""Collections: create, get, list, drop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, delete, literal, select, update

from service.errors import CollectionDiffers, NotFound
from service.hashing.codes import check_n_bits
from service.hashing.content import Kind
from service.hashing.vectors import VectorSettings
from service.store import schema
from service.store.schema import SQLITE_NOW, instant, now
from service.store.statements import DriverQuery, insert, is_one_of

TABLE = schema.collections
EXISTS = TABLE.c.dropped_at.is_(None)
"""Condition: the collection was not dropped."""
_COLUMNS = (
    *(TABLE.c.id, TABLE.c.name, TABLE.c.kind, TABLE.c.n_bits, TABLE.c.last_seq),
    *(TABLE.c.created_at, TABLE.c.words_version, TABLE.c.vectors, TABLE.c.expires_next <= now()),
)


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents.

    Attributes:
        id: the number that everything of it refers to.
        kind: what its documents are.
        n_bits: width of the codes of its active space.
        last_seq: the last seq drawn in its commit lane; 0 before the first.
        words_version: of the settings of its words (`service.store.words`); 0 before they were changed.
        vectors: what its vectors are; None of other kinds.
        has_expired: whether there may be documents that have expired and are not deleted yet.
    """

    id: int
    name: str
    kind: Kind
    n_bits: int
    last_seq: int
    created_at: datetime
    words_version: int = 0
    vectors: VectorSettings | None = None
    has_expired: bool = False


def create(
    connection: Connection, name: str, kind: Kind, n_bits: int, vectors: VectorSettings | None = None
) -> Collection:
    """The collection of that name, new or as it was: creating it twice is fine, with other settings it is not.

    Raises:
        CollectionDiffers: it exists with another kind or n_bits, or of other vectors.
        InvalidInput: no such width of codes.
    """
    check_n_bits(n_bits)
    kept = None if vectors is None else vectors.to_row()
    values = {"name": name, "kind": kind, "n_bits": n_bits, "created_at": now(), "vectors": kept}
    connection.execute(insert(connection, TABLE).values(values).on_conflict_do_nothing(index_elements=["name"]))
    collection = get(connection, name)
    if collection.kind != kind:
        raise CollectionDiffers(name, "kind", collection.kind, kind)
    if collection.n_bits != n_bits:
        raise CollectionDiffers(name, "n_bits", collection.n_bits, n_bits)
    if vectors is not None and collection.vectors is not None:
        for setting, value in vectors.to_row().items():
            if (existing := getattr(collection.vectors, setting)) != value:
                raise CollectionDiffers(name, setting, existing, value)
    return collection


def get(connection: Connection, name: str) -> Collection:
    """The collection of that name.

    Raises:
        NotFound: there is none.
    """
    rows = _BY_NAME.rows(connection, name)
    if not rows:
        raise NotFound("collection", name)
    *values, vectors, has_expired = rows[0]
    return _of_row([*values, None if vectors is None else json.loads(vectors), has_expired])


def by_id(connection: Connection, id: int) -> Collection:
    """The collection of that id.

    Raises:
        NotFound: it is gone.
    """
    row = connection.execute(_BY_ID, {"id": id}).first()
    if row is None:
        raise NotFound("collection", f"#{id}")
    return _of_row(row)


def page(
    connection: Connection, after_name: str | None, limit: int, among: Iterable[str] | None = None
) -> list[Collection]:
    """Up to `limit` collections in the order of their names: those after `after_name`, and among some, if given."""
    parameters = {"after": after_name or "", "limit": limit}
    if among is None:
        rows = connection.execute(_PAGE, parameters)
    else:
        rows = connection.execute(_PAGE.where(is_one_of(TABLE.c.name, "among")), {**parameters, "among": list(among)})
    return [_of_row(row) for row in rows]


def drop(connection: Connection, name: str) -> Collection | None:
    """Take a collection away from every caller, and delete its jobs; None if there was none of that name.

    Its name is free at once. Its rows are still there, for `deletion.drop_collection` to delete in short transactions:
    the caller enqueues that job. The collection that is returned has a name that no caller can give.
    """
    row = connection.execute(_DROP, {"old_name": name}).first()
    if row is None:
        return None
    dropped = _of_row(row)
    connection.execute(delete(schema.jobs).where(schema.jobs.c.collection_id == dropped.id))
    return dropped


def dropped(connection: Connection) -> list[Collection]:
    """The collections that were dropped and whose rows are not all deleted yet."""
    query = select(*_COLUMNS).where(~EXISTS).order_by(TABLE.c.id)
    return [_of_row(row) for row in connection.execute(query)]


def _of_row(row: Sequence[Any]) -> Collection:
    """The collection of a row of `_COLUMNS`."""
    id, name, kind, n_bits, last_seq, created_at, words_version, vectors, has_expired = row
    settings = VectorSettings.of_row(vectors)
    created = instant(created_at)
    return Collection(id, name, kind, n_bits, last_seq, created, words_version, settings, bool(has_expired))


_BY_NAME = DriverQuery(
    sqlite="SELECT id, name, kind, n_bits, last_seq, created_at, words_version, vectors,"  # noqa: S608
    f" expires_next <= {SQLITE_NOW} FROM collections WHERE name = ?",
    postgresql="SELECT id, name, kind, n_bits, last_seq, created_at, words_version, vectors::text,"
    " expires_next <= clock_timestamp() FROM collections WHERE name = %s",
)
_BY_ID = select(*_COLUMNS).where(TABLE.c.id == bindparam("id"), EXISTS)
_PAGE = (
    select(*_COLUMNS).where(TABLE.c.name > bindparam("after"), EXISTS).order_by(TABLE.c.name).limit(bindparam("limit"))
)
_DROP = (
    update(TABLE)
    .where(TABLE.c.name == bindparam("old_name"), EXISTS)
    .values(name=literal("#") + cast(TABLE.c.id, Text), dropped_at=now())
    .returning(*_COLUMNS)
)
