"""Nodes: the API processes that are alive, and how far each has followed every code space."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.nodes
ALIVE_S = 5.0
"""A node that was silent for longer is not waited for."""
_FORGOTTEN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Node:
    """An API process; `applied` maps each code space that it has loaded to the seq up to which it has."""

    id: str
    applied: dict[int, int]
    heartbeat_at: datetime


def heartbeat(connection: Connection, node_id: str, applied: dict[int, int], token: str | None = None) -> None:
    """Say that the node is alive and how far it has followed; forget nodes that were silent for an hour.

    A `token` of which the node makes another for each heartbeat tells it later that this is still the same database.
    """
    statement = insert(connection, TABLE).values(id=node_id, applied=applied, heartbeat_at=now(), token=token)
    changed = {name: statement.excluded[name] for name in ("applied", "heartbeat_at", "token")}
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
    connection.execute(delete(TABLE).where(TABLE.c.heartbeat_at < now(-_FORGOTTEN_S)))


def token(connection: Connection, node_id: str) -> str | None:
    """The token of the node's last heartbeat; None if the database does not know the node."""
    return connection.execute(_TOKEN, {"id": node_id}).scalar()


def live(connection: Connection, within_s: float = ALIVE_S) -> list[Node]:
    """The nodes whose last heartbeat is at most `within_s` seconds old, in the order of their ids."""
    query = select(TABLE.c.id, TABLE.c.applied, TABLE.c.heartbeat_at).where(TABLE.c.heartbeat_at >= now(-within_s))
    return [
        Node(id, {int(space): seq for space, seq in applied.items()}, at)
        for id, applied, at in connection.execute(query.order_by(TABLE.c.id))
    ]


def n_without(connection: Connection, space_id: int) -> int:
    """Number of live nodes that have not loaded a space; they would answer from another after it became active."""
    return sum(space_id not in node.applied for node in live(connection))


def remove(connection: Connection, node_id: str) -> None:
    """Forget a node that stops."""
    connection.execute(delete(TABLE).where(TABLE.c.id == node_id))


_TOKEN = select(TABLE.c.token).where(TABLE.c.id == bindparam("id"))
