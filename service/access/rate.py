"""A rate: how often something may happen."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """A bucket of tokens that fills steadily: so many may be taken at once, and then as many as have come since.

    Args:
        most: tokens in a full bucket, which it is at first.
        per_s: tokens that come each second.
        clock: seconds that never go back.
    """

    def __init__(self, most: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.per_s = per_s
        self._clock = clock
        self._tokens = most
        self._at = clock()

    def take(self, n: int = 1) -> float:
        """Take `n` tokens and return 0.0, or take none and return the seconds until they could be taken.

        More than fit into the bucket can be taken from a full one, which is then in debt: a batch of any size passes at
        some time, and the rate holds all the same.
        """
        wait_s = self.wait_s(n)
        if not wait_s:
            self._tokens -= n
        return wait_s

    def wait_s(self, n: int = 1) -> float:
        """Seconds until `n` tokens can be taken."""
        now = self._clock()
        self._tokens = min(self.most, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        return max(0.0, (min(n, self.most) - self._tokens) / self.per_s)
