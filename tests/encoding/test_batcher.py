import asyncio
import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from service.encoding.batcher import Batcher
from service.errors import ConfigurationError, CorruptArtifact, EncoderUnavailable, NotFound, QueueFull
from service.hashing.content import Contents, Text
from service.hashing.contributions import WordContributions
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded
from service.hashing.explain import explain
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function

FUNCTIONS = {n_bits: untrained_hash_function(n_bits) for n_bits in (16, 32)}
STORED = {digest_of(content): content for content in (f.to_bytes() for f in FUNCTIONS.values())}
D16, D32 = STORED


def texts(n: int, word: str = "word") -> list[Text]:
    return [Text(f"{word} number {i}") for i in range(n)]


def batcher(**settings: int) -> Batcher:
    """A batcher that queues everything."""
    return Batcher(STORED.__getitem__, device="cpu", inline_chars=0, **settings)


class Gate:
    """Holds every encode call until opened, and notes how many contents each call had."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls: list[tuple[int, int]] = []


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate, encode = Gate(), HashFunction.encode

    def slow(self: HashFunction, contents: Contents) -> Encoded:
        gate.calls.append((self.n_bits, len(contents)))
        gate.entered.release()
        assert gate.opened.wait(10)
        return encode(self, contents)

    monkeypatch.setattr(HashFunction, "encode", slow)
    yield gate
    gate.opened.set()


async def until_running(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.entered.acquire, timeout=120)


async def until_waiting(encoder: Batcher, n: int) -> None:
    async with asyncio.timeout(10):
        while encoder.n_waiting != n:
            await asyncio.sleep(0.001)


def test_codes_are_those_of_the_hash_function() -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=7)
        wanted = FUNCTIONS[32].encode(texts(40))
        got = await asyncio.gather(encoder.encode(D32, texts(40)), *(encoder.encode(D32, [t]) for t in texts(40)))
        np.testing.assert_array_equal(got[0].codes, wanted.codes)
        np.testing.assert_array_equal(got[0].n_known_features, wanted.n_known_features)
        np.testing.assert_array_equal(np.concatenate([one.codes for one in got[1:]]), wanted.codes)
        await encoder.close()

    asyncio.run(scenario())


def test_short_texts_are_encoded_at_once_even_while_a_call_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = Batcher(STORED.__getitem__, device="cpu", inline_chars=100)
        await encoder.encode(D16, [])
        encode = HashFunction.encode
        with held(monkeypatch) as gate:
            running = asyncio.ensure_future(encoder.encode(D16, [Text("x" * 101)]))
            await until_running(gate)
            monkeypatch.setattr(HashFunction, "encode", encode)
            short = await encoder.encode(D16, texts(3))
            assert not running.done()
            gate.opened.set()
            await running
        np.testing.assert_array_equal(short.codes, FUNCTIONS[16].encode(texts(3)).codes)
        assert (encoder.stats.n_encoded, encoder.n_waiting) == (4, 0)
        await encoder.close()

    asyncio.run(scenario())


def test_without_waiting_only_short_texts_of_a_loaded_hash_function_get_codes() -> None:
    async def scenario() -> None:
        encoder = Batcher(STORED.__getitem__, device="cpu", inline_chars=100)
        assert encoder.encode_at_once(D16, texts(3)) is None
        await encoder.encode(D16, [])
        found = encoder.encode_at_once(D16, texts(3))
        assert found is not None
        np.testing.assert_array_equal(found.codes, FUNCTIONS[16].encode(texts(3)).codes)
        assert encoder.stats.n_encoded == 3
        assert encoder.encode_at_once(D16, [Text("x" * 101)]) is None
        await encoder.close()
        with pytest.raises(EncoderUnavailable):
            encoder.encode_at_once(D16, texts(1))

    asyncio.run(scenario())


def test_no_content_gives_no_code() -> None:
    async def scenario() -> None:
        encoder = batcher()
        assert (await encoder.encode(D16, [])).codes.shape == (0, 2)
        await encoder.close()

    asyncio.run(scenario())


def test_what_queued_during_a_call_shares_the_next_one_with_its_hash_function(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = batcher()
        await encoder.encode(D32, texts(1))
        with held(monkeypatch) as gate:
            running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await until_running(gate)
            waiting = [asyncio.ensure_future(encoder.encode(d, texts(2))) for d in (D16, D32, D16, D32, D16)]
            await until_waiting(encoder, 10)
            gate.opened.set()
            await asyncio.gather(running, *waiting)
            assert gate.calls == [(16, 1), (16, 6), (32, 4)]
        await encoder.close()

    asyncio.run(scenario())


def test_a_query_waits_for_one_call_of_a_large_request_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=10)
        with held(monkeypatch) as gate:
            large = asyncio.ensure_future(encoder.encode(D16, texts(35)))
            await until_running(gate)
            query = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await until_waiting(encoder, 26)
            gate.opened.set()
            await query
            assert gate.calls[:2] == [(16, 10), (16, 10)]
            assert (await large).codes.shape == (35, 2)
            assert [n for _, n in gate.calls] == [10, 10, 10, 6]
        await encoder.close()

    asyncio.run(scenario())


def test_a_caller_that_left_costs_no_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = batcher(max_queue=10)
        with held(monkeypatch) as gate:
            running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await until_running(gate)
            leaver = asyncio.ensure_future(encoder.encode(D16, texts(8)))
            await until_waiting(encoder, 8)
            leaver.cancel()
            stayer = asyncio.ensure_future(encoder.encode(D16, texts(9)))  # has room, as the leaver's is free again
            await until_waiting(encoder, 9)
            gate.opened.set()
            await asyncio.gather(running, stayer)
            assert gate.calls == [(16, 1), (16, 9)]
            assert encoder.stats.n_dropped == 1
        await encoder.close()

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = batcher(max_queue=10)
        with held(monkeypatch) as gate:
            running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await until_running(gate)
            waiting = asyncio.ensure_future(encoder.encode(D16, texts(10)))
            await until_waiting(encoder, 10)
            with pytest.raises(QueueFull, match="10 contents wait for a code, 1 more pass the limit 10"):
                await encoder.encode(D16, texts(1))
            gate.opened.set()
            await asyncio.gather(running, waiting)
        assert (await encoder.encode(D16, texts(1))).codes.shape == (1, 2)
        assert (await encoder.encode(D16, texts(50))).codes.shape == (50, 2)  # larger than the queue, but alone
        assert encoder.n_waiting == 0
        await encoder.close()

    asyncio.run(scenario())


def test_closing_finishes_what_waits_and_refuses_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        threads = set(threading.enumerate())
        encoder = batcher(max_batch=10)
        await encoder.encode(D16, [])
        with held(monkeypatch) as gate:
            waiting = [asyncio.ensure_future(encoder.encode(D16, texts(25))) for _ in range(2)]
            await until_running(gate)
            await until_waiting(encoder, 40)
            closing = asyncio.ensure_future(encoder.close())
            await asyncio.sleep(0)
            with pytest.raises(EncoderUnavailable, match="closing"):
                await encoder.encode(D16, texts(1))
            gate.opened.set()
            await closing
            assert [(await w).codes.shape for w in waiting] == [(25, 2), (25, 2)]
        await encoder.close()
        assert not [t for t in set(threading.enumerate()) - threads if t.name.startswith("nearbit-")]

    asyncio.run(scenario())


def test_callers_that_ask_together_load_a_hash_function_once() -> None:
    async def scenario() -> None:
        loads: list[str] = []
        opened = threading.Event()

        def load(digest: str) -> bytes:
            loads.append(digest)
            assert opened.wait(10)
            return STORED[digest]

        encoder = Batcher(load, device="cpu")
        callers = [asyncio.ensure_future(encoder.encode(D16, texts(1))) for _ in range(5)]
        await asyncio.sleep(0.05)
        callers[0].cancel()  # the one that began the load
        await asyncio.sleep(0)
        opened.set()
        assert len(await asyncio.gather(*callers[1:])) == 4
        assert loads == [D16]
        await encoder.close()

    asyncio.run(scenario())


def test_the_hash_function_used_least_recently_is_let_go_first() -> None:
    async def scenario() -> None:
        functions = {n: untrained_hash_function(n).to_bytes() for n in (8, 16, 24)}
        a, b, c = (digest_of(content) for content in functions.values())
        stored = {digest_of(content): content for content in functions.values()}
        loads: list[str] = []

        def load(digest: str) -> bytes:
            loads.append(digest)
            return stored[digest]

        encoder = Batcher(load, device="cpu", cache=2)
        for digest in (a, b, a, c, a, b):
            await encoder.encode(digest, texts(1))
        assert loads == [a, b, c, b]
        await encoder.close()

    asyncio.run(scenario())


def test_bytes_that_do_not_match_their_digest_are_refused_by_name_until_they_do() -> None:
    async def scenario() -> None:
        content = {D16: STORED[D32]}
        encoder = Batcher(content.__getitem__, device="cpu")
        for _ in range(2):
            with pytest.raises(CorruptArtifact, match=D16[:12]):
                await encoder.encode(D16, texts(1))
        content[D16] = STORED[D16]
        assert (await encoder.encode(D16, texts(1))).codes.shape == (1, 2)
        await encoder.close()

    asyncio.run(scenario())


def test_an_unknown_digest_is_what_the_loader_says() -> None:
    def load(digest: str) -> bytes:
        raise NotFound("hash function", digest)

    async def scenario() -> None:
        encoder = Batcher(load, device="cpu")
        with pytest.raises(NotFound):
            await encoder.encode(D16, texts(1))
        await encoder.close()

    asyncio.run(scenario())


def test_a_call_that_fails_fails_its_callers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = HashFunction.encode

    def failing(self: HashFunction, contents: Contents) -> Encoded:
        if self.n_bits == 32:
            raise RuntimeError("out of memory")
        return encode(self, contents)

    monkeypatch.setattr(HashFunction, "encode", failing)

    async def scenario() -> None:
        encoder = batcher(max_batch=10)
        with pytest.raises(RuntimeError, match="out of memory"):
            await encoder.encode(D32, texts(35))
        assert (await encoder.encode(D16, texts(1))).codes.shape == (1, 2)
        assert encoder.n_waiting == 0
        await encoder.close()

    asyncio.run(scenario())


def test_a_device_that_does_not_exist_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError, match="device"):
        Batcher(STORED.__getitem__, device="toaster")


def test_a_batcher_is_well_until_it_is_closed_and_asking_loads_nothing() -> None:
    async def scenario() -> None:
        loads: list[str] = []

        def load(digest: str) -> bytes:
            loads.append(digest)
            return STORED[digest]

        encoder = Batcher(load, device="cpu", cache=1)
        assert await encoder.health() is None
        await encoder.encode(D16, texts(1))
        assert await encoder.health() is None
        await encoder.encode(D16, texts(1))
        assert loads == [D16]
        await encoder.close()
        assert await encoder.health() == "the encoder is closing"

    asyncio.run(scenario())


class Steps:
    """Lets encode calls through one at a time, and notes the contents of each."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)
        self.calls: list[tuple[int, Contents]] = []

    async def until_running(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=120)


