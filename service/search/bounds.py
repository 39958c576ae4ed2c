"""Bounds: where a step of a search runs, and how much it may read there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from service.config import Settings
from service.errors import TooMuchToRead
from service.index.replicas import Follower
from service.store.database import Database
from service.threads import run_in_large_thread, run_in_thread, run_read

T = TypeVar("T")

_WAIT_STEP_S = 0.005

READ_SOON_SEQ = 2_000
"""Changes of a collection up to which its words are read in well under a second."""
_BRIEF_CHARS = 1_000_000
"""Characters of documents that may be read on the event loop."""


async def located(database: Database, follower: Follower, timeout_s: float, locate: Callable[[bool], T | None]) -> T:
    """What `locate` finds, which is called until it finds something; replicas that are behind may catch up meanwhile.

    Args:
        database: that `locate` reads.
        follower: is woken before each further call.
        timeout_s: seconds after which `locate` is called with True: then it must find something.
        locate: reads a few short rows; None says that it is worth waiting.
    """
    found = await run_read(database, locate, False)
    deadline = time.monotonic() + timeout_s
    while found is None and time.monotonic() < deadline:
        follower.wake()
        await asyncio.sleep(_WAIT_STEP_S)
        found = await run_read(database, locate, False)
    if found is None:
        found = await run_read(database, locate, True)
    assert found is not None
    return found


class Bounds:
    """Runs steps whose last argument bounds the characters that they read: little on the event loop, more in a thread.

    Attributes:
        brief_chars: most characters that are read on the event loop.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self.embedded = database.embedded
        self.max_chars = settings.max_read_bytes
        self.brief_chars = min(_BRIEF_CHARS, settings.max_read_bytes)

    async def run(self, is_brief: bool, large: bool, step: Callable[..., T], *args: Any) -> T:
        """The result of a step, computed where it belongs.

        Args:
            is_brief: the step takes a few milliseconds at most, unless it reads too much, which it then raises.
            large: otherwise it waits for one of the threads for large work.
            step: called with `args` and the most characters that it may read.

        Raises:
            TooMuchToRead: it would read more than the installation allows.
        """
        if is_brief and self.embedded:
            with suppress(TooMuchToRead):
                return step(*args, self.brief_chars)
        return await (run_in_large_thread if large else run_in_thread)(step, *args, self.max_chars)
