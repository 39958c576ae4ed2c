"""Keep a snapshot: the file and the token in SQL by which it is known to be of this history, in the safe order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Connection, exc

from service.errors import Unavailable
from service.store.database import Database
from service.store.snapshots import SnapshotTokens

log = structlog.get_logger(__name__)


def keep_snapshot(
    database: Database,
    tokens: SnapshotTokens,
    owner_id: int,
    seq: int,
    folder: Path,
    outdated: tuple[int, str] | None,
    write: Callable[[str], object],
    is_ours: Callable[[Connection], bool],
) -> bool:
    """Have a file written, for the next start of a process to map; without room for it there is none. Blocks.

    SQL learns of it first, and only if `is_ours` says that it still is the database that was followed.

    Args:
        database: where the token is recorded.
        tokens: those of this kind of file.
        owner_id: whose file it is.
        seq: the file holds every change of its owner up to it.
        folder: where the file lies, for the log.
        outdated: seq and token of the file that this one replaces.
        write: writes the file with a token.
        is_ours: asked in the transaction that records the token.

    Returns:
        False if the database is another one; then nothing was written.
    """
    try:
        with database.write() as connection:
            if not is_ours(connection):
                return False
            token = tokens.record(connection, owner_id, seq)
        try:
            write(token)
            unused = None if outdated is None else outdated[1]
        except OSError as error:
            log.warning("snapshot not written", folder=str(folder), error=str(error))
            unused = token
        if unused is not None:
            with database.write() as connection:
                tokens.forget(connection, owner_id, unused)
    except (Unavailable, exc.IntegrityError) as error:  # the latter: the owner is gone by now
        log.warning("snapshot not written", folder=str(folder), error=str(error))
    return True
