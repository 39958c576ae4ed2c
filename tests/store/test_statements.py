from __future__ import annotations

from sqlalchemy import select

from service.store import schema
from service.store.database import Database
from service.store.statements import BulkStatement, DriverQuery, is_one_of


def test_is_one_of_takes_more_values_than_a_database_takes_parameters(database: Database) -> None:
    put = BulkStatement(
        sqlite="INSERT INTO hash_functions (digest, content) VALUES (?, ?)",
        postgresql="INSERT INTO hash_functions (digest, content) SELECT * FROM unnest(%s::text[], %s::bytea[])",
    )
    digest = schema.hash_functions.c.digest
    names = [f"{i}, \"quoted\" and 'quoted' \\ {{}} é" for i in range(70_000)]
    with database.write() as connection:
        put.run(connection, names[::7], [b"\x00\xff"] * len(names[::7]))
        put.run(connection, [], [])
        found = connection.scalars(select(digest).where(is_one_of(digest, "names")), {"names": names}).all()
        none = connection.scalars(select(digest).where(is_one_of(digest, "names")), {"names": []}).all()
    assert sorted(found) == sorted(names[::7])
    assert none == []


def test_what_goes_straight_to_the_driver_is_in_the_transaction_and_takes_any_value(database: Database) -> None:
    put = BulkStatement(
        sqlite="INSERT INTO hash_functions (digest, content) VALUES (?, ?)",
        postgresql="INSERT INTO hash_functions (digest, content) SELECT * FROM unnest(%s::text[], %s::bytea[])",
    )
    got = DriverQuery(
        sqlite="SELECT digest FROM hash_functions WHERE digest IN (SELECT value FROM json_each(?)) OR digest = ?",
        postgresql="SELECT digest FROM hash_functions WHERE digest = ANY(%s::text[]) OR digest = %s",
    )
    names = [f"{i}, \"quoted\" and 'quoted' \\ %s ? é" for i in range(10)]
    with database.write() as connection:
        put.run(connection, names, [b""] * len(names))
        assert sorted(got.rows(connection, names[:3], names[5])) == sorted((n,) for n in [*names[:3], names[5]])
        assert got.rows(connection, [], "no") == []
