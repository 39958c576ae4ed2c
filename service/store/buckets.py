"""The Hamming-addressed hash table in SQL: lookup by bit-flip enumeration of addresses, exact.

Each code is cut into substrings, and each substring is the address of a bucket in its own table. Two codes that differ
in few bits agree, or nearly so, in at least one substring: flipping few bits of the query's addresses finds them.

Source: Norouzi, Punjani, Fleet (2014), "Fast exact search in Hamming space with multi-index hashing".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, bindparam, func, select, text
from sqlalchemy.dialects import sqlite

from service.hashing.codes import Codes, flip_cost, flip_masks, hamming_distance, substring_widths, substrings
from service.store import schema
from service.store.documents import Keys, integers
from service.store.statements import BulkStatement, ListParameter

BUCKETS, CODES = schema.buckets, schema.codes
_ROWS_AT_ONCE = 50_000

Confidence = NDArray[np.uint8]
"""How sure each bit of a query's code is, from 0 to 255."""
Neighbors = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Keys and distances, in the total order: (distance, key), or with confidence (distance, its sum, key)."""
Row = tuple[int, int, int]
"""Table, address and document of a row."""
_Ordered = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class SqlNeighbors:
    """Neighbors of a code in the total order (distance, key), and the work it took to find them.

    Attributes:
        keys: `(n,)` int64.
        distances: `(n,)` int64, in bits.
        probes: addresses looked up.
        candidates: distinct codes compared with the query.
        radius: every code within this many bits was looked at.
        path: "buckets", or "scan" where reading every code was less work.
    """

    keys: NDArray[np.int64]
    distances: NDArray[np.int64]
    probes: int
    candidates: int
    radius: int
    path: str


def n_tables(n_bits: int) -> int:
    """Number of tables for codes of that width: substrings of at most 16 bits."""
    return max(1, -(-n_bits // 16))


def put(connection: Connection, space_id: int, keys: Keys, codes: Codes) -> None:
    """Enter documents under the addresses of their codes `(n, n_bytes)`."""
    _INSERT.run(connection, *_rows(space_id, keys, codes))


def take_out(connection: Connection, space_id: int, keys: Keys, codes: Codes) -> None:
    """Remove documents from under the addresses of the codes `(n, n_bytes)` that they had."""
    _DELETE.run(connection, *_rows(space_id, keys, codes))


def delete_rows(connection: Connection, space_id: int, rows: Sequence[Row]) -> None:
    """Delete rows, whatever the codes of their documents are."""
    _DELETE.run(connection, [space_id] * len(rows), *([row[part] for row in rows] for part in range(3)))


def each_row(connection: Connection, space_id: int) -> Iterator[NDArray[np.int64]]:
    """The rows `(n, 3)` of a space: table, address, document; in parts, and in no order."""
    options = {"yield_per": _ROWS_AT_ONCE}
    for part in connection.execute(_EACH_ROW, {"space": space_id}, execution_options=options).partitions():
        yield np.array([tuple(row) for row in part], np.int64)


def search(
    connection: Connection,
    space_id: int,
    code: Codes,
    k: int,
    confidence: Confidence | None = None,
    *,
    has_buckets: bool = True,
) -> SqlNeighbors:
    """The `k` nearest documents of a code `(n_bytes,)`; all of them if there are no more than `k`.

    Equal distances are ordered by what it would take to flip the differing bits of the query, where the `(n_bits,)`
    confidence of each of its bits is given, and then by key. In a space without buckets every code is read.

    Level a looks, in every table, at the addresses that differ from the query's in exactly a bits. A code not found
    by then differs in at least a + 1 bits of each substring, n_tables * (a + 1) in all; so k neighbors nearer than
    that are the nearest (op. cit., section 3.3).
    """
    lookup = _Lookup(connection, space_id, code, confidence)
    if not has_buckets:
        return _scan(lookup, lookup.n_bits, k)
    for level in range(lookup.widths[0] + 1):
        if not lookup.probe(level, range(len(lookup.widths))):
            return _scan(lookup, lookup.n_bits, k)
        keys, distances = lookup.nearest()
        radius = min(len(lookup.widths) * (level + 1) - 1, lookup.n_bits)
        if len(keys) >= k and distances[k - 1] <= radius:
            break
    return lookup.neighbors(keys[:k], distances[:k], radius)


def within(
    connection: Connection,
    space_id: int,
    code: Codes,
    radius: int,
    confidence: Confidence | None = None,
    *,
    has_buckets: bool = True,
) -> SqlNeighbors:
    """Every document within `radius` bits of a code `(n_bytes,)`, in the order of `search`.

    A code within radius = n_tables * a + j differs in at most a bits in one of the substrings 0..j, or in at most a - 1
    in one of the others: else its distance would be greater (op. cit., proposition 2).
    """
    lookup = _Lookup(connection, space_id, code, confidence)
    if not has_buckets:
        return _scan(lookup, radius, None)
    whole, rest = divmod(radius, len(lookup.widths))
    for level in range(min(whole, lookup.widths[0]) + 1):
        if not lookup.probe(level, range(len(lookup.widths) if level < whole else rest + 1)):
            return _scan(lookup, radius, None)
    keys, distances = lookup.nearest()
    n_within = int(np.searchsorted(distances, radius, side="right"))
    return lookup.neighbors(keys[:n_within], distances[:n_within], radius)


def scan(connection: Connection, space_id: int, n_bytes: int) -> Iterator[tuple[NDArray[np.int64], Codes]]:
    """Keys `(n,)`, increasing, and codes `(n, n_bytes)` of every document with a code in the space, in parts."""
    for rows in _in_parts(connection, space_id):
        keys, blobs = zip(*rows, strict=True)
        yield np.array(keys, dtype=np.int64), stack(blobs, n_bytes)


def _in_parts(connection: Connection, space_id: int) -> Iterator[Sequence[Any]]:
    """Rows of `_SCAN`; from SQLite straight from the driver, without a third of the time."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        cursor = driver.execute(_SCAN_SQLITE, (space_id,))
        return iter(lambda: cursor.fetchmany(_ROWS_AT_ONCE), [])
    return connection.execute(_SCAN, {"space": space_id}, execution_options={"yield_per": _ROWS_AT_ONCE}).partitions()


