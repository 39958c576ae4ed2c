"""The Hamming index against its targets and its peers, all measured in this run.

    python benchmarks/search.py [--large] [--peers [--pgvector FOLDER]] [--corpus FILE] [--json FILE] [--plot FILE]
    python benchmarks/search.py --choices [--large] [--slower X] [--json FILE]
    python benchmarks/search.py --filters [--folder FOLDER] [--only NAME] [--json FILE]

With --filters nothing but filters in the index, then filters, facets, groups, orders and explanations over HTTP:
`search_filters.py` says how.

Without --large everything stays at or below a million codes. Synthetic codes are 64 bits wide: `clustered` are 2,000
centres with 8 % of the bits flipped, `uniform` are random. --corpus adds codes learned from its documents. A time is
the least of five medians (p50) taken in turns with the peer's, so that what else the machine does falls on both; the
ratio counts. nearbit's times are those of the Python call `HammingTable.search`, whose answers become arrays or objects
when they are looked at (the rows also say what that adds for the arrays), FAISS's those of `index.search`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
import search_choices
import search_filters
import search_peers as peers
from search_peers import Codes

from service.cores import usable_cores
from service.index.hamming import snapshot
from service.index.hamming.answers import Answers
from service.index.hamming.duplicates import LINKAGES
from service.index.hamming.kernels.compiled import SLICES
from service.index.hamming.layout import AUTO, GATHER, PROBE, SCAN
from service.index.hamming.table import HammingTable
from service.index.key_mask import KeyMask
from service.index.replica import Replica
from service.store import collections, spaces
from service.store.database import Database
from service.store.migrations import migrate
from service.store.overviews import SpaceReference

ROUNDS, N_QUERIES = 5, 300
CENTRES, FLIPPED = 2_000, 0.08
MILLION = 1_000_000


@dataclass
class Row:
    """One line of the table: what was measured, in words, and whether it reaches the target."""

    job: str
    measured: str
    target: str
    reached: bool | None


@dataclass
class Report:
    """All lines and figures of a run; each line is printed as soon as it is known."""

    rows: list[Row]
    figures: dict[str, float]

    def row(self, job: str, measured: str, target: str = "", reached: bool | None = None) -> None:
        self.rows.append(Row(job, measured, target, reached))
        mark = {True: "reached", False: "MISSED", None: ""}[reached]
        print(f"{job:<52} {measured:<62} {target:<22} {mark}", flush=True)


def clustered(n: int, seed: int, n_bits: int = 64) -> Codes:
    """Codes around 2,000 fixed centres, each bit flipped with a chance of 8 %."""
    centres = np.random.default_rng(99).integers(0, 256, (CENTRES, n_bits // 8), np.uint8)
    rng = np.random.default_rng(seed)
    codes = centres[rng.integers(0, CENTRES, n)]
    for first in range(0, n, 100_000):
        part = codes[first : first + 100_000]
        part ^= np.packbits(rng.random((len(part), n_bits), np.float32) < FLIPPED, axis=1)
    return codes


def uniform(n: int, seed: int, n_bits: int = 64) -> Codes:
    """Random codes."""
    return np.random.default_rng(seed).integers(0, 256, (n, n_bits // 8), np.uint8)


def table_of(codes: Codes) -> HammingTable:
    return HammingTable.build(codes, np.arange(len(codes)))


def race(contenders: dict[str, Callable[[Codes], object]], queries: Codes, rounds: int = ROUNDS) -> dict[str, float]:
    """The p50 of each contender in microseconds: the least of `rounds` medians, taken in turns."""
    best = dict.fromkeys(contenders, np.inf)
    for _ in range(rounds):
        for name, call in contenders.items():
            call(queries[:1])
            best[name] = min(best[name], float(np.median(laps(call, queries))))
    return best


def laps(call: Callable[[Codes], object], queries: Codes) -> NDArray[np.float64]:
    """Microseconds of one call for each query."""
    taken = np.empty(len(queries))
    for i in range(len(queries)):
        query = queries[i : i + 1]
        began = time.perf_counter_ns()
        call(query)
        taken[i] = (time.perf_counter_ns() - began) / 1e3
    return taken


def as_arrays(answers: Answers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys and distances as arrays, which FAISS gives at once and nearbit when they are asked for."""
    return answers.keys, answers.distances


