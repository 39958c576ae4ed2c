"""Codes of a space that is being filled: written outside the commit lane, by any number of processes.

A space in state encoding answers nobody and is followed by nobody, so its codes may become visible in any order. What
must hold is that each document ends with the code of what it says now, or with none:

- Whatever changes or deletes a document leaves a tombstone in a space that is being filled, with a seq drawn in the
  commit lane (`codes.discard`, `codes.renew`), also where the document had no code there.
- A document is given a code here only where it has no row, or a tombstone that is no newer than the snapshot in which
  the document was read. The primary key orders the two where they happen at once.
- The row of the space is held until the transaction ends: a move to the next state waits for those who write, and
  those who come later are refused. From then on codes are written in the lane, and the space can be followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from service.hashing.codes import Codes
from service.store import spaces
from service.store.database import Database
from service.store.documents import Keys, integers
from service.store.spaces import CodeSpace

_WAIT_MS = 300
"""Longest wait for a document that somebody changes at that moment: shorter than PostgreSQL waits before it looks for
a deadlock, so that it is never the one in the commit lane who has to give way."""


def settle(database: Database, space: CodeSpace) -> None:
    """Wait for writers that may not know that a space is being filled. Documents may be read for `fill` afterwards."""
    with database.lane(space.collection_id):
        pass


def fill(database: Database, space: CodeSpace, keys: Keys, codes: Codes, read_seq: int) -> int:
    """Give documents their codes in a space that is being filled; return how many got one. Blocks.

    Those that have a code already, and those that were changed since they were read, are left as they are.

    Args:
        database: where the space is.
        space: the space, in state encoding.
        keys: `(n,)` documents of its collection, each once.
        codes: `(n, n_bytes)` uint8.
        read_seq: the last seq of the collection in the snapshot in which the documents were read.

    Raises:
        ForbiddenMove: the space is not being filled any more.
        DatabaseUnavailable: the database does not answer; on PostgreSQL also if somebody changes one of the documents.

    Cost: two transactions, the first of one row.
    """
    if len(keys) == 0:
        return 0
    with database.lane(space.collection_id) as lane:
        first = lane.draw(len(keys))
    with database.write() as connection:
        return _write(connection, space.id, integers(keys), codes, range(first, first + len(keys)), read_seq)


def _write(
    connection: Connection, space_id: int, keys: Sequence[int], codes: Codes, seqs: Sequence[int], read_seq: int
) -> int:
    blobs = [code.tobytes() for code in codes]
    if connection.dialect.name == "sqlite":
        spaces.check_state(connection, space_id, "encoding")
        rows: list[Any] = [
            (space_id, key, seq, blob, read_seq) for key, seq, blob in zip(keys, seqs, blobs, strict=True)
        ]
        return connection.exec_driver_sql(_FILL_SQLITE, rows).rowcount
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
    spaces.check_state(connection, space_id, "encoding")
    return connection.exec_driver_sql(_FILL_POSTGRESQL, (space_id, keys, list(seqs), blobs, read_seq)).rowcount


_FILL_SQLITE = """
    INSERT INTO codes (space_id, document_key, seq, code) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (space_id, document_key) DO UPDATE SET seq = excluded.seq, code = excluded.code
    WHERE codes.code IS NULL AND codes.seq <= ?5
"""
_FILL_POSTGRESQL = """
    INSERT INTO codes (space_id, document_key, seq, code)
    SELECT %b::bigint, * FROM unnest(%b::bigint[], %b::bigint[], %b::bytea[])
    ON CONFLICT (space_id, document_key) DO UPDATE SET seq = excluded.seq, code = excluded.code
    WHERE codes.code IS NULL AND codes.seq <= %b::bigint
"""
