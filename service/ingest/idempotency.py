"""Idempotent calls: run once for each key of a caller, however often they are sent."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection

from service.store import idempotency
from service.store.database import Database
from service.store.idempotency import Claim, Conclude, StoredAnswer
from service.threads import run_in_thread

T = TypeVar("T")


class IdempotentCalls:
    """Keeps the answers of calls that came with a key (docs/decisions/0022)."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def claim(self, caller: bytes, key: str, digest: bytes) -> Claim | StoredAnswer:
        """The first answer to a call, or the right to run it.

        Args:
            caller: who calls: the same key of two callers is two keys.
            key: names the call.
            digest: of the call: with its body, or without one that is read as it comes.

        Raises:
            KeyReused: the key came with another call.
            CallRunning: the call is running.
        """
        claim = Claim(sha256(sha256(caller).digest() + key.encode()).digest(), key, digest, uuid4().hex)

        def commit() -> StoredAnswer | None:
            with self.database.write() as connection:
                return idempotency.claim(connection, claim)

        return await run_in_thread(commit) or claim

    async def renew(self, claim: Claim) -> None:
        """Claim a call that still runs for another half minute."""

        def commit() -> None:
            with self.database.write() as connection:
                idempotency.renew(connection, claim)

        await run_in_thread(commit)

    async def release(self, claim: Claim) -> None:
        """Have the next call with the key run, unless this one has done its work."""

        def commit() -> None:
            with self.database.write() as connection:
                idempotency.release(connection, claim)

        await run_in_thread(commit)


def concluding(claim: Claim, answer: Callable[[T], StoredAnswer]) -> Conclude[T]:
    """What keeps the answer to a call in the transaction of its write."""

    def conclude(connection: Connection, result: T) -> None:
        idempotency.conclude(connection, claim, answer(result))

    return conclude
