from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.access.caller import ANYONE, allowed_by
from service.access.keyring import Keyring
from service.access.making import make_key, revoke_key
from service.config import Settings
from service.errors import TooManyKeys
from service.store import keys
from service.store.database import Database
from service.store.keys import KeyLimits, NewKey

GUARDED = Settings(admin_key="the admin's", read_key="rëaders", key_requests_per_minute=7)


def made(database: Database, *scopes: keys.KeyScope, **members: object) -> tuple[int, bytes]:
    key, text = make_key(database, NewKey("one", scopes, **members))  # type: ignore[arg-type]
    return key.id, text.encode()


def test_the_keys_of_the_settings_are_known_at_once() -> None:
    keyring = Keyring(GUARDED)
    admin, reader = keyring.caller(b"the admin's"), keyring.caller("rëaders".encode())
    assert admin is not None
    assert admin.scopes == {"read", "write", "admin"}
    assert admin.allowance is None
    assert reader is not None
    assert reader.scopes == {"read"}
    for wrong in (b"", b"the admin", b"the admin's1", "rëaders".encode("latin-1")):
        assert keyring.caller(wrong) is None


def test_without_any_key_everyone_may_do_everything_until_one_is_made(database: Database) -> None:
    keyring = Keyring(Settings())
    keyring.refresh(database)
    assert keyring.caller(b"") is ANYONE
    id, text = made(database, "read", expires_at=datetime.now(UTC) + timedelta(seconds=60))
    keyring.refresh(database)
    assert keyring.caller(b"") is None
    assert keyring.caller(text) is not None
    revoke_key(database, id)
    keyring.refresh(database)
    assert keyring.caller(text) is None
    assert keyring.caller(b"") is None  # not open again: that would be a surprise
    assert not Keyring(GUARDED).is_open


def test_a_key_is_what_it_was_made_until_it_expires(database: Database) -> None:
    now = datetime.now(UTC).timestamp()
    clock = [now]
    keyring = Keyring(GUARDED, clock=lambda: clock[0])
    expires_at = datetime.fromtimestamp(now + 60, UTC)
    _, text = made(database, "write", collections=["a", "b"], expires_at=expires_at, limits=KeyLimits(5, None, 2))
    keyring.refresh(database)
    caller = keyring.caller(text)
    assert caller is not None
    assert (caller.scopes, caller.collections) == ({"read", "write"}, {"a", "b"})
    assert caller.allowance is not None
    assert caller.allowance.limits == KeyLimits(5, None, 2)
    clock[0] += 61
    assert keyring.caller(text) is None


def test_what_was_taken_of_a_key_is_not_given_back_when_others_are_made(database: Database) -> None:
    keyring = Keyring(GUARDED)
    _, text = made(database, "read")
    keyring.refresh(database)
    before = keyring.caller(text)
    made(database, "read")
    keyring.refresh(database)
    assert keyring.caller(text) is before
    assert before is not None
    assert before.allowance is not None
    assert before.allowance.limits.requests_per_minute == 7  # of the settings


def test_a_key_that_was_just_made_elsewhere_is_looked_up_and_wrong_ones_only_so_often(database: Database) -> None:
    keyring = Keyring(GUARDED)
    keyring.refresh(database)
    _, text = made(database, "read")
    assert keyring.caller(text) is None
    assert keyring.is_worth_a_look(text)
    found = keyring.look_up(database, text)
    assert found is not None
    assert found.scopes == {"read"}
    wrong = text[:-4] + b"0000"
    assert keyring.is_worth_a_look(wrong)
    assert keyring.look_up(database, wrong) is None
    assert not keyring.is_worth_a_look(wrong)
    assert not keyring.is_worth_a_look(b"short")
    assert sum(keyring.is_worth_a_look(text[:-4] + b"%04d" % n) for n in range(1_000)) < 20


def test_the_use_of_keys_is_written_once(database: Database) -> None:
    keyring = Keyring(GUARDED)
    id, text = made(database, "read")
    other, _ = made(database, "read")
    keyring.refresh(database)
    keyring.caller(text)
    keyring.note_use(database)
    with database.read() as connection:
        first = keys.get(connection, id).last_used_at
        assert first is not None
        assert keys.get(connection, other).last_used_at is None
    keyring.note_use(database)
    with database.read() as connection:
        assert keys.get(connection, id).last_used_at == first


def test_no_more_keys_are_valid_than_fit_into_memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.access.making.MOST_KEYS", 2)
    id, _ = made(database, "read")
    made(database, "read")
    with pytest.raises(TooManyKeys):
        made(database, "read")
    revoke_key(database, id)
    made(database, "read")


def test_a_scope_allows_what_those_below_it_allow() -> None:
    assert allowed_by(["admin"]) == {"read", "write", "admin"}
    assert allowed_by(["write", "read"]) == allowed_by(["write"]) == {"read", "write"}
    assert allowed_by([]) == set()