def by(table: HammingTable, k: int, mode: int, allowed: KeyMask | None = None) -> Callable[[Codes], object]:
    """A search that is told which way to go."""
    return lambda query: table._answers(table._view, query, k, table.n_bits, k, mode, allowed)


def memory_floor(codes: Codes) -> Callable[[Codes], object]:
    """The fastest way found to read codes once and do nothing with them."""
    import numba

    @numba.njit(fastmath=True, nogil=True)  # type: ignore[untyped-decorator]
    def read(words):  # type: ignore[no-untyped-def]
        a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        quarter = len(words) // 4
        for i in range(quarter):
            a ^= words[i]
            b ^= words[i + quarter]
            c ^= words[i + 2 * quarter]
            d ^= words[i + 3 * quarter]
        return a ^ b ^ c ^ d

    words = codes.view(np.uint64).ravel()
    return lambda _: read(words)


def nearest(report: Report, name: str, make: Callable[[int, int], Codes], n: int, target: float) -> None:
    """Exact 10 nearest, and the scan, against FAISS's flat index and the memory floor."""
    codes, queries = make(n, 1), make(N_QUERIES if n <= MILLION else 60, 2)
    table, flat = table_of(codes), peers.faiss_flat(codes)
    for query in queries[:20]:
        mine, theirs = table.search(query[None], 10)[0].distances, flat.search(query[None], 10)
        assert np.array_equal(mine, theirs), "nearbit and FAISS disagree"
    times = race(
        {
            "nearbit": lambda q: table.search(q, 10),
            "as arrays": lambda q: as_arrays(table.search(q, 10)),
            "flat": lambda q: flat.search(q, 10),
            "scan": by(table, 10, SCAN),
            "probe": by(table, 10, PROBE),
            "auto": by(table, 10, AUTO),
            "floor": memory_floor(codes),
        },
        queries,
    )
    label = f"{name} {n / MILLION:g}M"
    report.figures |= {f"{label} {what} us": value for what, value in times.items()}
    ratio = times["flat"] / times["nearbit"]
    arrays = f"{times['as arrays']:.1f} us with its arrays looked at"
    measured = f"{times['nearbit']:.1f} us ({arrays}), flat {times['flat']:.0f} us: {ratio:.1f}x"
    report.row(f"exact 10-NN, {label}", measured, f">= {target:g}x", ratio >= target)
    worse = times["auto"] / min(times["scan"], times["probe"])
    measured = f"{worse:.2f} (scan {times['scan']:.1f}, probe {times['probe']:.1f}, chosen {times['auto']:.1f} us)"
    report.row(f"  chosen / better of scan and probe, {label}", measured, "<= 1.15", worse <= 1.15)
    if name == "uniform":
        above = times["scan"] / times["floor"]
        most = 1.5 if SLICES else 1.2
        measured = f"{above:.2f} (floor {times['floor']:.1f} us)"
        report.row(f"scan / memory floor, {label}", measured, f"<= {most}", above <= most)
        if n == MILLION:
            ratio = times["flat"] / times["scan"]
            report.row("scan against FAISS flat, 1M", f"{ratio:.1f}x", ">= 8x", ratio >= 8)


def hundred(report: Report) -> None:
    """k = 100 where a cluster holds 50: probing cannot pay, and must notice."""
    table = table_of(clustered(100_000, 1))
    times = race({"scan": by(table, 100, SCAN), "chosen": by(table, 100, AUTO)}, clustered(N_QUERIES, 2))
    ratio = times["chosen"] / times["scan"]
    measured = f"{ratio:.2f} (scan {times['scan']:.1f}, chosen {times['chosen']:.1f} us)"
    report.row("k = 100 / scan, clustered 100k", measured, "<= 1.15", ratio <= 1.15)