def stack(blobs: Sequence[bytes], n_bytes: int) -> Codes:
    """Codes `(n, n_bytes)` from one blob each."""
    return np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(len(blobs), n_bytes)


class _Lookup:
    """The state of one query: what it has found in the buckets so far, and the work that took."""

    def __init__(self, connection: Connection, space_id: int, code: Codes, confidence: Confidence | None) -> None:
        self.connection = connection
        self.space_id = space_id
        self.code = code
        self.confidence = confidence
        self.n_bits = 8 * len(code)
        self.widths = substring_widths(self.n_bits, n_tables(self.n_bits))
        self.addresses = [int(address) for address in substrings(code[None, :], len(self.widths))[0]]
        self.probes = 0
        self.found: dict[int, bytes] = {}

    def probe(self, level: int, tables: range) -> bool:
        """Collect what lies `level` flips from the query's address in each table; False if a scan is less work."""
        n_probes = self.probes + sum(comb(self.widths[table], level) for table in tables)
        limits = {"space": self.space_id, "limit": n_probes}
        if self.connection.execute(_COUNT_UP_TO, limits).scalar_one() < n_probes:
            return False
        slots = [
            table << 16 | self.addresses[table] ^ mask for table in tables for mask in _masks(self.widths[table], level)
        ]
        rows = self.connection.execute(_PROBE[self.connection.dialect.name], {"space": self.space_id, "slots": slots})
        self.found.update((key, code) for key, code in rows)
        self.probes = n_probes
        return True

    def nearest(self) -> Neighbors:
        """Keys and distances of all that was found, in the total order."""
        keys = np.fromiter(self.found, dtype=np.int64, count=len(self.found))
        codes = stack([*self.found.values()], len(self.code))
        return _in_order(keys, hamming_distance(codes, self.code), self.tie_break_costs(codes))[:2]

    def tie_break_costs(self, codes: Codes) -> NDArray[np.float32]:
        """Costs `(n,)` that order codes `(n, n_bytes)` of equal distance; all zero if only their keys do."""
        if self.confidence is None:
            return np.zeros(len(codes), dtype=np.float32)
        return flip_cost(codes, self.code, self.confidence)

    def neighbors(self, keys: NDArray[np.int64], distances: NDArray[np.int64], radius: int) -> SqlNeighbors:
        """These neighbors, found through the buckets alone."""
        return SqlNeighbors(keys, distances, self.probes, len(self.found), radius, "buckets")


