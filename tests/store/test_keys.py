from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.errors import NotFound
from service.store import audit, keys
from service.store.audit import AuditedCall
from service.store.database import Database
from service.store.keys import KeyLimits, NewKey


def made(database: Database, key: NewKey) -> tuple[bytes, keys.Key]:
    digest = uuid4().bytes * 2
    with database.write() as connection:
        return digest, keys.create(connection, key, digest)


def test_a_key_comes_back_as_it_was_made_until_it_is_revoked(database: Database) -> None:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    new = NewKey("for Ada", ("read", "write"), ("texts", "notes"), expires_at, KeyLimits(60, None, 2))
    digest, key = made(database, new)
    plain_digest, plain = made(database, NewKey("plain", ("admin",)))
    assert (key.name, key.scopes, key.collections, key.expires_at) == (
        "for Ada",
        ("read", "write"),
        new.collections,
        expires_at,
    )
    assert (key.limits, key.last_used_at, key.revoked_at) == (new.limits, None, None)
    assert (plain.collections, plain.expires_at, plain.limits) == (None, None, KeyLimits())
    with database.read() as connection:
        assert dict(keys.live(connection)) == {digest: key, plain_digest: plain}
        assert keys.by_digest(connection, digest) == key
        assert keys.page(connection, 0, 1) == [key]
        assert keys.page(connection, key.id, 5) == [plain]
    with database.write() as connection:
        revoked = keys.revoke(connection, key.id)
        assert revoked.revoked_at is not None
        assert keys.revoke(connection, key.id) == revoked
        keys.mark_used(connection, [plain.id])
    with database.read() as connection:
        assert [digest for digest, _ in keys.live(connection)] == [plain_digest]
        assert keys.by_digest(connection, digest) is None
        assert keys.get(connection, plain.id).last_used_at is not None
        with pytest.raises(NotFound):
            keys.get(connection, plain.id + 1)


def test_a_key_that_has_expired_is_not_live(database: Database) -> None:
    digest, _ = made(database, NewKey("old", ("read",), None, datetime.now(UTC) - timedelta(minutes=1)))
    with database.read() as connection:
        assert (keys.n_live(connection), keys.live(connection), keys.by_digest(connection, digest)) == (0, [], None)


def test_the_version_of_the_keys_differs_after_each_change(database: Database) -> None:
    seen = []
    for change in ("none", "make", "make", "revoke", "revoke"):
        if change == "make":
            _, key = made(database, NewKey("one", ("read",)))
        elif change == "revoke":
            with database.write() as connection:
                keys.revoke(connection, key.id)
        with database.read() as connection:
            seen.append(keys.version(connection))
    assert len(set(seen)) == 4  # to revoke again changes nothing
    assert seen[-1] == seen[-2]


def test_calls_are_listed_last_first_and_forgotten_after_some_days(database: Database) -> None:
    def call(path: str, days: int) -> AuditedCall:
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
        return AuditedCall(at, None, "NEARBIT_ADMIN_KEY", "10.0.0.1", "DELETE", "/v1/keys/{key}", path, None, 204, "r")

    calls = [call("/v1/keys/1", 9), call("/v1/keys/2", 1), call("/v1/keys/3", 0)]
    with database.write() as connection:
        audit.add(connection, calls)
    with database.read() as connection:
        (first_id, first), (second_id, second) = audit.page(connection, 1 << 40, 2)
        assert [first, second] == [calls[2], calls[1]]
        assert [one for _, one in audit.page(connection, second_id, 5)] == [calls[0]]
        assert first_id > second_id
    with database.write() as connection:
        assert audit.forget(connection, 5) == 1
        assert audit.forget(connection, 5) == 0
