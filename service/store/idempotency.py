"""Calls with a key of their caller's: claimed before they run, concluded in the transaction of their write.

A row is claimed first, in a transaction of its own. The call then does its work, and writes its answer into the row in
the transaction that does the work, on condition that the claim is still its own: so there is an answer if and only if
the work was done, whenever a process is killed, and of two processes that hold a claim for one key, one after the other
because the first was slow, only one can commit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, and_, delete, or_, select, update

from service.errors import CallRunning, KeyReused
from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.idempotent_calls
T = TypeVar("T")
Conclude = Callable[[Connection, T], None]
"""Writes the answer that follows from the result of a write, in the transaction of that write."""

KEPT_S = 24 * 3600.0
"""Seconds for which answers are kept."""
_LEASE_S = 30.0
"""Seconds after which the key of a call that has not ended, because its process died, may be claimed again."""
_DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a call.

    Attributes:
        id: digest of the caller and the key.
        key: as the caller sent it.
        digest: of the call: with its body, or without one that is read as it comes.
        token: names this claim.
    """

    id: bytes
    key: str
    digest: bytes
    token: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that a call got: HTTP status, headers and body; `digest` begins as that of its claim did."""

    status: int
    headers: dict[str, str]
    body: bytes
    digest: bytes


def claim(connection: Connection, claim: Claim) -> StoredAnswer | None:
    """The first answer to the call; None if there was none yet: then it is for the caller to run.

    Args:
        connection: of a write transaction.
        claim: what is claimed.

    Raises:
        KeyReused: the key came with another call.
        CallRunning: the call is running.
    """
    fresh = {
        "digest": claim.digest,
        "claim": claim.token,
        "claimed_until": now(_LEASE_S),
        "created_at": now(),
        "status": None,
        "headers": None,
        "body": None,
    }
    statement = insert(connection, TABLE).values(id=claim.id, **fresh)
    taken_over = statement.on_conflict_do_update(
        index_elements=["id"],
        set_=fresh,
        where=or_(
            _IS_OLD,
            and_(TABLE.c.status.is_(None), TABLE.c.claimed_until <= now(), TABLE.c.digest == claim.digest),
        ),
    )
    if connection.execute(taken_over.returning(TABLE.c.claim)).scalar() is not None:
        return None
    row = connection.execute(select(TABLE).where(TABLE.c.id == claim.id)).one()
    if not row.digest.startswith(claim.digest):
        raise KeyReused(claim.key)
    if row.status is None:
        raise CallRunning(claim.key)
    return StoredAnswer(row.status, row.headers, zlib.decompress(row.body), row.digest)


def renew(connection: Connection, claim: Claim) -> None:
    """Claim a call that still runs for longer; without effect if another process has claimed it meanwhile."""
    mine = (TABLE.c.id == claim.id, TABLE.c.claim == claim.token)
    connection.execute(update(TABLE).where(*mine).values(claimed_until=now(_LEASE_S)))


def conclude(connection: Connection, claim: Claim, answer: StoredAnswer) -> None:
    """Keep the answer to a call, in the transaction that does its work.

    Raises:
        CallRunning: another process has claimed the call meanwhile; the transaction must not be committed.
    """
    values = {
        "status": answer.status,
        "headers": answer.headers,
        "body": zlib.compress(answer.body, 1),
        "digest": answer.digest,
    }
    mine = (TABLE.c.id == claim.id, TABLE.c.claim == claim.token, TABLE.c.status.is_(None))
    if not connection.execute(update(TABLE).where(*mine).values(values)).rowcount:
        raise CallRunning(claim.key)


def release(connection: Connection, claim: Claim) -> None:
    """Give up a claim whose call did nothing; one that was concluded, or taken over, stays."""
    mine = (TABLE.c.id == claim.id, TABLE.c.claim == claim.token, TABLE.c.status.is_(None))
    connection.execute(delete(TABLE).where(*mine))


def has_old(connection: Connection) -> bool:
    """Whether there are answers that are kept no longer."""
    return connection.execute(select(TABLE.c.id).where(_IS_OLD).limit(1)).first() is not None


def delete_old(connection: Connection) -> int:
    """Delete answers that are kept no longer, some hundreds at most, and return how many."""
    old = select(TABLE.c.id).where(_IS_OLD).limit(_DELETED_AT_ONCE)
    return connection.execute(delete(TABLE).where(TABLE.c.id.in_(old))).rowcount


_IS_OLD = TABLE.c.created_at <= now(-KEPT_S)
