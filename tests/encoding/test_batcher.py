import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.encoding.batcher import Batcher
from service.errors import ConfigurationError, CorruptArtifact, EncoderUnavailable, NotFound, QueueFull
from service.hashing.content import Contents, Text
from service.hashing.function import Encoded, HashFunction, digest_of
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
    assert await asyncio.to_thread(gate.entered.acquire, timeout=10)


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
        np.testing.assert_array_equal(got[0].n_known, wanted.n_known)
        np.testing.assert_array_equal(np.concatenate([one.codes for one in got[1:]]), wanted.codes)
        await encoder.close()

    asyncio.run(scenario())


def test_features_are_those_of_the_featurizer() -> None:
    async def scenario() -> None:
        encoder = batcher(max_batch=7)
        wanted = FUNCTIONS[32].featurizer.transform(texts(40))
        answers = await asyncio.gather(
            encoder.features(D32, texts(40)), encoder.encode(D32, texts(40)), encoder.features(D32, texts(3))
        )
        assert (csr_matrix(answers[0]) != wanted).nnz == 0
        assert (csr_matrix(answers[2]) != wanted[:3]).nnz == 0
        np.testing.assert_array_equal(answers[1].confidence, FUNCTIONS[32].encode(texts(40)).confidence)
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


def test_a_device_that_is_not_there_is_said_at_once() -> None:
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
