"""Buckets of a space that has its codes: built in one go, in the order of their index, while others write codes.

Row by row, in the transactions that write codes, they take most of the time of these. Here they are sorted first, so
that the index only grows at one end, and go through COPY on PostgreSQL.

Until a space has buckets, who writes codes in it leaves them alone (`CodeSpace.has_buckets`), so they have one writer,
this one. Codes that change meanwhile have a greater seq than the snapshot that was built from. Their documents are put
right afterwards, the last of them in the commit lane, in the transaction that declares the buckets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from service.hashing.codes import Codes, substrings
from service.store import buckets, codes, collections, schema, spaces
from service.store.database import Database
from service.store.spaces import CodeSpace

_BUCKETS = schema.buckets
_ROWS_AT_ONCE, _CHANGES_AT_ONCE, _IN_LANE = 50_000, 5_000, 500
_ADDRESSES, _ADDRESSES_AT_ONCE = 1 << 16, 1 << 10
_INSERT = "INSERT INTO buckets (space_id, table_no, address, document_key) VALUES (?, ?, ?, ?)"
_COPY = "COPY buckets (space_id, table_no, address, document_key) FROM STDIN (FORMAT binary)"
_COPY_BEGIN, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_COPY_ROW = np.dtype(
    [
        ("n_fields", ">i2"),
        *(("space_size", ">i4"), ("space", ">i8")),
        *(("table_size", ">i4"), ("table", ">i2")),
        *(("address_size", ">i4"), ("address", ">i4")),
        *(("key_size", ">i4"), ("key", ">i8")),
    ]
)


def build(
    database: Database, space: CodeSpace, report: Callable[[int, int], None] = lambda done, total: None
) -> CodeSpace:
    """The space, with its buckets; as it is if it has them. Blocks.

    Args:
        database: where the space is.
        space: a space that is being built and is not filled any more; no other process builds its buckets.
        report: takes the number of rows written and of all; may raise to stop the run, which can be repeated.

    Raises:
        ForbiddenMove: the space is not being built any more.

    Cost: memory of about 60 bytes for each code of 64 bits.
    """
    if space.has_buckets:
        return space
    _clear(database, space)
    with database.read() as connection:
        seq = collections.by_id(connection, space.collection_id).last_seq
        keys, found = codes.load(connection, space.id, space.n_bits // 8)
    _write(database, space, keys, found, report)
    addressed = _Addressed(space, keys, found, seq)
    while addressed.n_behind(database) > _IN_LANE:
        with database.write() as connection:
            addressed.follow(connection)
    with database.lane(space.collection_id) as lane:
        while addressed.follow(lane.connection):
            pass
        return spaces.set_has_buckets(lane.connection, space.id)


class _Addressed:
    """The codes under whose addresses the documents of a space stand in the buckets.

    Args:
        space: the space.
        keys: `(n,)` int64, increasing.
        codes: `(n, n_bytes)` uint8.
        seq: every change of a code up to it is in the buckets.
    """

    def __init__(self, space: CodeSpace, keys: NDArray[np.int64], codes: Codes, seq: int) -> None:
        self._space, self._keys, self._codes, self._seq = space, keys, codes, seq
        self._since: dict[int, bytes | None] = {}

    def n_behind(self, database: Database) -> int:
        """Changes that are not in the buckets yet, counted up to those of one step."""
        with database.read() as connection:
            return len(codes.changes(connection, self._space.id, self._seq, _CHANGES_AT_ONCE))

    def follow(self, connection: Connection) -> int:
        """Put the documents of the next changes under their codes; return how many those were."""
        spaces.check_state(connection, self._space.id, "evaluating")
        changes = codes.changes(connection, self._space.id, self._seq, _CHANGES_AT_ONCE)
        if len(changes) == 0:
            return 0
        keys = changes.keys.tolist()
        before = {key: code for key in keys if (code := self._code(key)) is not None}
        if before:
            n_bytes = self._space.n_bits // 8
            buckets.take_out(connection, self._space.id, [*before], buckets.stack([*before.values()], n_bytes))
        self._since.update(dict.fromkeys(keys))
        live = ~changes.deleted
        if live.any():
            buckets.put(connection, self._space.id, changes.keys[live], changes.codes[live])
            self._since.update(
                (key, code.tobytes())
                for key, code in zip(changes.keys[live].tolist(), changes.codes[live], strict=True)
            )
        self._seq = int(changes.seqs[-1])
        return len(changes)

    def _code(self, key: int) -> bytes | None:
        if key in self._since:
            return self._since[key]
        place = int(np.searchsorted(self._keys, key))
        return self._codes[place].tobytes() if place < len(self._keys) and self._keys[place] == key else None


def _clear(database: Database, space: CodeSpace) -> None:
    """Delete what an interrupted run has written, in transactions of bounded length."""
    of_space = _BUCKETS.c.space_id == space.id
    with database.read() as connection:
        if connection.execute(select(_BUCKETS.c.space_id).where(of_space).limit(1)).first() is None:
            return
    for table in range(buckets.n_tables(space.n_bits)):
        for start in range(0, _ADDRESSES, _ADDRESSES_AT_ONCE):
            between = _BUCKETS.c.address.between(start, start + _ADDRESSES_AT_ONCE - 1)
            with database.write() as connection:
                spaces.check_state(connection, space.id, "evaluating")
                connection.execute(delete(_BUCKETS).where(of_space, _BUCKETS.c.table_no == table, between))


def _write(
    database: Database, space: CodeSpace, keys: NDArray[np.int64], codes: Codes, report: Callable[[int, int], None]
) -> None:
    n_tables = buckets.n_tables(space.n_bits)
    total, done = len(keys) * n_tables, 0
    parts = [substrings(codes[start : start + _ROWS_AT_ONCE], n_tables) for start in range(0, len(keys), _ROWS_AT_ONCE)]
    for table in range(n_tables):
        addresses = np.concatenate([part[:, table].astype(np.int32) for part in parts] or [np.empty(0, np.int32)])
        order = np.argsort(addresses, kind="stable")  # keys increase
        for start in range(0, len(order), _ROWS_AT_ONCE):
            part = order[start : start + _ROWS_AT_ONCE]
            with database.write() as connection:
                spaces.check_state(connection, space.id, "evaluating")
                _insert(connection, space.id, table, addresses[part], keys[part])
            done += len(part)
            report(done, total)


def _insert(
    connection: Connection, space_id: int, table: int, addresses: NDArray[np.int32], keys: NDArray[np.int64]
) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        rows = ((space_id, table, address, key) for address, key in zip(addresses.tolist(), keys.tolist(), strict=True))
        driver.executemany(_INSERT, rows)
        return
    fields = {"space": space_id, "table": table, "address": addresses, "key": keys}
    copied = np.empty(len(keys), _COPY_ROW)
    copied["n_fields"] = len(fields)
    for name, values in fields.items():
        copied[name] = values
        copied[f"{name}_size"] = _COPY_ROW[name].itemsize
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(_COPY_BEGIN + copied.tobytes() + _COPY_END)
