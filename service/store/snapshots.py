"""Snapshots: tokens of the files that API processes keep, so that files of another history are recognised.

There are files of the codes of a space, and of the words of a collection. A file holds a token that is written here
when the file is. A database that was restored from an older backup does not know the token; one that knows it has every
change that the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Column, Connection, Table, delete, exists, select

from service.store import schema
from service.store.schema import now

_KEPT = 256
"""Tokens per owner: a machine whose disk is emptied leaves one behind that no file holds."""


@dataclass(frozen=True)
class SnapshotTokens:
    """The tokens of one kind of file.

    Attributes:
        table: where they are.
        owner: its column that says whose the file is.
    """

    table: Table
    owner: Column[int]

    def record(self, connection: Connection, owner_id: int, seq: int) -> str:
        """A new token for a file that holds every change of its owner up to `seq`."""
        table, token = self.table, uuid4().hex
        values = {self.owner.name: owner_id, "token": token, "seq": seq, "created_at": now()}
        connection.execute(table.insert().values(values))
        is_owned = self.owner == owner_id
        latest = select(table.c.token).where(is_owned).order_by(table.c.created_at.desc(), table.c.token).limit(_KEPT)
        connection.execute(delete(table).where(is_owned, table.c.token != token, table.c.token.not_in(latest)))
        return token

    def is_known(self, connection: Connection, owner_id: int, token: str, seq: int) -> bool:
        """Whether that token was given to a file of the owner up to that seq, in the history of this database."""
        is_it = (self.owner == owner_id) & (self.table.c.token == token) & (self.table.c.seq == seq)
        return bool(connection.execute(select(exists().where(is_it))).scalar())

    def forget(self, connection: Connection, owner_id: int, token: str) -> None:
        """Delete the token of a file that no longer exists."""
        connection.execute(delete(self.table).where(self.owner == owner_id, self.table.c.token == token))


OF_CODES = SnapshotTokens(schema.snapshots, schema.snapshots.c.space_id)
OF_WORDS = SnapshotTokens(schema.word_snapshots, schema.word_snapshots.c.collection_id)
