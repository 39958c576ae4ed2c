"""The keyring: every valid key in memory, so that no request waits for SQL to know its caller."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from hashlib import blake2b

from service.access.allowance import Allowance
from service.access.caller import ANYONE, Caller
from service.access.key_text import could_be_made, digest_of_key
from service.access.rate import Rate
from service.config import Settings
from service.store import keys
from service.store.database import Database
from service.store.keys import SCOPES, Key, KeyLimits, KeysVersion

_LOOKUPS_AT_ONCE, _LOOKUPS_PER_S = 10, 10.0
_MOST_UNKNOWN = 1_000


class Keyring:
    """The keys of the settings and of the database: the one place where a key becomes a caller.

    The keys of the settings are there at once, those of the database after the first `refresh`. A key is looked up by a
    digest under a secret of this process, so the time of a look-up reveals nothing of a key.

    Args:
        settings: name the first administrator, a reader, and the limits of keys that have none.
        n_processes: how many processes serve together, each of which grants its share of the limits.
        clock: seconds since 1970.

    Attributes:
        is_open: no key was ever made and the settings name none: everyone who reaches the service may do everything.
    """

    def __init__(self, settings: Settings, n_processes: int = 1, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._n_processes = n_processes
        self._default_limits = KeyLimits(
            settings.key_requests_per_minute, settings.key_documents_per_minute, settings.key_concurrent_searches
        )
        self._secret = secrets.token_bytes(32)
        self._of_settings = self._read(settings)
        self._callers = dict(self._of_settings)
        self._version: KeysVersion | None = None
        self._unknown: set[bytes] = set()
        self._refreshing = threading.Lock()  # that what was read first does not replace what was read last
        self._lookups = Rate(_LOOKUPS_AT_ONCE, _LOOKUPS_PER_S)
        self.is_open = not self._of_settings

    def caller(self, key: bytes) -> Caller | None:
        """The caller that sent a key, empty if it sent none; None if the key is not one that is known to be valid."""
        if self.is_open:
            return ANYONE
        if not key:
            return None
        caller = self._callers.get(self._fingerprint(digest_of_key(key)))
        if caller is None or caller.expires_at <= self._clock():
            return None
        caller.is_used = True
        return caller

    def is_worth_a_look(self, key: bytes) -> bool:
        """Whether a key that is not in memory may have been made in another process since the last `refresh`.

        Bounded: a key is asked for once between two changes of the keys, and all wrong ones ten times a second.
        """
        if not could_be_made(key) or digest_of_key(key) in self._unknown:
            return False
        return not self._lookups.take()

    def look_up(self, database: Database, key: bytes) -> Caller | None:
        """The caller that sent a key which is not in memory. Blocks for one read of a row."""
        digest = digest_of_key(key)
        with database.read() as connection:
            found = keys.by_digest(connection, digest)
        if found is None:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown = set()
            self._unknown.add(digest)
            return None
        return Caller.of(found, self._allowance(found))

    def refresh(self, database: Database) -> None:
        """Read the keys of the database, if they have changed since the last time. Blocks."""
        with self._refreshing:
            self._refresh(database)

    def _refresh(self, database: Database) -> None:
        with database.read() as connection:
            version = keys.version(connection)
            if version == self._version:
                return
            live = keys.live(connection)
        before, callers = self._callers, dict(self._of_settings)
        for digest, key in live:
            fingerprint = self._fingerprint(digest)
            callers[fingerprint] = before.get(fingerprint) or Caller.of(key, self._allowance(key))
        self._callers = callers
        self._version = version
        self._unknown = set()
        self.is_open = not self._of_settings and version.n_made == 0

    def note_use(self, database: Database) -> None:
        """Write which keys were used since the last time. Blocks."""
        used = [c for c in self._callers.values() if c.is_used and c.key_id is not None]
        if not used:
            return
        for caller in used:
            caller.is_used = False
        with database.write() as connection:
            keys.mark_used(connection, [caller.key_id for caller in used if caller.key_id is not None])

    def _read(self, settings: Settings) -> dict[bytes, Caller]:
        """The callers with the keys of the settings. The administrator has no limits."""
        found = {}
        if settings.read_key is not None:
            allowance = self._limited(self._default_limits)
            reader = Caller("NEARBIT_READ_KEY", frozenset({"read"}), allowance=allowance, is_guessable=True)
            found[self._fingerprint_of(settings.read_key.get_secret_value())] = reader
        if settings.admin_key is not None:
            admin = Caller("NEARBIT_ADMIN_KEY", frozenset(SCOPES), is_guessable=True)
            found[self._fingerprint_of(settings.admin_key.get_secret_value())] = admin
        return found

    def _allowance(self, key: Key) -> Allowance | None:
        default, own = self._default_limits, key.limits
        return self._limited(
            KeyLimits(
                own.requests_per_minute or default.requests_per_minute,
                own.documents_per_minute or default.documents_per_minute,
                own.concurrent_searches or default.concurrent_searches,
            )
        )

    def _limited(self, limits: KeyLimits) -> Allowance | None:
        return None if limits == KeyLimits() else Allowance(limits, self._n_processes)

    def _fingerprint_of(self, key: str) -> bytes:
        return self._fingerprint(digest_of_key(key.encode("utf-8")))

    def _fingerprint(self, digest: bytes) -> bytes:
        return blake2b(digest, key=self._secret, digest_size=16).digest()
