"""When a call is sent again, and how long to wait before."""

from __future__ import annotations

import random

import httpx2

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_BUSY = frozenset({502, 503, 504})
_CALL_RUNNING = "call-running"


class Retries:
    """The attempts of one call.

    A call that certainly did nothing (no connection was made, or the service refused it with 429) is always sent again.
    After any other failure, when it may have been done, it is sent again only if that does no harm: if it only reads,
    writes the same whenever it is repeated, or bears an `Idempotency-Key`.

    Args:
        patience_s: how long after the first attempt another one may begin.
        is_repeatable: whether the call may be done twice.
        now_s: a clock when the call began, in seconds.
    """

    def __init__(self, patience_s: float, is_repeatable: bool, now_s: float) -> None:
        self._ends_s = now_s + patience_s
        self._is_repeatable = is_repeatable
        self._pause_s = _FIRST_PAUSE_S

    def after_error(self, error: httpx2.TransportError, now_s: float) -> float | None:
        """Seconds to wait before the next attempt, or None if there is none."""
        did_nothing = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        return self._pause(None, now_s) if did_nothing or self._is_repeatable else None

    def after_response(self, response: httpx2.Response, now_s: float) -> float | None:
        """The same after a response whose body has been read."""
        status = response.status_code
        is_running = status == 409 and _CALL_RUNNING in response.text
        if status == 429 or (self._is_repeatable and (status in _BUSY or is_running)):
            return self._pause(response.headers.get("Retry-After"), now_s)
        return None

    def _pause(self, retry_after: str | None, now_s: float) -> float | None:
        """Random, between half of what is due and all of it, but never less than the service asked for."""
        pause_s = self._pause_s * random.uniform(0.5, 1)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if retry_after is not None and retry_after.isdecimal():
            pause_s += int(retry_after)
        return pause_s if now_s + pause_s <= self._ends_s else None
