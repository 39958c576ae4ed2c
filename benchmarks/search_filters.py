"""Filters, facets, groups, orders and explanations over HTTP, beside the same without (`search.py --filters`).

A million documents with five fields are written straight into SQLite: `lang` (10 texts), `source` (1,000 texts), `size`
(integers below a million, evenly drawn: a range of them keeps the share of documents that one likes), `day` (dates) and
`tags` (lists of one to four of 50 texts). Texts are drawn (`synthetic.py`), codes are clustered; the space says that it
was trained, so that a search asks codes too, though its hash function learned nothing of them. One API process answers
over one keep-alive connection; the queries come in turns, a round of each, and a ratio is the median of those of the
rounds. A filter is either the same in every query, or a new one in each.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np
from serve import Http, free_port, process
from sqlalchemy import text
from synthetic import synthetic_texts

from service.hashing.codes import Codes
from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.store import collections, spaces
from service.store.database import Database
from service.store.migrations import migrate

N_LANGS, N_SOURCES, N_SIZES, N_DAYS, N_TAGS = 10, 1_000, 1_000_000, 3_650, 50
SHARES = (0.5, 0.1, 0.01, 0.0001)
ROUNDS, QUERIES_PER_ROUND = 5, 30
AT_ONCE = 20_000
READY_S = 1_200.0
_C = "/v1/collections/bench"


class Report(Protocol):
    """Takes the lines of the table, and figures."""

    figures: dict[str, float]

    def row(self, job: str, measured: str, target: str = "", reached: bool | None = None) -> None:
        """One line."""


def metadata(n: int) -> Iterator[dict[str, Any]]:
    """The five fields of n documents."""
    rng = np.random.default_rng(11)
    days = np.datetime64("2016-01-01") + rng.integers(0, N_DAYS, n)
    drawn = zip(
        *(rng.integers(0, below, n).tolist() for below in (N_LANGS, N_SOURCES, N_SIZES)),
        days.astype(str).tolist(),
        rng.integers(0, N_TAGS, (n, 4)).tolist(),
        rng.integers(1, 5, n).tolist(),
        strict=True,
    )
    for lang, source, size, day, tags, n_tags in drawn:
        yield {
            "lang": f"l{lang}",
            "source": f"source {source:03}",
            "size": size,
            "day": day,
            "tags": [f"tag{tag}" for tag in tags[:n_tags]],
        }


def fill(folder: Path, codes: Codes) -> None:
    """Write the collection straight into the tables."""
    database = Database.open(f"sqlite:///{folder}/nearbit.db")
    migrate(database)
    function = untrained_hash_function(64).to_bytes()
    with database.write() as connection:
        collection = collections.create(connection, "bench", "text", 64)
        spaces.put_function(connection, function, digest_of(function))
        space = spaces.create_untrained(connection, collection, digest_of(function))
        connection.execute(text("UPDATE code_spaces SET version = 2"))
        connection.execute(text("UPDATE collections SET last_version = 2"))
    clock = "2026-01-01 00:00:00.000+00:00"
    rows = zip(range(1, len(codes) + 1), synthetic_texts(len(codes)), metadata(len(codes)), codes, strict=True)
    while part := list(islice(rows, AT_ONCE)):
        with database.lane(collection.id) as lane:
            lane.draw(len(part))
            lane.connection.exec_driver_sql(
                "INSERT INTO documents (key, collection_id, id, text, metadata, seq, revision, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)",
                [
                    (key, collection.id, f"d{key}", words, json.dumps(fields), key, clock, clock)
                    for key, words, fields, _ in part
                ],
            )
            lane.connection.exec_driver_sql(
                "INSERT INTO codes (space_id, document_key, seq, code) VALUES (?, ?, ?, ?)",
                [(space.id, key, key, code.tobytes()) for key, _, _, code in part],
            )
    database.close()


@dataclass
class Queries:
    """Makes the paths of queries."""

    texts: list[str]
    n: int
    rng: random.Random

    def words(self) -> str:
        """Three words of a document."""
        words = self.rng.choice(self.texts).split()
        return quote(" ".join(self.rng.sample(words, min(3, len(words)))))

    def similar(self, options: str = "k=10") -> str:
        return f"{_C}/similar?q={quote(self.rng.choice(self.texts))}&{options}"

    def of_document(self, options: str = "k=10") -> str:
        return f"{_C}/documents/d{self.rng.randint(1, self.n)}/similar?{options}"

    def search(self, options: str = "k=10") -> str:
        return f"{_C}/search?q={self.words()}&{options}"

    def filter(self, share: float, is_new: bool) -> str:
        """A range of sizes that keeps a share of the documents."""
        width = round(share * N_SIZES)
        first = self.rng.randrange(N_SIZES - width) if is_new else 1_234
        return "k=10&filter=" + quote(json.dumps({"size": {"gte": first, "lt": first + width}}))


@dataclass(frozen=True)
class Race:
    """A query beside what it is compared with, and the most that it may take."""

    name: str
    paths: Callable[[], str]
    base: str
    most_ratio: float | None = None
    most_ms: float | None = None
    most_more_ms: float | None = None


def races(queries: Queries) -> tuple[dict[str, Callable[[], str]], list[Race]]:
    """The queries that others are compared with, and these."""
    kinds: dict[str, Callable[..., str]] = {
        "similar": queries.similar,
        "similar by id": queries.of_document,
        "search": queries.search,
    }
    bases: dict[str, Callable[[], str]] = dict(kinds)
    found = []
    for name, path in kinds.items():
        for share in SHARES:
            for is_new in (False, True):

                def filtered(path: Callable[..., str] = path, share: float = share, is_new: bool = is_new) -> str:
                    return path(queries.filter(share, is_new))

                which = "a new filter each time" if is_new else "the same filter"
                found.append(Race(f"{name}, {share:.2%}, {which}", filtered, name, most_ratio=2))

    def add(name: str, base: str, options: str, **most: float) -> None:
        path = kinds[base.removesuffix(", k = 100")]
        found.append(Race(name, lambda: path(options), base, **most))

    for name in ("similar", "search"):
        hundred = f"{name}, k = 100"
        bases[hundred] = lambda path=kinds[name]: path("k=100")  # type: ignore[misc]
        over = "all" if name == "similar" else "the matches"
        add(f"{name}, facets of 1,000 values over {over}", name, "k=10&facets=source", most_ms=20)
        add(f"{name}, 100 groups of one of 1,000 values", hundred, "k=100&group_by=source&group_size=1", most_ratio=2)
        add(f"{name}, 10 groups of 10 of 10 values", hundred, "k=10&group_by=lang&group_size=10", most_ratio=2)
        add(f"{name}, 20 groups of 5 of 1,000 values", hundred, "k=20&group_by=source&group_size=5")
        add(f"{name}, diversity, 10 of 100", name, "k=10&diversity=0.3", most_ratio=2)
        add(f"{name}, diversity, 100 of 1,000", hundred, "k=100&diversity=0.3", most_ratio=2)
        add(f"{name}, sorted by size", name, "k=10&sort=-size")
        add(f"{name}, explained", name, "k=10&explain=true", most_more_ms=10)
    return bases, found


def lap(connection: Http, paths: Callable[[], str]) -> float:
    """The median of the queries of a round, in ms."""
    taken = []
    for _ in range(QUERIES_PER_ROUND):
        path = paths()
        began = time.perf_counter()
        connection.get(path)
        taken.append((time.perf_counter() - began) * 1e3)
    return median(taken)


def compare(report: Report, connection: Http, queries: Queries, only: str) -> None:
    bases, contenders = races(queries)
    contenders = [race for race in contenders if only in race.name]
    needed = {race.base for race in contenders}
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, paths in bases.items():
            if name in needed:
                times.setdefault(name, []).append(lap(connection, paths))
        for race in contenders:
            times.setdefault(race.name, []).append(lap(connection, race.paths))
    report.figures |= {f"{name} ms": min(laps) for name, laps in times.items()}
    for name in bases:
        if name in needed:
            report.row(name, f"{min(times[name]):.2f} ms")
    for race in contenders:
        rows = list(zip(times[race.name], times[race.base], strict=True))
        ratio, more = median(a / b for a, b in rows), median(a - b for a, b in rows)
        least = min(times[race.name])
        measured = f"{least:.2f} ms, {ratio:.2f}x, {more:+.2f} ms"
        if race.most_ratio is not None:
            report.row(race.name, measured, f"<= {race.most_ratio:g}x", ratio <= race.most_ratio)
        elif race.most_ms is not None:
            report.row(race.name, measured, f"<= {race.most_ms:g} ms", least <= race.most_ms)
        elif race.most_more_ms is not None:
            report.row(race.name, measured, f"<= {race.most_more_ms:g} ms more", more <= race.most_more_ms)
        else:
            report.row(race.name, measured)


def write_and_ask(report: Report, connection: Http, queries: Queries) -> None:
    """A document is put, and found by its metadata at once."""
    taken, asked = [], []
    for i in range(20):
        document = {"id": "new", "text": queries.texts[i], "metadata": {"size": N_SIZES + i}}
        began = time.perf_counter()
        status, body = connection.call("POST", f"{_C}/documents", {"documents": [document]})
        written = time.perf_counter()
        if status not in (200, 201):
            raise RuntimeError(body[:300])
        path = queries.similar(f"k=10&where=size:{N_SIZES + i}&at_least_seq={json.loads(body)['seq']}")
        matches = json.loads(connection.get(path))["matches"]
        assert [match["id"] for match in matches] == ["new"], matches
        taken.append((time.perf_counter() - began) * 1e3)
        asked.append((time.perf_counter() - written) * 1e3)
    measured = f"{median(taken):.1f} ms, of which {median(asked):.1f} ms from the acknowledged write"
    report.row("a write, then a filtered query with its seq", measured)


def wait_until_loaded(connection: Http) -> float:
    """Seconds until codes, words and metadata answer from memory."""
    began = time.perf_counter()
    while True:
        answer = json.loads(connection.get(f"{_C}/similar?q=a&k=1&highlight=true&facets=lang"))
        if answer["work"]["source"] == "memory" and not answer["partial"]:
            return time.perf_counter() - began
        if time.perf_counter() - began > READY_S:
            raise SystemExit(f"not loaded: {answer}")
        time.sleep(1)


def measure(report: Report, codes: Codes, folder: Path, only: str = "") -> None:
    """All of it; `folder` keeps the database and the snapshots, which the next run finds there."""
    if not (folder / "nearbit.db").exists():
        fill(folder, codes)
    port = free_port()
    environment = {
        "NEARBIT_DATABASE_URL": f"sqlite:///{folder}/nearbit.db",
        "NEARBIT_DATA_DIR": str(folder),
        "NEARBIT_LOG_LEVEL": "warning",
        "NEARBIT_TRAINER": "false",
        "NEARBIT_JOB_RUNNER": "false",
    }
    queries = Queries(list(synthetic_texts(2_000)), len(codes), random.Random(5))
    serve = [sys.executable, "-m", "service", "serve", "--port", str(port)]
    with process(serve, port, "/healthz", **environment):
        connection = Http(port)
        report.row("loaded after", f"{wait_until_loaded(connection):.0f} s")
        compare(report, connection, queries, only)
        if not only:
            write_and_ask(report, connection, queries)
