"""The one place where the event loop meets blocking code.

Use-cases are coroutines; the database and the index are synchronous. A short read of an embedded SQLite file takes less
time than handing it to a thread (about 0.1 ms against 0.2 ms), and WAL readers never wait for the writer, so it runs
where it is. A read of a server, and every write, goes to a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import to_thread

from service.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The function's result, computed in a worker thread while the event loop goes on.

    A caller that is cancelled does not interrupt the function: a write that has begun ends.
    """
    return await to_thread.run_sync(lambda: function(*args, **kwargs))


async def reading(database: Database, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that reads a little: at once on SQLite, in a worker thread on a database server."""
    if database.embedded:
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)
