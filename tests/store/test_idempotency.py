from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from service.errors import CallRunning, KeyReused
from service.store import idempotency, schema
from service.store.database import Database
from service.store.idempotency import KEPT_S, Claim, StoredAnswer
from service.store.schema import now

FIRST = Claim(b"caller and key", "key", b"call", "first")
SECOND = replace(FIRST, token="second")
ANSWER = StoredAnswer(201, {"content-type": "application/json"}, b'{"a": 1}' * 1000, b"call and body")


def claim(database: Database, claim: Claim, digest: bytes = b"call") -> StoredAnswer | None:
    with database.write() as connection:
        return idempotency.claim(connection, replace(claim, digest=digest))


def conclude(database: Database, claim: Claim) -> None:
    with database.write() as connection:
        idempotency.conclude(connection, claim, ANSWER)


def end_lease(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(schema.idempotent_calls).values(claimed_until=now(-1)))


def test_a_call_is_claimed_once_and_then_has_its_answer(database: Database) -> None:
    assert claim(database, FIRST) is None
    with pytest.raises(CallRunning):
        claim(database, SECOND)
    conclude(database, FIRST)
    assert claim(database, SECOND) == ANSWER
    assert claim(database, replace(SECOND, id=b"another caller")) is None


def test_a_key_of_another_call_is_refused_while_it_runs_and_afterwards(database: Database) -> None:
    claim(database, FIRST)
    with pytest.raises(KeyReused, match="'key'"):
        claim(database, SECOND, b"another call")
    end_lease(database)
    with pytest.raises(KeyReused):
        claim(database, SECOND, b"another call")
    conclude(database, FIRST)
    with pytest.raises(KeyReused):
        claim(database, SECOND, b"another call")


def test_a_call_whose_process_died_may_be_claimed_again_and_the_first_cannot_end(database: Database) -> None:
    claim(database, FIRST)
    end_lease(database)
    assert claim(database, SECOND) is None
    with pytest.raises(CallRunning):
        conclude(database, FIRST)
    with database.write() as connection:
        idempotency.release(connection, FIRST)  # which is not its any more
    conclude(database, SECOND)
    with pytest.raises(CallRunning):
        conclude(database, FIRST)
    assert claim(database, FIRST) == ANSWER


def test_a_claim_that_is_renewed_stays_its_own(database: Database) -> None:
    claim(database, FIRST)
    end_lease(database)
    for renewing in (SECOND, FIRST):
        with database.write() as connection:
            idempotency.renew(connection, renewing)
    with pytest.raises(CallRunning):
        claim(database, SECOND)


def test_a_call_that_did_nothing_is_free_and_one_that_ended_is_not(database: Database) -> None:
    for _ in range(2):
        assert claim(database, FIRST) is None
        with database.write() as connection:
            idempotency.release(connection, FIRST)
    claim(database, FIRST)
    conclude(database, FIRST)
    with database.write() as connection:
        idempotency.release(connection, FIRST)
    assert claim(database, SECOND) == ANSWER


def test_answers_are_kept_for_a_day(database: Database) -> None:
    claim(database, FIRST)
    conclude(database, FIRST)
    with database.read() as connection:
        assert not idempotency.has_old(connection)
    with database.write() as connection:
        assert idempotency.delete_old(connection) == 0
        connection.execute(update(schema.idempotent_calls).values(created_at=now(-KEPT_S - 1)))
    with database.read() as connection:
        assert idempotency.has_old(connection)
    assert claim(database, SECOND, b"another call") is None  # before they are deleted
    with database.write() as connection:
        connection.execute(update(schema.idempotent_calls).values(created_at=now(-KEPT_S - 1)))
        assert idempotency.delete_old(connection) == 1
        assert idempotency.delete_old(connection) == 0
