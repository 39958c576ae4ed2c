"""The Hamming table answers as brute force does, whatever was added, replaced, deleted, rebuilt and stored before."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.hashing.codes import Codes
from service.index.hamming import layout, snapshot
from service.index.hamming import table as table_module
from service.index.hamming.answers import Neighbors, Stats
from service.index.hamming.kernels.select import loops_for
from service.index.hamming.layout import ANSWER_WORDS, AUTO, PROBE, SCAN, UNLIMITED
from service.index.hamming.table import HammingTable
from service.index.hamming.view import Keys
from service.index.key_mask import KeyMask
from tests import oracles
from tests.examples import examples

WIDTHS = [8, 16, 32, 64, 72, 128, 256]
ALL_WIDTHS = [*range(8, 257, 8)]


@pytest.fixture(params=["numba", "numpy"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run with the compiled loops, and with those in numpy."""
    monkeypatch.setenv("NEARBIT_KERNEL", request.param)
    loops_for.cache_clear()
    yield request.param
    loops_for.cache_clear()


@pytest.fixture
def tiny_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe and rebuild tables of a few codes, as the service does with many."""
    monkeypatch.setattr(layout, "MIN_PROBED", 4)
    monkeypatch.setattr(table_module, "MIN_DELTA", 12)


def brute_force(model: dict[int, bytes], code: Codes, radius: int, k: int | None = None) -> list[tuple[int, int]]:
    """(distance, key) of all within radius, ascending, cut at k: the oracle."""
    return oracles.within(model, code.tobytes(), radius)[:k]


def as_pairs(answer: Neighbors) -> list[tuple[int, int]]:
    return list(zip(answer.distances.tolist(), answer.keys.tolist(), strict=True))


def clustered(rng: np.random.Generator, n: int, n_bits: int, n_centres: int = 5) -> Codes:
    centres = np.random.default_rng(n_bits).integers(0, 2, (n_centres, n_bits), np.uint8)
    flips = rng.random((n, n_bits)) < 0.08
    return np.packbits(centres[rng.integers(0, n_centres, n)] ^ flips, axis=1)


def as_model(keys: Keys, codes: Codes) -> dict[int, bytes]:
    return {int(key): code.tobytes() for key, code in zip(keys, codes, strict=True)}


def through_a_snapshot(table: HammingTable) -> HammingTable:
    with TemporaryDirectory() as folder:
        snapshot.save(table, Path(folder), "d", 1)
        loaded = snapshot.load(Path(folder), "d")
    assert loaded is not None
    return loaded[0]


@pytest.mark.usefixtures("kernel", "tiny_limits")
@examples(80)
@given(data=st.data(), n_bits=st.sampled_from(ALL_WIDTHS), seed=st.integers(0, 2**32 - 1))
def test_any_history_of_writes_answers_as_brute_force(data: st.DataObject, n_bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = data.draw(st.integers(0, 60))
    codes = clustered(rng, n, n_bits)
    keys = rng.permutation(100)[:n].astype(np.int64) - 50
    table = HammingTable.build(codes, keys)
    model = as_model(keys, codes)
    for step in data.draw(st.lists(st.sampled_from(["add", "add", "delete", "rebuilt", "stored"]), max_size=8)):
        touched = rng.integers(-60, 60, data.draw(st.integers(0, 20)))
        if step == "add":
            new = clustered(rng, len(touched), n_bits)
            table.add(new, touched)
            model |= as_model(touched, new)
        elif step == "delete":
            table.delete(touched)
            model = {key: code for key, code in model.items() if key not in set(touched.tolist())}
        elif step == "rebuilt":
            table.wait()
        else:
            table = through_a_snapshot(table)
        assert len(table) == len(model)
    queries = clustered(rng, 3, n_bits)
    k, radius = data.draw(st.integers(1, 80)), data.draw(st.integers(0, n_bits))
    shown = data.draw(st.none() | st.sets(st.integers(-60, 60)) | st.sets(st.integers(-60, 60), min_size=100))
    far = data.draw(st.booleans())  # a key that lies far apart makes of the mask a list
    allowed = None if shown is None else KeyMask.of_keys(shown | ({1 << 60} if far else set()))
    visible = {key: code for key, code in model.items() if shown is None or key in shown}
    for query, nearest, ball in zip(
        queries, table.search(queries, k, allowed), table.within(queries, radius, allowed), strict=True
    ):
        assert as_pairs(nearest) == brute_force(visible, query, n_bits, k)
        assert as_pairs(ball) == brute_force(visible, query, radius)
    wanted: Keys = np.arange(-60, 60)
    found_codes, found = table.get(wanted)
    assert as_model(wanted[found], found_codes[found]) == model
    single = [table.get(wanted[i : i + 1])[1][0] for i in range(len(wanted))]
    assert single == found.tolist()


@pytest.mark.parametrize("n_bits", WIDTHS)
def test_probing_and_scanning_and_choosing_answer_alike(n_bits: int) -> None:
    rng = np.random.default_rng(n_bits)
    codes, queries = clustered(rng, 40_000, n_bits, 40), clustered(rng, 40, n_bits, 40)
    queries[::2] = rng.integers(0, 256, queries[::2].shape, np.uint8)
    table = HammingTable.build(codes, rng.permutation(40_000) - 7)
    table.delete(np.arange(0, 40_000, 3))
    table.add(codes[:500], np.arange(500))
    view = table._view
    for k, limit in ((1, n_bits), (10, n_bits), (300, n_bits), (UNLIMITED, min(1, n_bits // 32))):
        room = min(k, 300)
        scanned, probed, chosen = (
            [
                tuple(row[:1]) if k == UNLIMITED else tuple(row[ANSWER_WORDS:])
                for row in table._answers(view, queries, k, limit, room, mode).tolist()
            ]
            for mode in (SCAN, PROBE, AUTO)
        )
        assert scanned == probed
        assert scanned == chosen


@pytest.mark.usefixtures("kernel")
def test_many_queries_at_once_answer_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    codes = clustered(rng, 40_000, 64, 50)
    table = HammingTable.build(codes, np.arange(40_000))
    queries = clustered(rng, 150, 64, 50)
    together, balls = table.search(queries, 7), table.within(queries, 9)
    for i, (nearest, ball) in enumerate(zip(together, balls, strict=True)):
        assert as_pairs(nearest) == as_pairs(table.search(queries[i : i + 1], 7)[0])
        assert as_pairs(ball) == as_pairs(table.within(queries[i : i + 1], 9)[0])


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("n_bits", [32, 64])
def test_codes_equal_by_the_thousand_come_by_key(n_bits: int) -> None:
    rng = np.random.default_rng(1)
    n = 40_000
    codes = np.zeros((n, n_bits // 8), np.uint8)
    codes[: n // 2, -1] = rng.integers(0, 4, n // 2)
    keys = rng.permutation(n).astype(np.int64)
    table = HammingTable.build(codes, keys)
    model = as_model(keys, codes)
    for k in (1, 10, 2_000):
        assert as_pairs(table.search(codes[-1:], k)[0]) == brute_force(model, codes[-1], n_bits, k)
    assert as_pairs(table.within(codes[-1:], 0)[0]) == brute_force(model, codes[-1], 0)


@pytest.mark.usefixtures("kernel")
def test_all_codes_equal_and_k_larger_than_n() -> None:
    keys = np.arange(40_000)[::-1].copy()
    table = HammingTable.build(np.full((40_000, 8), 7, np.uint8), keys)
    assert table.search(np.full((1, 8), 7, np.uint8), 5)[0].keys.tolist() == [0, 1, 2, 3, 4]
    assert table.search(np.zeros((1, 8), np.uint8), 50_000)[0].keys.tolist() == list(range(40_000))


@pytest.mark.usefixtures("kernel")
def test_an_empty_table_answers_with_nothing() -> None:
    table = HammingTable.build(np.empty((0, 8), np.uint8), np.empty(0, np.int64))
    query = np.zeros((1, 8), np.uint8)
    assert as_pairs(table.search(query, 3)[0]) == []
    assert as_pairs(table.within(query, 64)[0]) == []
    assert len(table.search(np.empty((0, 8), np.uint8), 3)) == 0
    assert table.search(query, 3).keys.shape == (1, 0)
    assert table.near_duplicates(3) == []
    table.delete(np.array([5]))
    assert len(table) == 0


@pytest.mark.usefixtures("kernel")
def test_a_table_from_which_all_was_deleted_answers_with_nothing_and_fills_again() -> None:
    table = HammingTable.build(np.zeros((300, 8), np.uint8), np.arange(300))
    table.add(np.ones((2, 8), np.uint8), np.array([7, 300]))
    table.delete(np.arange(301))
    query = np.zeros((1, 8), np.uint8)
    assert len(table) == 0
    assert as_pairs(table.search(query, 3)[0]) == as_pairs(table.within(query, 64)[0]) == []
    assert not table.get(np.arange(301))[1].any()
    table.add(query, np.array([7]))
    assert as_pairs(table.search(query, 3)[0]) == [(0, 7)]


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("n_bits", WIDTHS)
def test_radius_0_finds_equal_codes_and_radius_n_bits_finds_all(n_bits: int) -> None:
    rng = np.random.default_rng(n_bits)
    codes, keys = clustered(rng, 40_000, n_bits, 2_000), rng.permutation(40_000).astype(np.int64)
    codes[1_000:3_500] = codes[0]
    table = HammingTable.build(codes, keys)
    (equal,), (all_of_them,) = table.within(codes[:1], 0), table.within(codes[:1], n_bits)
    distances = oracles.distances(codes, codes[0])
    assert equal.keys.tolist() == sorted(keys[distances == 0].tolist())
    assert len(equal.keys) > 2_500
    assert all_of_them.keys.tolist() == keys[np.lexsort((keys, distances))].tolist()
    assert all_of_them.distances.tolist() == sorted(distances.tolist())


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
def test_a_filter_never_gives_fewer_than_k(share: float) -> None:
    rng = np.random.default_rng(5)
    codes = clustered(rng, 40_000, 64, 30)
    table = HammingTable.build(codes, np.arange(40_000))
    allowed = np.flatnonzero(rng.random(40_000) < share)
    mask = KeyMask.of_keys(allowed)
    model = as_model(allowed, codes[allowed])
    queries = clustered(rng, 3, 64, 30)
    for query, answer in zip(queries, table.search(queries, 10, mask), strict=True):
        assert as_pairs(answer) == brute_force(model, query, 64, 10)


@pytest.mark.usefixtures("kernel")
def test_a_key_mask_may_name_keys_that_come_and_go() -> None:
    table = HammingTable.build(np.zeros((3, 8), np.uint8), np.arange(3))
    mask = KeyMask.of_keys({1, 2, 9})
    table.delete(np.array([1]))
    table.add(np.zeros((2, 8), np.uint8), np.array([9, 10]))
    found = table.search(np.zeros((1, 8), np.uint8), 5, mask)
    assert found[0].keys.tolist() == [2, 9]
    assert found.keys.tolist() == [[2, 9, -1]]


@pytest.mark.usefixtures("kernel")
def test_writes_made_while_a_base_is_built_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    table = HammingTable.build(np.zeros((100, 8), np.uint8), np.arange(100))
    building, may_go_on = threading.Event(), threading.Event()
    build_base = table_module.build_base

    def slow(*args: object) -> object:
        building.set()
        assert may_go_on.wait(30)
        return build_base(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(table_module, "MIN_DELTA", 10)
    monkeypatch.setattr(table_module, "build_base", slow)
    table.add(np.ones((20, 8), np.uint8), np.arange(90, 110))
    assert building.wait(30)
    table.add(np.full((2, 8), 3, np.uint8), np.array([5, 200]))  # replaces one of the base, adds one
    table.add(np.full((1, 8), 7, np.uint8), np.array([95]))  # replaces one of the delta that is being merged
    table.delete(np.array([0, 105]))
    may_go_on.set()
    table.wait()
    expected = {key: bytes(8) for key in range(1, 90)} | {key: bytes([1] * 8) for key in range(90, 110)}
    expected |= {5: bytes([3] * 8), 200: bytes([3] * 8), 95: bytes([7] * 8)}
    del expected[105]
    codes, found = table.get(np.arange(-5, 300))
    assert as_model(np.arange(-5, 300)[found], codes[found]) == expected
    assert table._view.n_base == 110
    assert as_pairs(table.search(np.zeros((1, 8), np.uint8), 300)[0]) == brute_force(
        expected, np.zeros(8, np.uint8), 64
    )


@pytest.mark.usefixtures("kernel")
def test_queries_during_a_rebuild_see_every_write(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    codes, keys = clustered(rng, 40_000, 64, 300), np.arange(40_000)
    table, model = HammingTable.build(codes, keys), as_model(keys, codes)
    may_go_on, build_base = threading.Event(), table_module.build_base

    def slow(*args: object) -> object:
        assert may_go_on.wait(30)
        return build_base(*args)  # type: ignore[arg-type]

    def check() -> None:
        for query in clustered(rng, 3, 64, 300):
            assert as_pairs(table.search(query[None], 10)[0]) == brute_force(model, query, 64, 10)
            assert as_pairs(table.within(query[None], 6)[0]) == brute_force(model, query, 6)

    monkeypatch.setattr(table_module, "MIN_DELTA", 300)
    monkeypatch.setattr(table_module, "build_base", slow)
    for first in range(39_800, 41_000, 200):
        new, touched = clustered(rng, 200, 64, 300), np.arange(first, first + 200)
        table.add(new, touched)
        model |= as_model(touched, new)
        table.delete(touched[::9])
        for key in touched[::9].tolist():
            del model[key]
        check()
    assert table._rebuild is not None
    may_go_on.set()
    table.wait()
    check()
    assert table._view.n_base > 40_000


def test_memory_stays_bounded_however_often_codes_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "MIN_DELTA", 500)
    rng = np.random.default_rng(1)
    table = HammingTable.build(rng.integers(0, 256, (2_000, 8), np.uint8), np.arange(2_000))
    most = 0
    for _ in range(200):
        table.add(rng.integers(0, 256, (100, 8), np.uint8), rng.permutation(2_000)[:100])
        table.wait()
        most = max(most, table.memory_bytes)
        assert table._view.n_delta <= 500 + 100
    assert len(table) == 2_000
    assert most <= 2_000 * 16 + 200_000  # codes and keys of 2,000, and of a delta that was doubled once


def test_the_memory_that_is_reported_is_the_memory_that_is_taken() -> None:
    codes = np.random.default_rng(1).integers(0, 256, (100_000, 8), np.uint8)
    keys, new, late = np.arange(100_000), codes[:5_000].copy(), np.arange(98_000, 103_000)
    HammingTable.build(codes[:100], keys[:100]).search(codes[:1], 1)  # what is loaded once is not of this table
    tracemalloc.start()
    try:
        table = HammingTable.build(codes, keys)
        table.add(new, late)
        table.delete(late[::3])
        table.wait()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.9 <= taken / table.memory_bytes <= 1.1


def test_a_rebuild_that_fails_leaves_the_table_as_it_was_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "MIN_DELTA", 5)
    seen: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(str(args.exc_value)))
    table = HammingTable.build(np.zeros((50, 8), np.uint8), np.arange(50))
    with monkeypatch.context() as patch:
        patch.setattr(table_module, "build_base", lambda *_: (_ for _ in ()).throw(MemoryError("no room")))
        table.add(np.ones((20, 8), np.uint8), np.arange(40, 60))
        table.wait()
    assert seen == ["no room"]
    assert len(table.search(np.zeros((1, 8), np.uint8), 100)[0].keys) == 60
    table.add(np.ones((1, 8), np.uint8), np.array([60]))
    table.wait()
    assert table._view.n_base == 61
    assert len(table.search(np.zeros((1, 8), np.uint8), 100)[0].keys) == 61


@pytest.mark.usefixtures("kernel")
def test_a_query_never_sees_half_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "MIN_DELTA", 500)
    table = HammingTable.build(np.zeros((50, 8), np.uint8), np.arange(50))
    ends = threading.Event()
    wrong: list[list[int]] = []
    n_reads = [0] * 4

    def read(reader: int) -> None:
        query = np.zeros((1, 8), np.uint8)
        while not ends.is_set():
            keys = table.search(query, 100)[0].keys
            if sorted(keys.tolist()) != list(range(50)):
                wrong.append(keys.tolist())
            n_reads[reader] += 1

    n_updates = 0
    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(read, reader) for reader in range(4)]
        try:  # until each reader has read while there were updates, however slow the machine
            while n_updates < 60 or min(n_reads) < 10:
                assert not any(reader.done() for reader in reading)
                table.add(np.full((50, 8), n_updates % 7, np.uint8), np.arange(50))
                n_updates += 1
        finally:
            ends.set()
        for reader in reading:
            reader.result(60)
    table.wait()
    assert wrong == []


@pytest.mark.usefixtures("kernel")
def test_logits_order_hits_of_equal_distance_and_nothing_else() -> None:
    rng = np.random.default_rng(4)
    codes, keys = rng.integers(0, 256, (500, 1), np.uint8), rng.permutation(500).astype(np.int64)
    table = HammingTable.build(codes, keys)
    logits = rng.normal(size=(3, 8))
    queries = np.packbits(logits > 0, axis=1)
    for query, row, answer, plain in zip(
        queries, logits, table.search(queries, 40, logits=logits), table.search(queries, 40), strict=True
    ):
        differing = np.unpackbits(codes ^ query, axis=1)
        expected = np.lexsort((keys, differing @ np.abs(row), differing.sum(axis=1)))[:40]
        assert answer.keys.tolist() == keys[expected].tolist()
        assert answer.distances.tolist() == plain.distances.tolist()
    with pytest.raises(InvalidInput, match="logits must be"):
        table.search(queries, 3, logits=logits[:1])


def test_a_million_codes_take_at_most_68_bytes_each() -> None:
    words = layout.allocate(1_000_000, 64, layout.n_tables_for(1_000_000, 64))
    bytes_per_code = words.nbytes / 1_000_000
    assert bytes_per_code <= 68


@pytest.mark.usefixtures("dear_scans")
@pytest.mark.skipif(os.environ.get("NEARBIT_KERNEL") == "numpy", reason="numpy scans where compiled loops probe")
def test_stats_say_how_the_answer_was_found() -> None:
    rng = np.random.default_rng(2)
    codes = clustered(rng, 50_000, 64, 20)
    stats = HammingTable.build(codes, np.arange(50_000)).search(codes[:1], 3)[0].stats
    assert stats.path == "probe"
    assert stats.probes > 0
    assert 3 <= stats.candidates < 50_000
    stats = HammingTable.build(codes[:100], np.arange(100)).search(codes[:1], 3)[0].stats
    assert stats == Stats("scan", 0, 100, 64)


def test_equal_distances_are_ordered_by_key() -> None:
    table = HammingTable.build(np.zeros((3, 8), np.uint8), np.array([7, -1, 3]))
    assert table.search(np.zeros((1, 8), np.uint8), 2)[0].keys.tolist() == [-1, 3]


def test_the_last_of_equal_keys_in_one_add_wins() -> None:
    table = HammingTable(8)
    table.add(np.array([[1], [2], [3]], np.uint8), np.array([4, 5, 4]))
    assert table.get(np.array([4, 5]))[0].tolist() == [[3], [2]]


@pytest.mark.parametrize("n_bits", [0, 12, 264])
def test_a_width_that_no_code_has_is_refused(n_bits: int) -> None:
    with pytest.raises(InvalidInput, match="n_bits must be"):
        HammingTable(n_bits)


def test_wrong_shapes_and_numbers_are_refused() -> None:
    table = HammingTable.build(np.zeros((1, 8), np.uint8), np.array([1]))
    query = np.zeros((1, 8), np.uint8)
    with pytest.raises(InvalidInput, match="codes must be"):
        table.search(np.zeros((1, 4), np.uint8), 1)
    with pytest.raises(InvalidInput, match="k must be"):
        table.search(query, 0)
    with pytest.raises(InvalidInput, match="radius must be"):
        table.within(query, -1)
    with pytest.raises(InvalidInput, match="keys must be"):
        table.add(query, np.array([1, 2]))
    with pytest.raises(InvalidInput, match="unique"):
        HammingTable.build(np.zeros((2, 8), np.uint8), np.array([1, 1]))
