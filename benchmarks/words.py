"""The inverted index: building, writing, searching, and what it takes; tantivy beside it where it is installed.

    python benchmarks/words.py [--documents 20000 200000] [--peers] [--json FILE]

Documents are drawn: 60 words on average, of a dictionary that grows with the collection, by ranks of which each decade
is equally likely (Zipf's law); the first five are the title. A query is three words: drawn as the documents' words are
but without the 50 most frequent ("text"), from ranks 50 to 5,000, each decade equally likely ("common"), or of the 50
most frequent ("stop words"). Times are the median, and the 95th percentile, of 200 calls; the best of three rounds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.index.key_mask import KeyMask
from service.index.words import Clause, WordIndex, snapshot
from service.index.words.build import merged
from service.index.words.kernels.select import loops

AT_ONCE, N_WORDS, N_TITLE, N_QUERIES, N_STOP = 10_000, 60, 5, 200, 50
SHIFT = 5.0
"""Ranks are spread as 1 / (rank + SHIFT): Mandelbrot's form of Zipf's law."""


class Language:
    """A dictionary of made-up words, shorter where they are more frequent."""

    def __init__(self, n_documents: int) -> None:
        rng = np.random.default_rng(99)
        syllables = [a + b + c for a in ["", *"bcdfglmnprst"] for b in "aeiou" for c in ("", "n", "r", "s")]
        words: dict[str, None] = {}
        wanted = int(20 * n_documents**0.75)
        while len(words) < wanted:
            n = 1 + int(np.log10(10 + len(words)))
            for row in rng.integers(0, len(syllables), (max(100, len(words) // 4), n)).tolist():
                words["".join([syllables[i] for i in row])] = None
        self.words = list(words)[:wanted]

    def ranks(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        drawn = SHIFT * (np.exp(rng.random(n) * np.log1p(len(self.words) / SHIFT)) - 1)
        return np.minimum(drawn, len(self.words) - 1).astype(np.int64)

    def documents(self, n: int, seed: int) -> Iterator[tuple[NDArray[np.int64], list[list[str]], list[list[str]]]]:
        """Keys, bodies and titles, some at a time."""
        rng = np.random.default_rng(seed)
        for first in range(0, n, AT_ONCE):
            sizes = np.maximum(N_TITLE + 1, rng.poisson(N_WORDS, min(AT_ONCE, n - first)))
            tokens = [self.words[rank] for rank in self.ranks(rng, int(sizes.sum())).tolist()]
            ends = np.cumsum(sizes).tolist()
            texts = [tokens[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]
            yield np.arange(first, first + len(texts)), [t[N_TITLE:] for t in texts], [t[:N_TITLE] for t in texts]

    def queries(self, kind: str) -> list[list[str]]:
        rng = np.random.default_rng(5)
        found = []
        while len(found) < N_QUERIES:
            if kind == "common":
                ranks = np.exp(rng.uniform(np.log(N_STOP), np.log(5_000), 3)).astype(np.int64)
            else:
                ranks = self.ranks(rng, 400)
                ranks = ranks[(ranks < N_STOP) == (kind == "stop words")][:3]
            found.append([self.words[min(rank, len(self.words) - 1)] for rank in ranks.tolist()])
        return found


def laps(calls: list[Callable[[], object]], rounds: int = 3) -> str:
    """Median and 95th percentile in ms, of the best round."""
    best = np.full(len(calls), np.inf)
    for _ in range(rounds):
        taken = np.empty(len(calls))
        for i, call in enumerate(calls):
            began = time.perf_counter_ns()
            call()
            taken[i] = (time.perf_counter_ns() - began) / 1e6
        best = min(best, taken, key=np.median)
    return f"{np.median(best):.3f} ms, p95 {np.quantile(best, 0.95):.3f}, mean {best.mean():.3f}"


class Report:
    """Every line of a run, printed as soon as it is known."""

    def __init__(self, n: int) -> None:
        self.n, self.rows = n, {}

    def row(self, job: str, measured: str) -> None:
        self.rows[f"{self.n}: {job}"] = measured
        print(f"{self.n:>9,}  {job:<44} {measured}", flush=True)


def measure(n: int, report: Report) -> None:
    language, index, taken = Language(n), WordIndex(), 0.0
    for keys, bodies, titles in language.documents(n, 1):
        began = time.perf_counter()
        index.put(keys, bodies, titles)
        taken += time.perf_counter() - began
    began = time.perf_counter()
    index.wait()
    taken += time.perf_counter() - began
    began = time.perf_counter()
    base = merged(index._view.parts, loops().now) if index.n_segments > 1 else index.base()
    merge_s = time.perf_counter() - began
    report.row("build", f"{taken:.2f} s, {n / taken:,.0f} documents/s, {index.n_segments} segments")
    report.row("merge of all into one", f"{merge_s:.2f} s, {base.n_postings / merge_s / 1e6:.0f}M postings/s")
    report.row("dictionary, postings", f"{base.n_terms:,} terms, {base.n_postings:,} postings")
    size = base.words.nbytes
    per_term = (len(base.texts) + 25 * base.n_terms) / base.n_terms
    report.row("memory", f"{size / n:.0f} bytes a document; 7 a posting, {per_term:.0f} a term, 16 a document")
    del base
    searches(language, index, report)
    writes(language, index, report)
    searches(language, index, report, ", after the writes")
    words(language, index, report)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        snapshot.save(index, Path(folder), "bench", 1)
        saved_s, began = time.perf_counter() - began, time.perf_counter()
        snapshot.load(Path(folder), "bench")
        report.row("snapshot", f"saved in {saved_s:.2f} s, mapped in {time.perf_counter() - began:.2f} s")


def searches(language: Language, index: WordIndex, report: Report, when: str = "") -> None:
    n = len(index)
    for kind in ("text", "common", "stop words"):
        queries = [[Clause(((word, 1.0),)) for word in query] for query in language.queries(kind)]
        matching = np.mean([index.search(query, 100).n_matching for query in queries])
        measured = laps([lambda query=query: index.search(query, 100) for query in queries])
        report.row(f"search, {kind}{when}", f"{measured}; {matching:,.0f} match")
        if kind == "text" and not when:
            mask = KeyMask(0, np.packbits(np.arange(n) % 10 == 0, bitorder="little"))
            among = laps([lambda query=query, mask=mask: index.search(query, 100, allowed=mask) for query in queries])
            report.row("search, text, a tenth allowed", among)
            given = np.random.default_rng(3).integers(0, n, 200)
            scored = laps([lambda query=query, given=given: index.scores(query, given) for query in queries])
            report.row("scores of 200 documents", scored)


def writes(language: Language, index: WordIndex, report: Report) -> None:
    n = len(index)
    _, bodies, titles = next(language.documents(2_000, 7))
    keys = np.random.default_rng(1).permutation(n)[:1_000]

    def put(key: int, i: int) -> None:
        index.put(np.array([key]), bodies[i : i + 1], titles[i : i + 1])

    report.row("put one new", laps([lambda i=i: put(n + i, i) for i in range(1_000)], 1))
    report.row("put one again", laps([lambda i=i: put(keys[i], i) for i in range(1_000)], 1))
    report.row("delete one", laps([lambda key=key: index.delete([key]) for key in keys[:500].tolist()], 1))
    index.wait()
    report.row("segments after 2,500 writes", f"{index.n_segments}")


def words(language: Language, index: WordIndex, report: Report) -> None:
    rng = np.random.default_rng(2)
    meant = [language.words[rank] for rank in rng.integers(50, 5_000, 50).tolist()]
    for max_edits in (1, 2):
        typed = [word[: len(word) // 2] + "x" + word[len(word) // 2 + 1 :] for word in meant]
        measured = laps([lambda word=word, n=max_edits: index.corrections(word, n, 5) for word in typed], 1)
        report.row(f"corrections within {max_edits}", measured)
    for n_letters in (1, 3):
        begins = [word[:n_letters] for word in meant]
        measured = laps([lambda begin=begin: index.completions(begin, 10) for begin in begins], 1)
        report.row(f"completions of {n_letters} letters", measured)


def tantivy_rows(n: int, report: Report) -> None:
    """The same documents in tantivy, in memory: keys as a fast field, words as given, BM25."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("key", stored=True, indexed=True, fast=True)
    for field in ("body", "title"):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    schema = builder.build()
    peer, language, taken = tantivy.Index(schema), Language(n), 0.0
    writer = peer.writer(heap_size=500_000_000, num_threads=1)
    for keys, bodies, titles in language.documents(n, 1):
        began = time.perf_counter()
        for key, body, title in zip(keys.tolist(), bodies, titles, strict=True):
            writer.add_document(tantivy.Document(key=key, body=" ".join(body), title=" ".join(title)))
        taken += time.perf_counter() - began
    began = time.perf_counter()
    writer.commit()
    report.row("tantivy: build", f"{taken + time.perf_counter() - began:.2f} s")
    peer.reload()
    searcher = peer.searcher()

    def search(query: list[str]) -> list[int]:
        parsed = peer.parse_query(" ".join(query), ["body", "title"], field_boosts={"title": 2.0})
        hits = searcher.search(parsed, 100, count=True).hits
        return [searcher.doc(address)["key"][0] for _, address in hits]

    for kind in ("text", "common", "stop words"):
        report.row(
            f"tantivy: search, {kind}", laps([lambda query=query: search(query) for query in language.queries(kind)])
        )

    def put(key: int) -> None:
        writer.delete_documents_by_term("key", key)
        writer.add_document(tantivy.Document(key=key, body="some words of a body", title="a title"))
        writer.commit()
        peer.reload()

    report.row("tantivy: put one again", laps([lambda key=key: put(key) for key in range(50)], 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--peers", action="store_true", help="measure tantivy too, which must be installed")
    parser.add_argument("--json", type=Path, help="where to write all lines")
    options = parser.parse_args()
    rows: dict[str, str] = {}
    for n in options.documents:
        report = Report(n)
        measure(n, report)
        if options.peers:
            tantivy_rows(n, report)
        rows |= report.rows
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
