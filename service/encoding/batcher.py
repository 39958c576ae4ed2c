"""The micro-batcher: one queue and one thread that runs the hash function for every caller of a process.

Nobody waits for a batch to fill: a batch is what came while the one before it ran. So a lone request starts at once,
and under load the cost of a call is shared.

Who waits how long: the hash functions in use take turns, a call each. Of the requests of one, the oldest gets a quarter
of each call, the shortest ones get the rest. So a short request is in the next call of its function, unless shorter
ones fill three quarters of it; and a request of n contents ends within `4 * n / max_batch + 1` calls of its function
from when it became the oldest, however many short ones keep coming. (A call is bounded in characters too: read the
same with a quarter of `max_chars`, and at least one content, in place of a quarter of `max_batch`.)

A short text on a CPU is not queued at all: encoding it takes 0.06 ms, handing it to a thread and back takes 0.1 ms when
the process is idle, and many times that under load, as each of the two threads waits for the other's interpreter lock.

Explanations, which people read one at a time, have a thread of their own, a few contents at a time: no code waits for
them.

Longer than other files because queue, loading and encoding share one lock, and what holds it is best read in one place.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service import tracing
from service.errors import EncoderUnavailable, QueueFull
from service.hashing.content import Contents, Image, size_of
from service.hashing.contributions import WordContributions
from service.hashing.encoded import Encoded

if TYPE_CHECKING:
    from service.hashing.function import HashFunction

_OLDEST_SHARE = 4
"""The oldest request gets one in this many contents of a call."""
_INLINE_CONTENTS = 64
"""Most contents that their caller encodes itself: each costs a row of the network, however short its text."""
_LOADS_AT_ONCE = 6
"""Hash functions that load at the same time, each over a database connection of its own."""
_EXPLAINED_TOGETHER = 32
"""Contents that are explained before another caller's are."""
_ANYWHERE = ("auto", "cpu")
"""Devices that every machine has."""
_ENDED = "the thread that encodes has ended: restart the process"


@dataclass(slots=True)
class BatcherStats:
    """Work since the start: calls, contents they took, requests dropped as their caller had left, and refused."""

    n_calls: int = 0
    n_encoded: int = 0
    n_dropped: int = 0
    n_refused: int = 0


@dataclass(slots=True, eq=False)
class _Request:
    digest: str
    function: HashFunction
    contents: Contents
    sizes: list[int]
    future: asyncio.Future[Encoded]
    size_left: int
    n_taken: int = 0
    n_done: int = 0
    parts: list[Encoded] = field(default_factory=list)

    @property
    def n_left(self) -> int:
        return len(self.sizes) - self.n_taken

    def take(self, n: int, size: int, *, one_at_least: bool) -> tuple[int, int]:
        """Mark the next contents as taken, up to `n` of up to `size` in all; return how many and of what size."""
        n_taken, size_taken = 0, 0
        for one in self.sizes[self.n_taken : self.n_taken + n]:
            if size_taken + one > size and not (one_at_least and n_taken == 0):
                break
            n_taken, size_taken = n_taken + 1, size_taken + one
        self.n_taken += n_taken
        self.size_left -= size_taken
        return n_taken, size_taken


@dataclass(frozen=True, slots=True)
class _Slice:
    request: _Request
    start: int
    stop: int