@contextmanager
def stepped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    steps, encode = Steps(), HashFunction.encode

    def one_step(self: HashFunction, contents: Contents) -> Encoded:
        steps.calls.append((self.n_bits, contents))
        steps.entered.release()
        assert steps.permits.acquire(timeout=120)
        return encode(self, contents)

    monkeypatch.setattr(HashFunction, "encode", one_step)
    yield steps
    steps.permits.release(10_000)


@pytest.mark.parametrize("max_batch", [1, 2, 3, 8, 10])
def test_a_long_request_ends_within_a_known_number_of_calls_while_short_ones_keep_coming(
    monkeypatch: pytest.MonkeyPatch, max_batch: int
) -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=max_batch)
        await encoder.encode(D16, [])
        shorts: list[asyncio.Future[Encoded]] = []
        with stepped(monkeypatch) as steps:
            running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await steps.until_running()
            long = asyncio.ensure_future(encoder.encode(D16, texts(30, "long")))
            await until_waiting(encoder, 30)
            n_calls = 0
            while not long.done():
                n_before = encoder.n_waiting
                shorts += [asyncio.ensure_future(encoder.encode(D16, [Text("s")])) for _ in range(max_batch)]
                await until_waiting(encoder, n_before + max_batch)
                steps.permits.release()
                await steps.until_running()
                await asyncio.sleep(0.001)
                n_calls += 1
                assert n_calls <= 4 * 30 / max_batch + 2
            steps.permits.release(10_000)
            await asyncio.gather(running, *shorts)
            assert max(len(contents) for _, contents in steps.calls) <= max_batch
            np.testing.assert_array_equal(long.result().codes, FUNCTIONS[16].encode(texts(30, "long")).codes)
        await encoder.close()

    asyncio.run(scenario())