def against_approximate(
    report: Report, codes: Codes, queries: Codes, label: str, more: list[peers.Peer], target: float | None = None
) -> None:
    """The fastest setting of any peer that finds at least 99 % by distance."""
    table = table_of(codes)
    worst = [int(answer.distances[-1]) for answer in table.search(queries, 10)]
    good: dict[str, Callable[[Codes], object]] = {}
    for peer in [*peers.approximate(codes), *more]:
        found = [peer.search(query[None], 10) for query in queries[:100]]
        recall = np.mean([np.mean(d <= limit) if len(d) else 0.0 for d, limit in zip(found, worst, strict=False)])
        taken = race({"": lambda q, peer=peer: peer.search(q, 10)}, queries[:100], rounds=2)[""]  # type: ignore[misc]
        print(f"    {peer.name:<28} recall {recall:.3f}  p50 {taken:.1f} us", flush=True)
        report.figures[f"{label} {peer.name} us"], report.figures[f"{label} {peer.name} recall"] = taken, float(recall)
        if recall >= 0.99:
            good[peer.name] = lambda q, peer=peer: peer.search(q, 10)  # type: ignore[misc]
    times = race(good | {"nearbit": lambda q: table.search(q, 10)}, queries)
    mine = times.pop("nearbit")
    best = min(times, key=lambda name: times[name])
    ratio = times[best] / mine
    measured = f"{mine:.1f} us, {best} {times[best]:.1f} us: {ratio:.1f}x"
    aim = ("", None) if target is None else (f">= {target:g}x", ratio >= target)
    report.row(f"10-NN, {label}, best peer of recall >= 0.99", measured, *aim)


def batches(report: Report) -> None:
    """A thousand queries at once, two threads on both sides."""
    codes, queries = clustered(MILLION, 1), clustered(1_000, 2)
    table, index = table_of(codes), faiss.IndexBinaryFlat(64)
    index.add(codes)
    with peers.faiss_threads(2):
        flat = least(lambda: index.search(queries, 10), 2)
    mine = least(lambda: table.search(queries, 10), 7)
    ratio = flat / mine
    measured = f"{mine * 1e3:.2f} us a query, flat {flat * 1e3:.0f} us: {ratio:.0f}x"
    report.row("batch of 1,000, clustered 1M, 2 threads", measured, ">= 100x", ratio >= 100)


def least(call: Callable[[], object], times: int) -> float:
    """The least of some wall times of a call, in seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def radius(report: Report, n: int, target: float) -> None:
    """All within 4 bits against FAISS's multi-index hashing, set so that it too is exact."""
    codes, queries = clustered(n, 1), clustered(N_QUERIES, 2)
    table = table_of(codes)
    best = (0.0, np.inf, "")
    for n_tables, width, n_flips in ((3, 21, 1), (4, 16, 1), (2, 32, 2)):
        theirs = peers.faiss_multi_hash(codes, n_tables, width, n_flips)
        for query in queries[:20]:
            assert len(table.within(query[None], 4)[0].keys) == theirs(query[None], 4)
        times = race({"nearbit": lambda q: table.within(q, 4), "peer": lambda q, count=theirs: count(q, 4)}, queries, 3)
        best = min(best, (times["nearbit"], times["peer"], f"MultiHash {n_tables}x{width}"), key=lambda one: one[1])
    ratio = best[1] / best[0]
    measured = f"{best[0]:.1f} us, {best[2]} {best[1]:.1f} us: {ratio:.1f}x"
    report.row(f"radius 4, clustered {n / MILLION:g}M", measured, f">= {target:g}x", ratio >= target)


def one_table(report: Report, sizes: tuple[int, int]) -> None:
    """Radius 2 on 32-bit codes: time that hardly depends on the size of the collection."""
    queries = uniform(N_QUERIES, 2, 32)
    tables = {f"{n}": table_of(uniform(n, 1, 32)) for n in sizes}
    calls = {name: lambda q, t=table: t.within(q, 2) for name, table in tables.items()}  # type: ignore[misc]
    small, large = race(calls, queries).values()  # type: ignore[arg-type]
    measured = f"{large / small:.2f} ({small:.1f} us at {sizes[0]:,}, {large:.1f} us at {sizes[1]:,})"
    report.row("one table, 32 bits, r = 2: growth", measured, "<= 3", large / small <= 3)


