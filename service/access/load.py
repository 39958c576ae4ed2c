"""The load of one process: how much it does at a time, and what it refuses beyond that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from service.errors import Overloaded

LoadKind = Literal["search", "put"]

_FEW = 5
_CALM = 4


class Bound:
    """How many calls may have begun: `most`, and a fifth of that from when one was refused until hardly any is left.

    Callers that wait for each answer before they ask again never reach `most` if they are fewer, and are all served,
    however busy they keep the process. Callers that ask faster than the process answers reach any bound. What it does
    in a second is then the same behind a short line as behind a long one, but the answers come sooner.

    Attributes:
        most: calls that may have begun.
        is_reached: one was refused, and there was no calm since.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.is_reached = False
        self._few = max(1, most // _FEW)

    def accepts(self, n_begun: int) -> bool:
        """Whether a call may begin, with so many others that have."""
        if self.is_reached and n_begun <= self._few // _CALM:
            self.is_reached = False
        elif n_begun >= self.most:
            self.is_reached = True
        return n_begun < (self._few if self.is_reached else self.most)


class Load:
    """Counts the searches and the puts that run.

    Without a bound, a service that is asked for more than it can do answers everything, each answer later than the one
    before, and soon nobody waits for any of them. With one it refuses the rest, and answers what it accepts in time.

    Args:
        max_searches: most searches at a time.
        max_puts: most puts of documents and vectors at a time.

    Most searches run from end to end once it is their turn, so those which wait are seen nowhere but where they come
    in. So all requests are counted there too.

    Attributes:
        n_begun: requests of any kind that were let in and not answered.
        most_begun: most of them.
        n_refused: requests that were not let in since the start.
    """

    def __init__(self, max_searches: int, max_puts: int) -> None:
        self.n_begun = self.n_refused = 0
        self.most_begun = max_searches + max_puts
        self._begun = Bound(self.most_begun)
        self._bounds: dict[LoadKind, Bound] = {"search": Bound(max_searches), "put": Bound(max_puts)}
        self._running: dict[LoadKind, int] = {"search": 0, "put": 0}

    def begin(self) -> bool:
        """Let a request in and return True, or return False; `end` must follow where it was let in."""
        is_let_in = self._begun.accepts(self.n_begun)
        self.n_begun += is_let_in
        return is_let_in

    def end(self) -> None:
        """A request that was let in is answered, or its caller has left."""
        self.n_begun -= 1

    @contextmanager
    def running(self, kind: LoadKind) -> Iterator[None]:
        """Count a search or a put until the block ends.

        Raises:
            Overloaded: too many run.
        """
        if not self._bounds[kind].accepts(self._running[kind]):
            raise overloaded(self._bounds[kind].most)
        self._running[kind] += 1
        try:
            yield
        finally:
            self._running[kind] -= 1


def overloaded(most: int) -> Overloaded:
    """The error for a call that is one too many."""
    return Overloaded(f"this process has as much to do as it takes on, at most {most} such calls at a time")