def test_a_query_waits_for_the_running_call_and_one_of_each_other_function_whatever_else_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=8)
        for digest in (D16, D32):
            await encoder.encode(digest, [])
        with stepped(monkeypatch) as steps:
            others = [asyncio.ensure_future(encoder.encode(D16, texts(1)))]
            await steps.until_running()
            others += [asyncio.ensure_future(encoder.encode(D16, texts(n))) for n in (100, *[1] * 50)]
            await until_waiting(encoder, 150)
            query = asyncio.ensure_future(encoder.encode(D32, texts(1)))
            await until_waiting(encoder, 151)
            for _ in range(2):
                steps.permits.release()
                await steps.until_running()
            assert [n_bits for n_bits, _ in steps.calls] == [16, 16, 32]
            steps.permits.release(10_000)
            await asyncio.gather(query, *others)
        await encoder.close()

    asyncio.run(scenario())


def test_a_call_takes_long_texts_few_at_a_time_and_a_query_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=8, max_chars=1_000)
        await encoder.encode(D16, [])
        with stepped(monkeypatch) as steps:
            running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await steps.until_running()
            long = asyncio.ensure_future(encoder.encode(D16, [Text("long " * 40)] * 6 + [Text("w" * 5_000)] * 2))
            await until_waiting(encoder, 8)
            query = asyncio.ensure_future(encoder.encode(D16, texts(1)))
            await until_waiting(encoder, 9)
            steps.permits.release()
            await steps.until_running()
            assert Text("word number 0") in steps.calls[1][1]
            steps.permits.release(10_000)
            await asyncio.gather(running, query)
            assert (await long).codes.shape == (8, 2)
        lengths = [[len(content.text) for content in contents] for _, contents in steps.calls]  # type: ignore[union-attr]
        assert all(sum(call) <= 1_000 or len(call) == 1 for call in lengths)
        await encoder.close()

    asyncio.run(scenario())


