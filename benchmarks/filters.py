"""Columns of metadata: filters, facets, orders, writes, and what they take.

    python benchmarks/filters.py [--documents 1000000] [--json FILE]

Documents have five fields, as they come from JSON: `lang` (10 texts), `tag` (1,000 texts, evenly drawn), `year` (37
integers), `percent` (0 to 9,999, of which a filter of 1 % has those below 100), `score` (floats), and `url` where a row
says so (texts, all different). Times are the median of nine calls on columns in which no condition is remembered, but
in the row that says so.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from service.index.columns import ColumnIndex, snapshot
from service.index.columns.filters import And, Contains, Exists, Filter, Not, OneOf, Or, Prefix, Range

AT_ONCE, N_CALLS = 5_000, 9


def documents(n: int, first: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Metadata of n documents, some thousand at a time."""
    rng = np.random.default_rng(7 + first)
    for start in range(first, first + n, AT_ONCE):
        m = min(AT_ONCE, first + n - start)
        drawn = zip(
            *(rng.integers(low, high, m).tolist() for low, high in ((0, 10), (0, 1_000), (1990, 2027), (0, 10_000))),
            rng.random(m).tolist(),
            range(start, start + m),
            strict=True,
        )
        yield [
            {
                "lang": f"lang{lang}",
                "tag": f"tag {tag:03}",
                "year": year,
                "percent": percent,
                "score": score,
                "url": f"https://example.com/{i * 7_919 % 1_000_003}",
            }
            for lang, tag, year, percent, score, i in drawn
        ]


class Report:
    """Prints rows, and keeps them."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        self.rows[name] = value
        print(f"{name:58} {value}", flush=True)

    def time(self, name: str, call: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
        took = []
        for _ in range(N_CALLS):
            before()
            began = time.perf_counter()
            call()
            took.append(time.perf_counter() - began)
        self.add(name, f"{1000 * np.median(took):.3f} ms")


def filled(n: int, report: Report) -> ColumnIndex:
    index, took, after = ColumnIndex(), 0.0, 0
    for part in documents(n):
        began = time.perf_counter()
        index.put(np.arange(after + 1, after + 1 + len(part)), part)
        took += time.perf_counter() - began
        after += len(part)
    report.add("put, all documents", f"{1e6 * took / n:.1f} us a document")
    index.wait()
    began = time.perf_counter()
    index = ColumnIndex(index.base())
    report.add("a new base", f"{time.perf_counter() - began:.2f} s")
    return index


def memory(n: int, index: ColumnIndex, report: Report) -> None:
    base = index.base()
    for name, columns in base.fields.items():
        (column,) = columns.values()
        texts = 0 if column.texts is None else column.texts.memory_bytes
        report.add(f"memory, {name}", f"{(column.memory_bytes + texts) / n:.1f} bytes a document")
    report.add("memory, all fields", f"{index.memory_bytes / n:.1f} bytes a document")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        path = snapshot.save(index, Path(folder), "bench", 1)
        report.add(
            "write a snapshot", f"{time.perf_counter() - began:.2f} s, {path.stat().st_size / n:.1f} bytes a document"
        )
        report.time("map a snapshot", lambda: snapshot.load(Path(folder), "bench"))


def conditions() -> dict[str, Filter]:
    def below(percent: int) -> Range:
        return Range("percent", "filter", lt=percent)

    return {
        "filter, 50 %": below(5_000),
        "filter, 10 %": below(1_000),
        "filter, 1 %": below(100),
        "filter, .01 %": below(1),
        "filter, a text of 10": OneOf("lang", "filter", ("lang3",)),
        "filter, 100 texts of 1,000": OneOf("tag", "filter", tuple(f"tag {i:03}" for i in range(0, 1_000, 10))),
        "filter, 10,000 numbers": OneOf("score", "filter", tuple(i / 10_007 for i in range(10_000))),
        "filter, a range of floats": Range("score", "filter", gte=0.25, lt=0.5),
        "filter, texts that begin so": Prefix("url", "filter", "https://example.com/12"),
        "filter, texts with another in them": Contains("url", "filter", "999"),
        "filter, four conditions": And(
            (
                below(5_000),
                Not(OneOf("lang", "filter", ("lang1",))),
                Or((Exists("nowhere", "filter"), Range("year", "filter", gte=2000))),
            ),
        ),
    }


def measure(n: int, report: Report) -> None:
    index = filled(n, report)
    memory(n, index, report)
    view = index.view()
    base = view.base
    for name, filter in conditions().items():
        report.time(name, lambda filter=filter: view.mask(filter), base._found.clear)  # type: ignore[misc]
    one = conditions()["filter, 1 %"]
    report.time("filter, 1 %, remembered", lambda: view.mask(one))
    half = view.mask(conditions()["filter, 50 %"])
    for field in ("lang", "tag", "year", "percent", "score", "url"):
        report.time(f"facets of {field}, all documents", lambda field=field: view.count(field, None, 10))  # type: ignore[misc]
        report.time(f"facets of {field}, half of them", lambda field=field: view.count(field, half, 10))  # type: ignore[misc]
    bounds = [(year, year + 10) for year in range(1990, 2030, 10)]
    report.time("facets of year, 4 ranges", lambda: view.count_ranges("year", half, bounds))
    keys = view.all_keys().allowed_keys()
    few = np.random.default_rng(1).permutation(keys)[:100]
    for field in ("lang", "year", "score", "url"):
        report.time(f"order by {field}, all documents", lambda field=field: view.ordered(keys, field, True))  # type: ignore[misc]
    for field in ("lang", "score", "url"):
        report.time(f"order by {field}, the first 100 of all", lambda field=field: view.ordered(keys, field, True, 100))  # type: ignore[misc]
    report.time("order by url, 100 documents", lambda: view.ordered(few, "url", True))
    report.time("values of url, 100 documents", lambda: view.values(few, "url"))
    write(n, index, report)


def write(n: int, index: ColumnIndex, report: Report) -> None:
    """Single documents beside what is there: half of them replaced, half new."""
    (part,) = documents(2_000, n)
    keys = [n + i if i % 2 else 1 + i * (n // 2_000) for i in range(2_000)]
    took = []
    for key, one in zip(keys, part, strict=True):
        began = time.perf_counter()
        index.put(np.array([key]), [one])
        took.append(time.perf_counter() - began)
    report.add("put one document", f"{1e6 * np.median(took):.0f} us")
    view = index.view()
    filter = conditions()["filter, 1 %"]
    report.time("filter, 1 %, 2,000 newest documents, remembered", lambda: view.mask(filter))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="where to write all lines")
    options = parser.parse_args()
    report = Report()
    measure(options.documents, report)
    if options.json:
        options.json.write_text(json.dumps(report.rows, indent=1))


if __name__ == "__main__":
    main()