def writes(report: Report) -> None:
    """Build, add one, delete one."""
    codes = clustered(MILLION, 1)
    built = least(lambda: table_of(codes), 3)
    report.row("build 1M", f"{built:.2f} s", "<= 0.3 s", built <= 0.3)
    table, flat, mapped = table_of(codes), faiss.IndexBinaryFlat(64), faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(64))
    flat.add(codes)
    mapped.add_with_ids(codes, np.arange(MILLION))
    new = clustered(500, 3)
    fresh = iter(np.arange(MILLION, MILLION + 4 * ROUNDS * len(new))[:, None].copy())
    present = iter(np.random.default_rng(4).permutation(MILLION)[:, None].copy())
    times = race(
        {
            "add": lambda q: table.add(q, next(fresh)),
            "flat add": lambda q: flat.add(q),
            "flat add with ids": lambda q: mapped.add_with_ids(q, next(fresh)),
            "replace": lambda q: table.add(q, next(present)),
            "delete": lambda _: table.delete(next(present)),
        },
        new,
    )
    removed = least(lambda: mapped.remove_ids(faiss.IDSelectorBatch(next(present))), 3) * 1e6
    measured = f"{times['add']:.1f} us, flat {times['flat add']:.1f}, flat with ids {times['flat add with ids']:.1f} us"
    report.row("add one (1M)", measured, "<= flat with ids", times["add"] <= times["flat add with ids"])
    report.row("replace one (1M)", f"{times['replace']:.1f} us; FAISS has no such call")
    measured = f"{times['delete']:.1f} us, FAISS {removed:.0f} us"
    report.row("delete one (1M)", measured, "same order as add", times["delete"] <= 5 * times["add"])


def footprint(report: Report, n: int, folder: Path) -> None:
    """Bytes in memory and on disk; a start from the snapshot in a fresh process."""
    table = table_of(clustered(n, 1))
    per_code = table.memory_bytes / n
    report.row(f"memory, {n / MILLION:g}M", f"{per_code:.1f} bytes a code", "<= 68", per_code <= 68)
    size = snapshot.save(table, folder, "bench", 1).stat().st_size / n
    report.row(f"snapshot on disk, {n / MILLION:g}M", f"{size:.1f} bytes a code", "<= 68", size <= 68)
    code = (
        "import sys, time, pathlib, numpy as np; from service.index.hamming import snapshot, table\n"
        "table.HammingTable(64); began = time.perf_counter()\n"
        "loaded = snapshot.load(pathlib.Path(sys.argv[1]), 'bench')[0]; loaded.search(np.zeros((1, 8), np.uint8), 10)\n"
        "print(time.perf_counter() - began)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    began = time.perf_counter()
    ready = min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3))
    whole = (time.perf_counter() - began) / 3
    report.row(
        f"start from a snapshot, {n / MILLION:g}M", f"{ready:.2f} s (process {whole:.2f} s)", "<= 1 s", ready <= 1
    )


def rebuild(report: Report, n: int, folder: Path) -> None:
    """Read a space's codes from SQLite and build the table, as a process does that starts without a snapshot."""
    database = Database.open(f"sqlite:///{folder / 'codes.db'}")
    migrate(database)
    with database.write() as connection:
        collection = collections.create(connection, "bench", "text", 64)
        spaces.put_function(connection, b"made up", "bench")
        space = spaces.create_untrained(connection, collection, "bench")
    made = clustered(n, 1)
    for first in range(0, n, 200_000):
        part = made[first : first + 200_000]
        keys = range(first + 1, first + 1 + len(part))
        rows = [(space.id, key, key, code.tobytes()) for key, code in zip(keys, part, strict=True)]
        with database.lane(collection.id) as lane:
            lane.draw(len(rows))
            sql = "INSERT INTO codes (space_id, document_key, seq, code) VALUES (?, ?, ?, ?)"
            lane.connection.exec_driver_sql(sql, rows)
    reference = SpaceReference(space.id, space.version, 64, space.digest or "")
    began = time.perf_counter()
    replica = Replica.load(database, reference, 64, n)
    taken = time.perf_counter() - began
    assert len(replica.table) == n
    database.close()
    report.figures[f"rebuild from SQLite {n / MILLION:g}M s"] = taken
    report.row(f"rebuild from SQLite, no snapshot, {n / MILLION:g}M", f"{taken:.1f} s", "<= 60 s", taken <= 60)