class Unsliceable(list[Text]):
    """Contents that cannot be cut, as contents of a faulty caller might."""

    def __getitem__(self, key: object) -> object:  # type: ignore[override]
        raise RuntimeError("not to be cut")


@pytest.mark.parametrize("fault", ["join", "cut", "rows", "contents"])
def test_a_fault_anywhere_in_the_thread_is_its_callers_and_the_thread_lives_on(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=10)
        await encoder.encode(D16, [])
        contents = texts(25)
        with monkeypatch.context() as patch:
            if fault == "join":
                patch.setattr(Encoded, "joined", lambda parts: 1 / 0)
            if fault == "cut":
                patch.setattr(Encoded, "__getitem__", lambda self, rows: 1 / 0)
            if fault == "rows":
                patch.setattr(HashFunction, "encode", lambda self, contents: None)
            if fault == "contents":
                contents = Unsliceable(contents)
            with pytest.raises((ZeroDivisionError, TypeError, RuntimeError)):
                await asyncio.wait_for(encoder.encode(D16, contents), 10)
        assert (await asyncio.wait_for(encoder.encode(D16, texts(25)), 10)).codes.shape == (25, 2)
        assert await encoder.health() is None
        assert (encoder.n_waiting, encoder.n_running) == (0, 0)
        await encoder.close()

    asyncio.run(scenario())


def test_an_error_that_no_future_can_hold_reaches_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def ending(self: HashFunction, contents: Contents) -> Encoded:
        raise StopIteration

    async def scenario() -> None:
        encoder = batcher()
        await encoder.encode(D16, [])
        monkeypatch.setattr(HashFunction, "encode", ending)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(encoder.encode(D16, texts(1)), 10)
        await encoder.close()

    asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_has_ended_waiting_and_new_requests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, opened = threading.Event(), threading.Event()

    def ending(self: HashFunction, contents: Contents) -> Encoded:
        entered.set()
        assert opened.wait(10)
        raise SystemExit

    async def scenario() -> None:
        encoder = batcher()
        await encoder.encode(D16, [])
        monkeypatch.setattr(HashFunction, "encode", ending)
        running = asyncio.ensure_future(encoder.encode(D16, texts(1)))
        assert await asyncio.to_thread(entered.wait, 10)
        waiting = asyncio.ensure_future(encoder.encode(D16, texts(3)))
        await until_waiting(encoder, 3)
        opened.set()
        for refused in (running, waiting):
            with pytest.raises(EncoderUnavailable, match="restart"):
                await asyncio.wait_for(refused, 10)
        with pytest.raises(EncoderUnavailable, match="restart"):
            await asyncio.wait_for(encoder.encode(D16, texts(1)), 10)
        assert encoder.n_waiting == 0
        assert "restart" in str(await encoder.health())
        await encoder.close()

    asyncio.run(scenario())


def test_hash_functions_that_take_long_to_load_do_not_block_another() -> None:
    slow = {digest_of(content): content for content in (untrained_hash_function(n).to_bytes() for n in (8, 24, 40))}
    opened = threading.Event()

    def load(digest: str) -> bytes:
        if digest in slow:
            assert opened.wait(10)
            return slow[digest]
        return STORED[digest]

    async def scenario() -> None:
        encoder = Batcher(load, device="cpu")
        waiting = [asyncio.ensure_future(encoder.encode(digest, texts(1))) for digest in slow]
        await asyncio.sleep(0)
        assert (await asyncio.wait_for(encoder.encode(D16, texts(1)), 5)).codes.shape == (1, 2)
        assert encoder.n_waiting == 3
        opened.set()
        assert [(await one).codes.shape for one in waiting] == [(1, 1), (1, 3), (1, 5)]
        await encoder.close()

    asyncio.run(scenario())