def _scan(lookup: _Lookup, radius: int, k: int | None) -> SqlNeighbors:
    """Neighbors among all codes of the space: those within the radius, only the `k` nearest of them if k is given."""
    best: _Ordered = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    n_codes = 0
    for keys, codes in scan(lookup.connection, lookup.space_id, len(lookup.code)):
        n_codes += len(keys)
        distances = hamming_distance(codes, lookup.code)
        near = distances <= radius
        ordered = _in_order(
            np.concatenate([best[0], keys[near]]),
            np.concatenate([best[1], distances[near]]),
            np.concatenate([best[2], lookup.tie_break_costs(codes[near])]),
        )
        best = ordered[0][:k], ordered[1][:k], ordered[2][:k]
    return SqlNeighbors(best[0], best[1], lookup.probes, n_codes, radius, "scan")


def _in_order(keys: NDArray[np.int64], distances: NDArray[np.int64], costs: NDArray[np.float32]) -> _Ordered:
    order = np.lexsort((keys, costs, distances))
    return keys[order], distances[order], costs[order]


@cache
def _masks(width: int, n_flips: int) -> tuple[int, ...]:
    return tuple(flip_masks(width, n_flips))


def _rows(space_id: int, keys: Keys, codes: Codes) -> tuple[list[int], ...]:
    """Columns of the buckets' rows: space, table, address, document."""
    tables = n_tables(8 * codes.shape[1])
    addresses = substrings(codes, tables).T.ravel().tolist()  # table by table, as the primary key has them
    return (
        [space_id] * len(addresses),
        [table for table in range(tables) for _ in range(len(codes))],
        addresses,
        integers(keys) * tables,
    )


_EACH_ROW = select(BUCKETS.c.table_no, BUCKETS.c.address, BUCKETS.c.document_key).where(
    BUCKETS.c.space_id == bindparam("space")
)
_COUNT_UP_TO = select(func.count()).select_from(
    select(CODES.c.document_key)
    .where(CODES.c.space_id == bindparam("space"), CODES.c.code.is_not(None))
    .limit(bindparam("limit"))
    .subquery()
)
_SCAN = (
    select(CODES.c.document_key, CODES.c.code)
    .where(CODES.c.space_id == bindparam("space"), CODES.c.code.is_not(None))
    .order_by(CODES.c.document_key)
)
_SCAN_SQLITE = str(_SCAN.compile(dialect=sqlite.dialect()))
# A slot is table and address in one number: a list of numbers names every bucket of a level, in one statement.
_PROBES = {
    "sqlite": """
        SELECT buckets.document_key, codes.code
        FROM json_each(:slots) AS probe
        CROSS JOIN buckets ON buckets.space_id = :space
            AND buckets.table_no = probe.value >> 16 AND buckets.address = probe.value & 65535
        CROSS JOIN codes ON codes.space_id = :space AND codes.document_key = buckets.document_key
    """,
    "postgresql": """
        SELECT buckets.document_key, codes.code
        FROM unnest(:slots) AS probe (slot)
        JOIN buckets ON buckets.space_id = :space
            AND buckets.table_no = probe.slot >> 16 AND buckets.address = probe.slot & 65535
        JOIN codes ON codes.space_id = :space AND codes.document_key = buckets.document_key
    """,
}
_PROBE = {
    dialect: text(statement).bindparams(bindparam("slots", type_=ListParameter(BigInteger)))
    for dialect, statement in _PROBES.items()
}

_INSERT = BulkStatement(
    sqlite="INSERT INTO buckets (space_id, table_no, address, document_key) VALUES (?, ?, ?, ?)",
    postgresql="""
        INSERT INTO buckets (space_id, table_no, address, document_key)
        SELECT * FROM unnest(%b::bigint[], %b::smallint[], %b::integer[], %b::bigint[])
    """,
)
_DELETE = BulkStatement(
    sqlite="DELETE FROM buckets WHERE space_id = ? AND table_no = ? AND address = ? AND document_key = ?",
    postgresql="""
        DELETE FROM buckets
        USING unnest(%b::bigint[], %b::smallint[], %b::integer[], %b::bigint[]) AS gone (space, table_no, address, key)
        WHERE buckets.space_id = gone.space AND buckets.table_no = gone.table_no
          AND buckets.address = gone.address AND buckets.document_key = gone.key
    """,
)
