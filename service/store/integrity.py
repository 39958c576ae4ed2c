"""Integrity: whether codes and buckets agree with what they are derived from, and how they are derived anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, exists, func, select

from service.hashing.codes import substrings
from service.store import buckets, codes, schema
from service.store.database import Lane
from service.store.spaces import CodeSpace
from service.store.statements import is_one_of

CODES, DOCUMENTS = schema.codes, schema.documents
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Disagreements:
    """What does not agree in one code space.

    Attributes:
        n_codes: codes in the space.
        n_of_other_width: those that are not as wide as the space says; if there are any, the rest was not looked at.
        orphans: documents that are gone and have a code.
        unaddressed: documents that lack a row in the buckets; none where the space has no buckets.
        stray: rows of the buckets that no code has.
    """

    n_codes: int
    n_of_other_width: int
    orphans: list[int]
    unaddressed: list[int]
    stray: list[buckets.Row]


def disagreements(connection: Connection, space: CodeSpace) -> Disagreements:
    """What does not agree in a code space.

    Cost: reads all its codes and buckets; 30 bytes of memory for each code.
    """
    of_space = {"space": space.id}
    n_of_other_width = connection.execute(_OF_OTHER_WIDTH, of_space | {"n_bytes": space.n_bits // 8}).scalar_one()
    orphans = [*connection.scalars(_ORPHANS, of_space | {"collection": space.collection_id})]
    if n_of_other_width:
        return Disagreements(0, n_of_other_width, orphans, [], [])
    keys, found = codes.load(connection, space.id, space.n_bits // 8)
    n_tables = buckets.n_tables(space.n_bits)
    addresses = substrings(found, n_tables) if len(found) else np.empty((0, n_tables), np.int64)
    seen = np.full((len(keys), n_tables), not space.has_buckets)
    stray: list[buckets.Row] = []
    for rows in buckets.each_row(connection, space.id):
        agrees = _mark(rows, keys, addresses, seen)
        stray += [(int(table), int(address), int(key)) for table, address, key in rows[~agrees]]
    return Disagreements(len(keys), 0, orphans, keys[~seen.all(axis=1)].tolist(), stray)


def forget_orphans(lane: Lane, keys: list[int]) -> int:
    """Remove the codes of documents, of those that do not exist; return how many of them had one."""
    existing = set(lane.connection.scalars(_EXISTING, {"keys": keys}))
    gone = [key for key in keys if key not in existing]
    before = lane.last_seq
    codes.discard(lane, gone)
    return lane.last_seq - before


def readdress(lane: Lane, space: CodeSpace, found: Disagreements) -> int:
    """Have the buckets hold what the codes say, for what disagreed a moment ago.

    In one transaction, in which nobody else writes to the collection.

    Returns:
        How many stray rows and documents those were.
    """
    buckets.delete_rows(lane.connection, space.id, found.stray)
    keys = sorted({*found.unaddressed, *(key for _, _, key in found.stray)})
    for start in range(0, len(keys), _AT_ONCE):
        states = codes.states(lane.connection, space.id, keys[start : start + _AT_ONCE])
        live = {key: code for key, (_, code) in states.items() if code is not None}
        if live:
            rows = buckets.stack([*live.values()], space.n_bits // 8)
            buckets.take_out(lane.connection, space.id, [*live], rows)
            buckets.put(lane.connection, space.id, [*live], rows)
    return len(found.stray) + len(keys)


def _mark(
    rows: NDArray[np.int64], keys: NDArray[np.int64], addresses: NDArray[Any], seen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which rows a code has; these are marked in `seen`."""
    agrees = np.zeros(len(rows), np.bool_)
    if len(keys) == 0:
        return agrees
    tables, places = rows[:, 0], np.searchsorted(keys, rows[:, 2])
    known = (places < len(keys)) & (tables >= 0) & (tables < seen.shape[1])
    known[known] = keys[places[known]] == rows[known, 2]
    agrees[known] = addresses[places[known], tables[known]] == rows[known, 1]
    seen[places[agrees], tables[agrees]] = True
    return agrees


_OF_SPACE = (CODES.c.space_id == bindparam("space"), CODES.c.code.is_not(None))
_OF_OTHER_WIDTH = (
    select(func.count()).select_from(CODES).where(*_OF_SPACE, func.length(CODES.c.code) != bindparam("n_bytes"))
)
_ORPHANS = (
    select(CODES.c.document_key)
    .where(
        *_OF_SPACE,
        ~exists().where(DOCUMENTS.c.key == CODES.c.document_key, DOCUMENTS.c.collection_id == bindparam("collection")),
    )
    .order_by(CODES.c.document_key)
)
_EXISTING = select(DOCUMENTS.c.key).where(is_one_of(DOCUMENTS.c.key, "keys"))