def under_load(report: Report) -> None:
    """p99 of eight threads of queries while one thread adds 10,000 codes a second."""
    table, queries = table_of(clustered(MILLION, 1)), clustered(2_000, 2)
    quiet = eight_readers(table, queries, 3.0)
    ends = threading.Event()
    writer = threading.Thread(target=add_steadily, args=(table, ends))
    writer.start()
    busy = eight_readers(table, queries, 6.0)
    ends.set()
    writer.join()
    table.wait()
    ratio = busy / quiet
    measured = f"{ratio:.1f}x (quiet {quiet:.0f} us, busy {busy:.0f} us, {len(table) - MILLION:,} added)"
    report.row("8 threads of queries, 10k adds/s: p99 / quiet p99", measured, "<= 5x", ratio <= 5)


def add_steadily(table: HammingTable, ends: threading.Event) -> None:
    key, codes, began = MILLION, clustered(200_000, 5), time.perf_counter()
    while not ends.is_set():
        due = int((time.perf_counter() - began) * 10_000) + MILLION - key
        if due > 0:
            table.add(codes[key - MILLION :][:due], np.arange(key, key + due))
            key += due
        ends.wait(0.01)


def eight_readers(table: HammingTable, queries: Codes, seconds: float) -> float:
    """p99 in microseconds."""
    taken: list[NDArray[np.float64]] = []

    def read() -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            taken.append(laps(lambda q: table.search(q, 10), queries[:200]))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return float(np.percentile(np.concatenate(taken), 99))


def learned_like(n: int, seed: int, n_bits: int = 64) -> Codes:
    """Signs of random projections of points around 300 centres in 24 dimensions: bits that depend on one another."""
    rng = np.random.default_rng(98)
    centres, directions = rng.normal(size=(300, 24)), rng.normal(size=(24, n_bits))
    rng = np.random.default_rng(seed)
    parts = []
    for first in range(0, n, 100_000):
        size = min(100_000, n - first)
        points = centres[rng.integers(0, 300, size)] + 0.6 * rng.normal(size=(size, 24))
        parts.append(np.packbits(points @ directions > 0, axis=1))
    return np.concatenate(parts)


