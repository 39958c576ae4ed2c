"""Snapshots: tokens of the code files that API processes keep, so that files of another history are recognised.

A file holds a token that is written here when the file is. A database that was restored from an older backup does not
know the token; one that knows it has every change that the file holds.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import Connection, delete, exists, select

from service.store import schema
from service.store.schema import now

TABLE = schema.snapshots
_KEPT = 256
"""Tokens per space: a machine whose disk is emptied leaves one behind that no file holds."""


def record(connection: Connection, space_id: int, seq: int) -> str:
    """A new token for a file that holds every change of a space up to `seq`."""
    token = uuid4().hex
    connection.execute(TABLE.insert().values(space_id=space_id, token=token, seq=seq, created_at=now()))
    of_space = TABLE.c.space_id == space_id
    latest = select(TABLE.c.token).where(of_space).order_by(TABLE.c.created_at.desc(), TABLE.c.token).limit(_KEPT)
    connection.execute(delete(TABLE).where(of_space, TABLE.c.token != token, TABLE.c.token.not_in(latest)))
    return token


def is_known(connection: Connection, space_id: int, token: str, seq: int) -> bool:
    """Whether that token was given to a file of the space up to that seq, in the history that this database holds."""
    is_it = (TABLE.c.space_id == space_id) & (TABLE.c.token == token) & (TABLE.c.seq == seq)
    return bool(connection.execute(select(exists().where(is_it))).scalar())


def forget(connection: Connection, space_id: int, token: str) -> None:
    """Delete the token of a file that no longer exists."""
    connection.execute(delete(TABLE).where(TABLE.c.space_id == space_id, TABLE.c.token == token))
