from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import insert, literal, select

from service.store import schema
from service.store.database import Database
from service.store.schema import Instant, now


def test_moments_come_back_as_they_went_in_and_in_utc(database: Database) -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with database.write() as connection:
        if not database.embedded:
            connection.exec_driver_sql("SET LOCAL timezone = 'Asia/Kolkata'")
        table = schema.nodes
        connection.execute(insert(table).values(id="a", applied={}, heartbeat_at=elsewhere))
        found = connection.scalars(select(table.c.heartbeat_at)).one()
        assert connection.scalar(select(table.c.id).where(table.c.heartbeat_at <= moment)) == "a"
    assert found == moment
    assert found.utcoffset() == timedelta(0)


def test_the_databases_clock_agrees_with_ours_and_can_be_shifted(database: Database) -> None:
    with database.read() as connection:
        found, later, earlier = connection.execute(select(now(), now(90.5), now(-0.25))).one()
        assert connection.scalar(select(literal(later, Instant()) > now(90)))
    assert abs(datetime.now(UTC) - found) < timedelta(seconds=5)
    assert abs(later - found - timedelta(seconds=90.5)) < timedelta(milliseconds=100)
    assert abs(found - earlier - timedelta(seconds=0.25)) < timedelta(milliseconds=100)