def filtered(report: Report, name: str, make: Callable[[int, int], Codes]) -> None:
    """A filter that keeps a share of the documents, against the same search without; keys have gaps as by deletes."""
    codes, queries, rng = make(MILLION, 1), make(N_QUERIES, 2), np.random.default_rng(3)
    keys = np.sort(rng.permutation(MILLION * 10 // 9)[:MILLION])
    table = HammingTable.build(codes, keys)
    for share in (0.5, 0.1, 0.01, 0.0001):
        shown = np.zeros(keys[-1] + 1, bool)
        shown[keys[rng.random(MILLION) < share]] = True
        mask = KeyMask(0, np.packbits(shown, bitorder="little"))
        times = race(
            {
                "all": lambda q: table.search(q, 10),
                "filtered": lambda q, m=mask: table.search(q, 10, m),  # type: ignore[misc]
            }
            | {
                way: by(table, 10, mode, mask)
                for way, mode in (("auto", AUTO), ("scan", SCAN), ("probe", PROBE), ("gather", GATHER))
                if mode != PROBE or share >= 0.1
            },
            queries[:100],
            3,
        )
        label = f"filter that keeps {share:.2%}, {name} 1M"
        report.figures |= {f"{label} {what} us": value for what, value in times.items()}
        reached = times["filtered"] <= max(2 * times["all"], 300 + times["all"] if times["all"] < 100 else 0)
        measured = f"{times['filtered']:.1f} us, without {times['all']:.1f} us"
        report.row(label, measured, "<= 2x or + 300 us", reached)
        better = min(value for way, value in times.items() if way in ("scan", "probe", "gather"))
        ways = ", ".join(f"{way} {value:.0f}" for way, value in times.items() if way in ("scan", "probe", "gather"))
        report.row(
            "  chosen / best way", f"{times['auto'] / better:.2f} ({ways} us)", "<= 1.5", times["auto"] <= 1.5 * better
        )


def filters(report: Report) -> Iterator[Callable[[], None]]:
    for name, make in (("clustered", clustered), ("uniform", uniform), ("learned-like", learned_like)):
        yield lambda name=name, make=make: filtered(report, name, make)  # type: ignore[misc]
    yield lambda: sets(report)


def sets(report: Report) -> None:
    """All within a radius as a set of keys, against the ordered list of them."""
    codes, query = learned_like(MILLION, 1), learned_like(1, 2)
    table = table_of(codes)
    for bits in (8, 16, 24, 32):
        listed = least(lambda bits=bits: table.within(query, bits), 3) * 1e3  # type: ignore[misc]
        marked = least(lambda bits=bits: table.within_mask(query[0], bits), 3) * 1e3  # type: ignore[misc]
        measured = f"{marked:.2f} ms, as a list {listed:.2f} ms ({len(table.within_mask(query[0], bits)):,} codes)"
        report.row(f"all within {bits} bits as a mask, learned-like 1M", measured, "<= 5 ms", marked <= 5)


def duplicates(report: Report) -> None:
    table = table_of(clustered(MILLION, 1))
    for r in (0, 2):
        for linkage in LINKAGES:
            taken = least(lambda r=r, linkage=linkage: table.near_duplicates(r, linkage), 1)  # type: ignore[misc]
            report.row(f"near duplicates, r = {r}, {linkage} linkage, clustered 1M", f"{taken:.1f} s")


def learned_codes(path: Path) -> Codes:
    """Codes of a corpus by a hash function that is learned from it."""
    from training.config import TrainingConfig
    from training.data.readers import read_corpus
    from training.fit.fit import fit

    ids, texts = read_corpus(path)
    function = fit(texts, ids, TrainingConfig(n_bits=64)).function
    return function.encode(texts).codes


def curve(report: Report, sizes: list[int]) -> dict[str, list[tuple[int, float]]]:
    """p50 against N on clustered codes: flat scan, HNSW, nearbit's scan and nearbit."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for n in sizes:
        codes, queries = clustered(n, 1), clustered(100, 2)
        table, flat = table_of(codes), peers.faiss_flat(codes)
        calls: dict[str, Callable[[Codes], object]] = {
            "FAISS flat": lambda q, flat=flat: flat.search(q, 10),  # type: ignore[misc]
            "nearbit, scan only": by(table, 10, SCAN),
            "nearbit": lambda q, table=table: table.search(q, 10),  # type: ignore[misc]
        }
        if n <= MILLION:
            hnsw = next(peer for peer in peers.approximate(codes) if peer.name.endswith("ef=64"))
            calls["FAISS HNSW, ef = 64 (approximate)"] = lambda q, hnsw=hnsw: hnsw.search(q, 10)  # type: ignore[misc]
        for name, value in race(calls, queries, 3).items():
            lines.setdefault(name, []).append((n, value))
            report.figures[f"curve {name} {n} us"] = value
    return lines


def draw(lines: dict[str, list[tuple[int, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 5), layout="constrained")
    for (name, points), marker in zip(lines.items(), "sov^", strict=False):
        axes.loglog(*zip(*points, strict=True), marker=marker, label=name, linewidth=2.5 if name == "nearbit" else 1.4)
    axes.set(
        xlabel="codes of 64 bits, clustered", ylabel="one 10-NN query, p50 (µs)", title="Time against N, one thread"
    )
    axes.grid(visible=True, which="major", alpha=0.4)
    axes.legend()
    figure.savefig(path, dpi=130)


def machine() -> str:
    cpu = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in cpu.splitlines() if "model name" in line), "unknown")
    load = os.getloadavg()[0]
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, FAISS {faiss.__version__}"
    return f"{usable_cores()} cores of {model}, load {load:.1f}; {versions}"


def measure(report: Report, options: argparse.Namespace) -> Iterator[Callable[[], None]]:
    """The parts of a run, in order."""
    if options.choices:
        makers = {"clustered": clustered, "uniform": uniform, "learned-like": learned_like}
        yield lambda: search_choices.measure(report, makers, options.large, options.slower)
        return
    if options.filters:
        yield from filters(report)
        with tempfile.TemporaryDirectory() as made:
            folder = options.folder or Path(made)
            yield lambda: search_filters.measure(report, clustered(MILLION, 1), folder, options.only)
        return
    yield lambda: nearest(report, "clustered", clustered, MILLION, 130)
    yield lambda: nearest(report, "uniform", uniform, MILLION, 9 if SLICES else 12)
    yield lambda: hundred(report)
    yield lambda: batches(report)
    yield from filters(report)
    yield lambda: radius(report, MILLION, 4)
    yield lambda: writes(report)
    yield lambda: one_table(report, (10_000, 10 * MILLION if options.large else MILLION))
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: footprint(report, 10 * MILLION if options.large else MILLION, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: rebuild(report, 10 * MILLION if options.large else MILLION, Path(folder))
    yield lambda: under_load(report)
    yield lambda: duplicates(report)
    if options.large:
        yield lambda: nearest(report, "clustered", clustered, 10 * MILLION, 1_000)
        yield lambda: nearest(report, "uniform", uniform, 10 * MILLION, 15)
        yield lambda: radius(report, 10 * MILLION, 7)
    if options.peers:
        codes, queries = clustered(MILLION, 1), clustered(N_QUERIES, 2)
        more = list(peers.sqlite_vec(codes))
        if options.pgvector:
            more += peers.pgvector(codes, options.pgvector)
        yield lambda: against_approximate(report, codes, queries, "clustered 1M", more, 5)
    if options.corpus:
        codes = learned_codes(options.corpus)
        label = f"{options.corpus.parent.name}, {len(codes):,} learned codes"
        yield lambda: against_approximate(report, codes, codes[:: max(1, len(codes) // N_QUERIES)], label, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also 10 million codes (needs 6 GB of memory)")
    parser.add_argument(
        "--peers", action="store_true", help="also every approximate setting of FAISS, usearch, sqlite-vec"
    )
    parser.add_argument("--pgvector", metavar="FOLDER", help="with --peers, also pgvector in a PostgreSQL under FOLDER")
    parser.add_argument("--corpus", type=Path, metavar="FILE", help="also codes learned from these documents")
    parser.add_argument("--choices", action="store_true", help="the way that is chosen against the best, nothing else")
    parser.add_argument(
        "--slower", type=float, default=1.0, metavar="X", help="with --choices, scans take X times as long"
    )
    parser.add_argument("--filters", action="store_true", help="filters, facets, groups and explanations over HTTP")
    parser.add_argument("--folder", type=Path, help="with --filters, keep what is made there for the next run")
    parser.add_argument("--only", default="", metavar="NAME", help="with --filters, those with this in their name")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw time against N, log-log")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write rows and figures")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    report = Report([], {})
    print(machine(), flush=True)
    for part in measure(report, options):
        part()
    if options.plot:
        draw(curve(report, [10**4, 10**5, 10**6] + [10**7] * options.large), options.plot)
    if options.json:
        about = {"machine": machine(), "rows": [asdict(row) for row in report.rows], "figures": report.figures}
        options.json.write_text(json.dumps(about, indent=1))
    missed = [row.job for row in report.rows if row.reached is False]
    print(f"{sum(row.reached is True for row in report.rows)} targets reached, {len(missed)} missed")


if __name__ == "__main__":
    main()
