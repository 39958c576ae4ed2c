"""How alembic runs the migrations: on the connection that `service.store.migrations` hands over, or on its own.

`nearbit migrate` goes the first way. The alembic command line (`alembic revision --autogenerate`, for developers) goes
the second, on the database that NEARBIT_DATABASE_URL names.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from service.config import Settings
from service.store.schema import metadata


def run(connection: Connection) -> None:
    """Run the migrations that alembic was asked for, in the transaction of the connection if it is in one."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,  # SQLite cannot alter most things in place
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    engine = create_engine(Settings().database_url)
    with engine.begin() as connection:
        run(connection)
    engine.dispose()