def test_callers_that_leave_during_a_load_leave_nothing_behind_and_a_failed_load_is_tried_anew() -> None:
    opened, failed = threading.Event(), threading.Event()
    loads: list[str] = []

    def load(digest: str) -> bytes:
        loads.append(digest)
        if len(loads) == 1:
            assert opened.wait(10)
            failed.set()
            raise NotFound("hash function", digest)
        return STORED[digest]

    async def scenario() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        encoder = Batcher(load, device="cpu")
        leavers = [asyncio.ensure_future(encoder.encode(D16, texts(2))) for _ in range(3)]
        await until_waiting(encoder, 6)
        for leaver in leavers:
            leaver.cancel()
        await asyncio.wait(leavers)
        assert encoder.n_waiting == 0
        opened.set()
        assert await asyncio.to_thread(failed.wait, 10)
        async with asyncio.timeout(10):
            while True:  # until the failed load has ended, its caller is one of those that wait for it
                try:
                    assert (await encoder.encode(D16, texts(1))).codes.shape == (1, 2)
                    break
                except NotFound:
                    assert len(loads) == 1
        assert len(loads) == 2
        await encoder.close()
        gc.collect()
        await asyncio.sleep(0)
        assert complaints == []

    asyncio.run(scenario())


def test_a_load_that_failed_after_its_callers_left_is_not_what_the_next_caller_gets() -> None:
    opened = threading.Event()
    loads: list[str] = []

    def load(digest: str) -> bytes:
        loads.append(digest)
        if len(loads) == 1:
            assert opened.wait(10)
            raise NotFound("hash function", digest)
        return STORED[digest]

    async def scenario() -> None:
        encoder = Batcher(load, device="cpu")
        leaver = asyncio.ensure_future(encoder.encode(D16, texts(1)))
        await until_waiting(encoder, 1)
        leaver.cancel()
        await asyncio.wait([leaver])
        opened.set()
        async with asyncio.timeout(10):
            while encoder.n_loading:
                await asyncio.sleep(0.001)
        assert (await encoder.encode(D16, texts(1))).codes.shape == (1, 2)
        await encoder.close()

    asyncio.run(scenario())


def test_callers_that_wait_for_a_load_count_as_waiting() -> None:
    opened = threading.Event()

    def load(digest: str) -> bytes:
        assert opened.wait(10)
        return STORED[digest]

    async def scenario() -> None:
        encoder = Batcher(load, device="cpu", max_queue=10)
        waiting = [asyncio.ensure_future(encoder.encode(D16, texts(5))) for _ in range(2)]
        await until_waiting(encoder, 10)
        with pytest.raises(QueueFull, match="10 contents wait"):
            await asyncio.wait_for(encoder.encode(D16, texts(1)), 10)
        opened.set()
        await asyncio.gather(*waiting)
        assert encoder.n_waiting == 0
        await encoder.close()

    asyncio.run(scenario())


def test_many_contents_are_explained_a_few_at_a_time_and_callers_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def noted(function: HashFunction, contents: Contents, bits: Sequence[int] | None) -> list[WordContributions]:
        calls.append([content.text for content in contents if isinstance(content, Text)])
        return explain(function, contents, bits)

    monkeypatch.setattr("service.hashing.explain.explain", noted)

    async def scenario() -> None:
        encoder = batcher()
        await encoder.encode(D16, texts(1))
        many, few = texts(70, "many"), texts(2, "few")
        of_many, of_few = await asyncio.gather(encoder.explain(D16, many), encoder.explain(D16, few, [3]))
        await encoder.close()
        assert len(of_many) == 70
        assert [one.logits.shape[1] for one in of_few] == [1, 1]
        assert max(map(len, calls)) < 70
        assert calls[1] == [text.text for text in few]

    asyncio.run(scenario())


def test_too_many_contents_to_explain_are_refused_and_a_closed_batcher_explains_nothing() -> None:
    async def scenario() -> None:
        encoder = batcher(max_queue=3)
        await encoder.encode(D16, texts(1))
        first = asyncio.create_task(encoder.explain(D16, texts(3)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="3 contents wait to be explained, 1 more pass 3"):
            await encoder.explain(D16, texts(1))
        assert len(await first) == 3
        assert len(await encoder.explain(D16, texts(1))) == 1
        await encoder.close()
        with pytest.raises(EncoderUnavailable):
            await encoder.explain(D16, texts(1))

    asyncio.run(scenario())
