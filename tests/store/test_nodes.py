from __future__ import annotations

from sqlalchemy import select, update

from service.store import nodes, schema
from service.store.database import Database


def test_live_nodes_are_those_with_a_recent_heartbeat_and_show_their_last_one(database: Database) -> None:
    with database.write() as connection:
        nodes.heartbeat(connection, "b", {1: 10})
        nodes.heartbeat(connection, "a", {})
        nodes.heartbeat(connection, "b", {1: 11, 2: 3})
        connection.execute(update(schema.nodes).values(heartbeat_at=schema.now(-1_000.0)))
        nodes.heartbeat(connection, "a", {1: 11})
    with database.read() as connection:
        assert [(node.id, node.applied) for node in nodes.live(connection, 2_000)] == [
            ("a", {1: 11}),
            ("b", {1: 11, 2: 3}),
        ]
        assert [node.id for node in nodes.live(connection, 500)] == ["a"]
        assert all(node.heartbeat_at.tzinfo for node in nodes.live(connection, 2_000))


def test_a_node_that_stops_is_forgotten(database: Database) -> None:
    with database.write() as connection:
        nodes.heartbeat(connection, "a", {})
        nodes.remove(connection, "a")
        nodes.remove(connection, "a")
        assert nodes.live(connection, 60) == []


def test_a_heartbeat_sweeps_nodes_that_died_long_ago(database: Database) -> None:
    table = schema.nodes
    with database.write() as connection:
        nodes.heartbeat(connection, "dead", {})
        connection.execute(update(table).values(heartbeat_at=schema.now(-4_000.0)))
        nodes.heartbeat(connection, "alive", {})
        assert connection.scalars(select(table.c.id)).all() == ["alive"]
