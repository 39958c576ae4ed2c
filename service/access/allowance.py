"""An allowance: what the caller with one key may still ask this process for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.access.rate import Rate
from service.errors import KeyLimitReached
from service.store.keys import KeyLimits


class Allowance:
    """Counts what is asked for with one key.

    Each process of an installation grants its share of the rates, since none knows what the others grant.

    Args:
        limits: of the key; None in it: no limit.
        n_processes: how many processes grant it.
        clock: seconds that never go back.
    """

    def __init__(self, limits: KeyLimits, n_processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._requests = _rate(limits.requests_per_minute, n_processes, clock)
        self._documents = _rate(limits.documents_per_minute, n_processes, clock)
        searches = limits.concurrent_searches
        self._most_searches = None if searches is None else math.ceil(searches / n_processes)
        self._n_searches = 0

    def take_request(self) -> None:
        """Count a request.

        Raises:
            KeyLimitReached: it is one too many.
        """
        if self._requests is not None and (wait_s := self._requests.take()):
            raise KeyLimitReached("requests_per_minute", self.limits.requests_per_minute or 0, math.ceil(wait_s))

    def take_documents(self, n: int) -> None:
        """Count documents that are put.

        Raises:
            KeyLimitReached: they are too many.
        """
        if self._documents is not None and (wait_s := self._documents.take(n)):
            raise KeyLimitReached("documents_per_minute", self.limits.documents_per_minute or 0, math.ceil(wait_s))

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Count a search until the block ends.

        Raises:
            KeyLimitReached: as many run as may at a time.
        """
        if self._most_searches is not None and self._n_searches >= self._most_searches:
            raise KeyLimitReached("concurrent_searches", self.limits.concurrent_searches or 0, 1)
        self._n_searches += 1
        try:
            yield
        finally:
            self._n_searches -= 1


def _rate(per_minute: int | None, n_processes: int, clock: Callable[[], float]) -> Rate | None:
    if per_minute is None:
        return None
    share = per_minute / n_processes
    return Rate(max(1.0, share), share / 60, clock)
