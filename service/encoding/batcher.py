"""The micro-batcher: one queue and one thread that runs the hash function for every caller of a process.

Nobody waits for a batch to fill: a batch is what came while the one before it ran. So a lone request starts at once,
and under load the cost of a call is shared.

A short text on a CPU is not queued at all: encoding it takes 0.06 ms, handing it to a thread and back takes 0.1 ms when
the process is idle, and many times that under load, as each of the two threads waits for the other's interpreter lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.sparse import vstack

from service.errors import EncoderUnavailable, QueueFull
from service.hashing.content import Contents, Text
from service.hashing.device import resolve_device
from service.hashing.featurizers import Features
from service.hashing.function import Encoded, HashFunction

Work = Literal["encode", "features"]
"""What a hash function is asked to do."""


@dataclass(slots=True)
class BatcherStats:
    """Work since the start: calls, contents they took, requests dropped as their caller had left, and refused."""

    n_calls: int = 0
    n_encoded: int = 0
    n_dropped: int = 0
    n_refused: int = 0


@dataclass(slots=True, eq=False)
class _Request:
    work: Work
    digest: str
    function: HashFunction
    contents: Contents
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    n_taken: int = 0
    n_done: int = 0
    parts: list[Any] = field(default_factory=list)

    @property
    def n_left(self) -> int:
        return len(self.contents) - self.n_taken


@dataclass(frozen=True, slots=True)
class _Slice:
    request: _Request
    contents: Contents


class Batcher:
    """Encodes for many callers at once; waiting requests of one hash function for the same work share one call of it.

    A call takes at most `max_batch` contents, the shortest requests first; what is left of a longer one goes to the end
    of the queue. So a query waits for no more than the call that runs, and one of each other hash function in use.

    Args:
        load: gives the stored bytes of a hash function by its digest; runs in a thread, once for callers that ask
            together.
        device: auto, cpu, cuda or cuda:N.
        max_batch: most contents in one call.
        max_queue: most contents waiting; a request that would pass it is refused, unless nothing waits at all.
        cache: hash functions kept in memory, the least recently used goes first.
        inline_chars: on a CPU, texts of up to so many characters in all are encoded by their caller at once.

    Raises:
        ConfigurationError: the device is not on this machine.
    """

    def __init__(
        self,
        load: Callable[[str], bytes],
        device: str = "auto",
        max_batch: int = 256,
        max_queue: int = 8_192,
        cache: int = 8,
        inline_chars: int = 2_000,
    ) -> None:
        self.device = resolve_device(device)
        self.max_batch = max_batch
        self.max_queue = max_queue
        self.cache = cache
        self.inline_chars = inline_chars if self.device == "cpu" else 0
        self.stats = BatcherStats()
        self._load = load
        self._functions: OrderedDict[str, Future[HashFunction]] = OrderedDict()
        self._waiting: deque[_Request] = deque()
        self._n_waiting = 0
        self._n_running = 0
        self._closed = False
        self._changed = threading.Condition()
        self._loader = ThreadPoolExecutor(max_workers=2, thread_name_prefix="nearbit-load")
        self._consumer = threading.Thread(target=self._run, name="nearbit-encode", daemon=True)
        self._consumer.start()

    @property
    def n_waiting(self) -> int:
        """Contents that wait for a call; those of callers that left count until their turn."""
        return self._n_waiting

    @property
    def n_running(self) -> int:
        """Contents in the call that runs now."""
        return self._n_running

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        """Codes of contents by the hash function of that digest.

        Cancelling the caller takes the request out of the queue.

        Raises:
            QueueFull: too many contents wait.
            EncoderUnavailable: the batcher was closed.
            CorruptArtifact: the stored bytes do not match the digest.
            NotFound: from `load`, no hash function of that digest.
        """
        encoded: Encoded = await self._done("encode", digest, contents)
        return encoded

    async def features(self, digest: str, contents: Contents) -> Features:
        """Features of contents, `(n, n_features)`, by the featurizer of that hash function; raises as `encode` does."""
        features: Features = await self._done("features", digest, contents)
        return features

    async def _done(self, work: Work, digest: str, contents: Contents) -> Any:
        function = await self._function(digest)
        if self._is_short(contents):
            self.stats.n_calls += 1
            self.stats.n_encoded += len(contents)
            return _run(function, work, contents)
        loop = asyncio.get_running_loop()
        request = _Request(work, digest, function, contents, loop, loop.create_future())
        self._offer(request)
        return await request.future

    def _is_short(self, contents: Contents) -> bool:
        n_chars = 0
        for content in contents:
            if not isinstance(content, Text) or (n_chars := n_chars + len(content.text)) > self.inline_chars:
                return False
        return True

    async def health(self) -> str | None:
        """Why it cannot encode now: it was closed, or its thread is gone; None if it can."""
        if self._closed:
            return "the encoder is closing"
        if not self._consumer.is_alive():
            return "the thread that encodes has ended: restart the process"
        return None

    async def close(self) -> None:
        """Encode what waits, refuse what comes, stop the threads; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._loader.shutdown()
        self._consumer.join()

    async def _function(self, digest: str) -> HashFunction:
        with self._changed:
            if self._closed:
                raise EncoderUnavailable("the encoder is closing")
            future = self._functions.get(digest)
            if future is None:
                future = self._functions[digest] = self._loader.submit(self._loaded, digest)
                while len(self._functions) > self.cache:
                    self._functions.popitem(last=False)
            else:
                self._functions.move_to_end(digest)
        try:
            if future.done():
                return future.result()
            # Shielded, because cancelling one caller must not cancel the load that others wait for.
            return await asyncio.shield(asyncio.wrap_future(future))
        except Exception:
            with self._changed:  # the next caller tries anew
                if self._functions.get(digest) is future:
                    del self._functions[digest]
            raise

    def _loaded(self, digest: str) -> HashFunction:
        return HashFunction.from_bytes(self._load(digest), digest).to(self.device)

    def _offer(self, request: _Request) -> None:
        n = len(request.contents)
        with self._changed:
            if self._closed:
                raise EncoderUnavailable("the encoder is closing")
            if self._n_waiting and self._n_waiting + n > self.max_queue:
                self._drop_left()
            if self._n_waiting and self._n_waiting + n > self.max_queue:
                self.stats.n_refused += 1
                raise QueueFull(f"{self._n_waiting} contents wait for a code, {n} more pass the limit {self.max_queue}")
            self._waiting.append(request)
            self._n_waiting += n
            self._changed.notify()

    def _drop_left(self) -> None:
        """Forget the requests whose caller left; the lock is held."""
        left = [request for request in self._waiting if request.future.cancelled()]
        for request in left:
            self._waiting.remove(request)
            self._n_waiting -= request.n_left
        self.stats.n_dropped += len(left)

    def _run(self) -> None:
        while batch := self._take():
            self._encode(batch)

    def _take(self) -> list[_Slice]:
        """What the next call encodes; nothing when closed and drained."""
        with self._changed:
            while True:
                self._drop_left()
                if self._waiting:
                    return self._next_batch()
                if self._closed:
                    return []
                self._changed.wait()

    def _next_batch(self) -> list[_Slice]:
        asked = self._waiting[0].digest, self._waiting[0].work
        room = self.max_batch
        batch: list[_Slice] = []
        for request in sorted((r for r in self._waiting if (r.digest, r.work) == asked), key=lambda r: r.n_left):
            n = min(room, request.n_left)
            if n == 0:
                break
            batch.append(_Slice(request, request.contents[request.n_taken : request.n_taken + n]))
            request.n_taken += n
            room -= n
            self._waiting.remove(request)
            if request.n_left:
                self._waiting.append(request)
        self._n_waiting -= self.max_batch - room
        return batch

    def _encode(self, batch: list[_Slice]) -> None:
        contents = batch[0].contents if len(batch) == 1 else [c for piece in batch for c in piece.contents]
        outcome: Any
        try:
            self._n_running = len(contents)
            outcome = _run(batch[0].request.function, batch[0].request.work, contents)
        except Exception as error:  # the callers get it: this thread lives on for the others
            outcome = error
        self._n_running = 0
        self.stats.n_calls += 1
        self.stats.n_encoded += len(contents)
        start = 0
        for piece in batch:
            stop = start + len(piece.contents)
            if isinstance(outcome, Exception):
                self._answer(piece.request, outcome)
            else:
                self._add_part(piece.request, outcome[start:stop], stop - start)
            start = stop

    def _add_part(self, request: _Request, part: Any, n: int) -> None:
        request.parts.append(part)
        request.n_done += n
        if request.n_done == len(request.contents):
            self._answer(request, part if len(request.parts) == 1 else _joined(request.parts))

    def _answer(self, request: _Request, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            with self._changed, contextlib.suppress(ValueError):  # what is left of it is not encoded in vain
                self._waiting.remove(request)
                self._n_waiting -= request.n_left
        with contextlib.suppress(RuntimeError):  # its event loop is closed: nobody is there to be told
            request.loop.call_soon_threadsafe(_settle, request.future, outcome)


def _run(function: HashFunction, work: Work, contents: Contents) -> Encoded | Features:
    return function.encode(contents) if work == "encode" else function.features(contents)


def _joined(parts: list[Any]) -> Encoded | Features:
    if isinstance(parts[0], Encoded):
        return Encoded.joined(parts)
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else vstack(parts, format="csr")


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
