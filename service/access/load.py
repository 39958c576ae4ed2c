"""The load of one process: how much it does at a time, and what it refuses beyond that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from service.errors import Overloaded

LoadKind = Literal["search", "put"]


class Load:
    """Counts the searches and the puts that run.

    Without a bound, a service that is asked for more than it can do answers everything, each answer later than the one
    before, and soon nobody waits for any of them. With one it refuses the rest, and answers what it accepts in time.

    Args:
        max_searches: most searches at a time.
        max_puts: most puts of documents and vectors at a time.
    """

    def __init__(self, max_searches: int, max_puts: int) -> None:
        self._most: dict[LoadKind, int] = {"search": max_searches, "put": max_puts}
        self._running: dict[LoadKind, int] = {"search": 0, "put": 0}
        self.max_requests = max_searches + max_puts
        """Most requests of any kind that a process may have begun: more wait for their turn in vain."""

    @contextmanager
    def running(self, kind: LoadKind) -> Iterator[None]:
        """Count a search or a put until the block ends.

        Raises:
            Overloaded: as many run as may at a time.
        """
        if self._running[kind] >= self._most[kind]:
            raise Overloaded(
                f"this process does {self._most[kind]} of these calls at a time, and all of them are taken"
            )
        self._running[kind] += 1
        try:
            yield
        finally:
            self._running[kind] -= 1
