"""The one place where the event loop meets blocking code.

Use-cases are coroutines; the database and the index are synchronous. A short read of an embedded SQLite file takes less
time than handing it to a thread (about 0.1 ms against 0.2 ms), and WAL readers never wait for the writer, so it runs
where it is. What may read more than a few rows, a read of a server, and every write, goes to a thread.

Work that grows with the request (many queries, long texts) has a few threads of its own, so that however much of it
there is, short requests find a free thread and a free database connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from service.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")

_LARGE_THREADS = max(2, min(8, os.cpu_count() or 1))
_large: RunVar[CapacityLimiter] = RunVar("nearbit-large")


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The function's result, computed in a worker thread while the event loop goes on.

    A caller that is cancelled does not interrupt the function: a write that has begun ends.
    """
    return await to_thread.run_sync(lambda: function(*args, **kwargs))


async def run_in_large_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for work that grows with the request: it waits for one of the few threads that such work has."""
    try:
        limiter = _large.get()
    except LookupError:
        limiter = CapacityLimiter(_LARGE_THREADS)
        _large.set(limiter)
    return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=limiter)


async def run_read(database: Database, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that reads a few short rows: at once on SQLite, in a worker thread on a server."""
    if database.embedded:
        return function(*args, **kwargs)
    return await run_in_thread(function, *args, **kwargs)
