"""Access: the keyring, the limits and the audit of one process, and the thread that keeps them in step with SQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import structlog

from service.access.allowance import Allowance
from service.access.audit_log import AuditLog
from service.access.caller import Caller
from service.access.keyring import Keyring
from service.access.load import Load, LoadKind
from service.access.making import make_key, revoke_key
from service.access.wrong_keys import WrongKeys
from service.config import Settings
from service.errors import InvalidInput, NearbitError, Unavailable, explained
from service.store import audit, keys
from service.store.audit import AuditedCall
from service.store.database import Database
from service.store.keys import Key, NewKey
from service.threads import run_in_thread, run_read

log = structlog.get_logger(__name__)

_REFRESH_S, _NOTE_USE_S, _FORGET_S = 0.5, 60.0, 3600.0


class Access:
    """Who may call this process, and how much.

    Before `start` it knows the keys of the settings alone.

    Args:
        settings: of the installation.
        n_processes: how many processes serve together.

    Attributes:
        keyring: knows the caller with a key.
        wrong_keys: which addresses sent too many.
        audit_log: what administrators called.
        load: how much the process does.
    """

    def __init__(self, settings: Settings, n_processes: int = 1) -> None:
        self.keyring = Keyring(settings, n_processes)
        self.wrong_keys = WrongKeys()
        self.audit_log = AuditLog(settings.audit_days)
        self.load = Load(settings.max_searches, settings.max_puts)
        self._has_admin_key = settings.admin_key is not None
        self._database: Database | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failed = False

    def start(self, database: Database) -> None:
        """Read the keys, and keep reading them in a thread. Blocks for the first time.

        Raises:
            DatabaseUnavailable: they cannot be read.
        """
        self.keyring.refresh(database)
        self._database = database
        self._thread = threading.Thread(target=self._run, args=(database,), name="access", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading, and write what waits. Blocks; may be called twice."""
        self._stopping.set()
        if self._thread is None or self._database is None:
            return
        self._thread.join()
        self._thread = None
        try:
            self.audit_log.write(self._database)
            self.keyring.note_use(self._database)
        except Unavailable as error:
            log.warning("the last calls of administrators are in the log only", error=explained(error))

    def running(self, kind: LoadKind, caller: Caller) -> AbstractContextManager[None]:
        """Count a search or a put until the block ends, for the process and for the caller's key.

        Raises:
            Overloaded: the process does as much as it takes on.
            KeyLimitReached: the caller does as much as its key allows.
        """
        if kind == "search" and caller.allowance is not None:
            return self._searching(caller.allowance)
        return self.load.running(kind)

    @contextmanager
    def _searching(self, allowance: Allowance) -> Iterator[None]:
        with allowance.searching(), self.load.running("search"):
            yield

    async def look_up(self, key: bytes) -> Caller | None:
        """The caller with a key that is not in memory, if it was made in another process a moment ago.

        While the database does not answer there is none.
        """
        database = self._database
        if database is None or not self.keyring.is_worth_a_look(key):
            return None
        try:
            return await run_read(database, self.keyring.look_up, database, key)
        except Unavailable:
            return None

    async def make_key(self, new: NewKey) -> tuple[Key, str]:
        """A new key and its text; every call needs a key from then on.

        Raises:
            InvalidInput: it would be the first, and nobody could make another.
            TooManyKeys: there are too many already.
        """
        is_first = self.keyring.is_open and not self._has_admin_key
        if is_first and ("admin" not in new.scopes or new.collections is not None or new.expires_at is not None):
            raise InvalidInput(
                "the first key must have the scope admin, for all collections and without expires_at: every call needs "
                "a key once there is one, and with another nobody could make the next"
            )
        made = await run_in_thread(make_key, self._opened, new)
        await self._refresh()
        return made

    async def revoke_key(self, id: int) -> Key:
        """The key of that id, which is refused from now on: by other processes within a second.

        Raises:
            NotFound: there is none.
        """
        revoked = await run_in_thread(revoke_key, self._opened, id)
        await self._refresh()
        return revoked

    async def keys(self, after_id: int, limit: int) -> list[Key]:
        """Up to `limit` keys, those that are revoked too, in the order in which they were made."""

        def read() -> list[Key]:
            with self._opened.read() as connection:
                return keys.page(connection, after_id, limit)

        return await run_in_thread(read)

    async def audit(self, before_id: int, limit: int) -> list[tuple[int, AuditedCall]]:
        """Up to `limit` calls of administrators, each after its id, the last first; written to the last call."""

        def read() -> list[tuple[int, AuditedCall]]:
            self.audit_log.write(self._opened)
            with self._opened.read() as connection:
                return audit.page(connection, before_id, limit)

        return await run_in_thread(read)

    @property
    def _opened(self) -> Database:
        assert self._database is not None, "start was called"
        return self._database

    async def _refresh(self) -> None:
        await run_in_thread(self.keyring.refresh, self._opened)

    def _run(self, database: Database) -> None:
        used_at = time.monotonic()
        forgot_at = float("-inf")
        while not self._stopping.wait(_REFRESH_S):
            try:
                self.keyring.refresh(database)
                self.audit_log.write(database)
                if time.monotonic() - used_at > _NOTE_USE_S:
                    used_at = time.monotonic()
                    self.keyring.note_use(database)
                if time.monotonic() - forgot_at > _FORGET_S:
                    forgot_at = time.monotonic()
                    self.audit_log.forget(database)
                self._failed = False
            except Exception as error:  # of one step: without the next ones no revocation would be seen any more
                self._log(error)

    def _log(self, error: Exception) -> None:
        """Once for a fault that lasts."""
        if not self._failed:
            known = isinstance(error, NearbitError)
            log.warning("keys cannot be read anew", error=explained(error), exc_info=not known)
        self._failed = True