@dataclass(slots=True)
class _Group:
    """The requests that one call can serve, in the order in which they came."""

    requests: list[_Request] = field(default_factory=list)
    n_calls: int = 0

    def next_batch(self, max_batch: int, max_size: int) -> list[_Slice]:
        """What the next call takes: the share of the oldest request, then the shortest ones."""
        starts: dict[_Request, int] = {}
        # Differences of these sums: a quarter of each call, or one content of every few calls that are smaller.
        share = (self.n_calls + 1) * max_batch // _OLDEST_SHARE - self.n_calls * max_batch // _OLDEST_SHARE
        self.n_calls += 1
        room, room_size = max_batch, max_size
        if share:
            oldest = self.requests[0]
            starts[oldest] = oldest.n_taken
            n, size = oldest.take(share, max_size // _OLDEST_SHARE, one_at_least=True)
            room, room_size = room - n, room_size - min(size, max_size // _OLDEST_SHARE)
        for request in heapq.nsmallest(max_batch, self.requests, key=lambda request: request.size_left):
            n_taken = request.n_taken
            n, size = request.take(room, room_size, one_at_least=not starts)
            if n:
                starts.setdefault(request, n_taken)
            room, room_size = room - n, room_size - size
            if request.n_left:
                break
        self.requests = [request for request in self.requests if request.n_left]
        return [_Slice(request, start, request.n_taken) for request, start in starts.items()]


class Batcher:
    """Encodes for many callers at once; waiting requests of one hash function share one call of it.

    Args:
        load: gives the stored bytes of a hash function by its digest; runs in a thread, once for callers that ask
            together.
        device: auto, cpu, cuda or cuda:N.
        max_batch: most contents in one call.
        max_queue: most contents waiting; a request that would pass it is refused, unless nothing waits at all.
        cache: hash functions kept in memory, the least recently used goes first.
        inline_chars: on a CPU, texts and vectors of up to this many characters and numbers in all are encoded by their
            caller at once.
        max_chars: most characters of contents, as `size_of` counts them, in one call of more than one, so that whoever
            comes meanwhile does not wait for hundreds of books.
        n_processes: processes like this one on the machine, which share its cores.

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
        max_chars: int = 250_000,
        n_processes: int = 1,
    ) -> None:
        self._device = device if device in _ANYWHERE else _resolved(device)
        self.max_batch = max_batch
        self.max_queue = max_queue
        self.cache = cache
        self.inline_chars = inline_chars
        self.max_chars = max_chars
        self.n_processes = n_processes
        self.stats = BatcherStats()
        self._load = load
        self._functions: OrderedDict[str, HashFunction] = OrderedDict()
        self._loads: dict[str, set[asyncio.Future[HashFunction]]] = {}
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._n_waiting = 0
        self._n_running = 0
        self._closed = False
        self._ended = False
        self._changed = threading.Condition()
        self._loader = ThreadPoolExecutor(max_workers=_LOADS_AT_ONCE, thread_name_prefix="nearbit-load")
        self._explainer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nearbit-explain")
        self._n_explaining = 0
        self._consumer = threading.Thread(target=self._run, name="nearbit-encode", daemon=True)
        self._consumer.start()

    @property
    def device(self) -> str:
        """Where hash functions run: cpu, cuda or cuda:N. Blocks for a second or two where torch is not imported yet."""
        return _resolved(self._device)

    def prepare(self) -> None:
        """Import torch in a thread, so that the first caller need not wait for it; without it, that caller does."""
        with contextlib.suppress(RuntimeError):  # no thread can be started, or the batcher was closed
            self._loader.submit(_resolved, self._device)

    @property
    def n_waiting(self) -> int:
        """Contents that wait for a call, or for their hash function to be loaded."""
        return self._n_waiting

    @property
    def n_running(self) -> int:
        """Contents in the call that runs now."""
        return self._n_running

    @property
    def n_loading(self) -> int:
        """Hash functions that are being loaded."""
        return len(self._loads)

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        """Codes of contents by the hash function of that digest.

        Cancelling the caller takes the request out of the queue.

        Raises:
            QueueFull: too many contents wait.
            EncoderUnavailable: the batcher was closed, or its thread has ended.
            CorruptArtifact: the stored bytes do not match the digest.
            NotFound: from `load`, no hash function of that digest.
        """
        function = await self._function(digest, len(contents))
        if self._is_short(function, contents):
            return self._encode_here(function, contents)
        sizes = [size_of(content) for content in contents]
        future: asyncio.Future[Encoded] = asyncio.get_running_loop().create_future()
        request = _Request(digest, function, contents, sizes, future, sum(sizes))
        self._offer(request)
        try:
            with tracing.span("encode"):
                return await future
        except asyncio.CancelledError:
            self._drop(request)
            raise

    def encode_at_once(self, digest: str, contents: Contents) -> Encoded | None:
        """The same without waiting: None where the hash function is not loaded, or the contents take too long for that.

        Raises:
            EncoderUnavailable: the batcher was closed.
        """
        with self._changed:
            function = self._loaded_function(digest)
        if function is None or not self._is_short(function, contents):
            return None
        return self._encode_here(function, contents)

    def _encode_here(self, function: HashFunction, contents: Contents) -> Encoded:
        """Codes of short contents, in the thread of their caller."""
        self.stats.n_calls += 1
        self.stats.n_encoded += len(contents)
        with tracing.span("encode"):
            return function.encode(contents)

    async def explain(
        self, digest: str, contents: Contents, bits: Sequence[int] | None = None
    ) -> list[WordContributions]:
        """What the words of contents do for some bits of their codes, or for all; callers take turns.

        Raises:
            InvalidInput: there is no such bit.
            QueueFull: too many contents wait to be explained.
            EncoderUnavailable: the batcher was closed.
            CorruptArtifact, NotFound: as `encode`.
        """
        n = len(contents)
        function = await self._function(digest, n)
        if self._n_explaining and self._n_explaining + n > self.max_queue:
            self.stats.n_refused += 1
            raise QueueFull(f"{self._n_explaining} contents wait to be explained, {n} more pass {self.max_queue}")
        self._n_explaining += n  # on the event loop alone
        explained: list[WordContributions] = []
        try:
            for part in _parts(contents, _EXPLAINED_TOGETHER, self.max_chars):
                explained += await self._in_explainer(function, part, bits)
        finally:
            self._n_explaining -= n
        return explained

    async def _in_explainer(
        self, function: HashFunction, contents: Contents, bits: Sequence[int] | None
    ) -> list[WordContributions]:
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._explainer, _explain, function, contents, bits)

    def _is_short(self, function: HashFunction, contents: Contents) -> bool:
        if not contents:
            return True
        if function.device.type != "cpu":
            return False
        if len(contents) > _INLINE_CONTENTS or any(isinstance(content, Image) for content in contents):
            return False
        return sum(map(size_of, contents)) <= self.inline_chars

    async def health(self) -> str | None:
        """Why it cannot encode now: it was closed, or its thread has ended; None if it can."""
        if self._closed:
            return "the encoder is closing"
        if self._ended or not self._consumer.is_alive():
            return _ENDED
        return None

    async def close(self) -> None:
        """Encode waiting requests, refuse new ones, stop the threads; a second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._loader.shutdown()
        self._explainer.shutdown()
        self._consumer.join()

    async def _function(self, digest: str, n: int) -> HashFunction:
        """The hash function of that digest; `n` contents count as waiting while it loads."""
        with self._changed:
            if (function := self._loaded_function(digest)) is not None:
                return function
            self._check_room(n)
            callers = self._loads.get(digest)
            if callers is None:
                callers = self._loads[digest] = set()
                try:
                    self._loader.submit(self._load_function, digest)
                except RuntimeError as error:  # no thread can be started
                    del self._loads[digest]
                    raise EncoderUnavailable(f"no thread to load a hash function: {error}") from error
            future: asyncio.Future[HashFunction] = asyncio.get_running_loop().create_future()
            callers.add(future)
            self._n_waiting += n
        try:
            return await future
        finally:
            with self._changed:
                callers.discard(future)
                self._n_waiting -= n

    def _loaded_function(self, digest: str) -> HashFunction | None:
        """The hash function of that digest if it is in memory; the caller holds the lock."""
        self._check_open()
        function = self._functions.get(digest)
        if function is not None:
            self._functions.move_to_end(digest)
        return function

    def _load_function(self, digest: str) -> None:
        """Load a hash function for the requests that wait for it; after a failure the next caller tries again."""
        outcome: HashFunction | BaseException
        try:
            outcome = self._loaded(digest)
        except BaseException as error:  # whatever it is, the callers must not wait for ever
            outcome = error
        with self._changed:
            callers = [*self._loads.pop(digest)]
            if not isinstance(outcome, BaseException):
                self._functions[digest] = outcome
                while len(self._functions) > self.cache:
                    self._functions.popitem(last=False)
        for future in callers:
            _deliver(future, outcome)

    def _loaded(self, digest: str) -> HashFunction:
        from service.hashing.device import share_cores
        from service.hashing.function import HashFunction

        share_cores(self.n_processes)
        return HashFunction.from_bytes(self._load(digest), digest).to(self.device)

    def _offer(self, request: _Request) -> None:
        with self._changed:
            self._check_open()
            if self._ended:
                raise EncoderUnavailable(_ENDED)
            self._check_room(request.n_left)
            self._groups.setdefault(request.digest, _Group()).requests.append(request)
            self._n_waiting += request.n_left
            self._changed.notify()

    def _check_open(self) -> None:
        if self._closed:
            raise EncoderUnavailable("the encoder is closing")

    def _check_room(self, n: int) -> None:
        if self._n_waiting and self._n_waiting + n > self.max_queue:
            self.stats.n_refused += 1
            raise QueueFull(f"{self._n_waiting} contents wait for a code, {n} more pass the limit {self.max_queue}")

    def _drop(self, request: _Request) -> None:
        """Forget the rest of a request whose caller is gone."""
        with self._changed:
            if self._forget(request):
                self.stats.n_dropped += 1

    def _forget(self, request: _Request) -> bool:
        """Take the rest of a request out of the queue, if it is there; the caller holds the lock."""
        group = self._groups.get(request.digest)
        if group is None or request not in group.requests:
            return False
        group.requests.remove(request)
        self._n_waiting -= request.n_left
        if not group.requests:
            del self._groups[request.digest]
        return True

    def _run(self) -> None:
        batch: list[_Slice] = []
        try:
            while batch := self._take():
                self._encode(batch)
        finally:
            self._end(batch)

    def _end(self, batch: list[_Slice]) -> None:
        """Refuse all requests, waiting and future: none may wait for a thread that has ended."""
        with self._changed:
            self._ended = True
            left = [piece.request for piece in batch]
            left += [request for group in self._groups.values() for request in group.requests]
            self._groups.clear()
            self._n_waiting -= sum(request.n_left for request in set(left))
        for request in left:
            _deliver(request.future, EncoderUnavailable(_ENDED))

    def _take(self) -> list[_Slice]:
        """The contents of the next call; nothing when the batcher is closed and its queue empty."""
        with self._changed:
            while not self._groups:
                if self._closed:
                    return []
                self._changed.wait()
            digest, group = self._groups.popitem(last=False)
            batch = group.next_batch(self.max_batch, self.max_chars)
            self._n_waiting -= sum(piece.stop - piece.start for piece in batch)
            if group.requests:
                self._groups[digest] = group
            return batch

    def _encode(self, batch: list[_Slice]) -> None:
        n = self._n_running = sum(piece.stop - piece.start for piece in batch)
        outcome: Encoded | Exception
        # An error of a request is delivered to its caller; this thread goes on for the others.
        try:
            outcome = batch[0].request.function.encode(_contents_of(batch))
        except Exception as error:
            outcome = error
        self._n_running = 0
        self.stats.n_calls += 1
        self.stats.n_encoded += n
        start = 0
        for piece in batch:
            stop = start + piece.stop - piece.start
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                self._add_part(piece.request, outcome[start:stop], stop - start)
            except Exception as error:
                self._fail(piece.request, error)
            start = stop

    def _add_part(self, request: _Request, part: Encoded, n: int) -> None:
        request.parts.append(part)
        request.n_done += n
        if request.n_done == len(request.contents):
            _deliver(request.future, part if len(request.parts) == 1 else Encoded.joined(request.parts))

    def _fail(self, request: _Request, error: Exception) -> None:
        with self._changed:  # what is left of it is not encoded in vain
            self._forget(request)
        _deliver(request.future, error)


# What needs torch is imported where a thread may wait for it: a process is ready earlier without.


def _resolved(device: str) -> str:
    from service.hashing.device import resolve_device

    return resolve_device(device)


def _explain(function: HashFunction, contents: Contents, bits: Sequence[int] | None) -> list[WordContributions]:
    from service.hashing.explain import explain

    return explain(function, contents, bits)


def _parts(contents: Contents, n: int, max_chars: int) -> Iterator[Contents]:
    """Contents in parts of up to `n` and of up to `max_chars` characters, unless one has more."""
    start, size = 0, 0
    for i, content in enumerate(contents):
        if i > start and (i - start == n or size + size_of(content) > max_chars):
            yield contents[start:i]
            start, size = i, 0
        size += size_of(content)
    yield contents[start:]


def _contents_of(batch: list[_Slice]) -> Contents:
    pieces = [piece.request.contents[piece.start : piece.stop] for piece in batch]
    return pieces[0] if len(pieces) == 1 else [content for piece in pieces for content in piece]


def _deliver(future: asyncio.Future[Any], outcome: Any) -> None:
    """Give a caller its result or error, from another thread than its own."""
    with contextlib.suppress(RuntimeError):  # its event loop is closed: the caller is gone
        future.get_loop().call_soon_threadsafe(_settle, future, outcome)


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, StopIteration | KeyboardInterrupt | SystemExit | asyncio.CancelledError):
        future.set_exception(RuntimeError(repr(outcome)))  # no future can hold the first, the others end a loop
    elif isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
