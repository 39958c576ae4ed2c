"""How long one request holds up another: the longest wait of `/healthz` beside the heaviest requests that are allowed.

    python -m benchmarks.hold [--documents 52000]

A service on SQLite runs in a process of its own, and so does the client that sends the heavy request.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from tests.flows.hold import longest_wait
from tests.flows.processes import Api


def words(n: int) -> str:
    """A text of n words."""
    return " ".join(f"word{(n * 7 + i * i) % 5003}" for i in range(n))


def requests(n_long: int) -> dict[str, tuple[str, str, bytes]]:
    """The heaviest requests that are allowed, by name; collection `long` has so many documents of 60 kB."""
    path, search = "/v1/collections/short/similar", "/v1/collections/short/search"
    few = {"texts": [words(20 + i % 9) for i in range(100)], "k": 1_000}
    many = {"texts": [words(20 + i % 9) for i in range(1_000)], "k": 100}
    metadata = {f"k{i}": i for i in range(900)}
    return {
        "POST similar, 100 texts x k 1,000": ("POST", path, json.dumps(few).encode()),
        "POST similar, 1,000 texts x k 100": ("POST", path, json.dumps(many).encode()),
        "the same, order by confidence": ("POST", path, json.dumps({**many, "ties": "confidence"}).encode()),
        "the same, re-ranked": ("POST", path, json.dumps({**many, "k": 10, "rerank": "features"}).encode()),
        "POST search, 100 queries of 1,000 words x k 1,000": (
            "POST",
            search,
            json.dumps({"queries": [words(1_000 + i) for i in range(100)], "k": 1_000}).encode(),
        ),
        "POST search, 1,000 unknown words to correct": (
            "POST",
            search,
            json.dumps({"queries": [f"wordd{i}x unknwon{i} misspeled{i}" for i in range(1_000)]}).encode(),
        ),
        "GET search, eight words to correct": (
            "GET",
            f"{search}?q=" + "+".join(f"mispeling{c}" for c in "abcdefgh"),
            b"",
        ),
        f"POST search for phrases, k {n_long}, highlights in documents of 60 kB": (
            "POST",
            "/v1/collections/long/search",
            json.dumps({"queries": [f'"{words(7_000)[:17]}" word3'], "k": n_long, "highlight": True}).encode(),
        ),
        f"GET similar, k {n_long}, documents of 60 kB": (
            "GET",
            f"/v1/collections/long/similar?q=word1+word2&k={n_long}",
            b"",
        ),
        "GET documents, 1,000 of 60 kB": ("GET", "/v1/collections/long/documents?limit=1000", b""),
        "POST documents, 1,000 of 15 kB": (
            "POST",
            "/v1/collections/put/documents",
            json.dumps({"documents": [{"id": f"x{i}", "text": words(1_700)} for i in range(1_000)]}).encode(),
        ),
        "POST documents, 1,000 with 900 members of metadata": (
            "POST",
            "/v1/collections/put/documents",
            json.dumps(
                {"documents": [{"id": f"y{i}", "text": "a", "metadata": metadata} for i in range(1_000)]}
            ).encode(),
        ),
    }


def fill(api: Api, collection: str, n: int, n_words: int, at_once: int) -> None:
    """A collection of n documents of so many words."""
    api.put(f"/collections/{collection}", {})
    for start in range(0, n, at_once):
        documents = [
            {"id": f"d{i}", "text": words(n_words) + f" own{i}"} for i in range(start, min(n, start + at_once))
        ]
        api.post(f"/collections/{collection}/documents", {"documents": documents})


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=52_000)
    parser.add_argument("--long", type=int, default=900)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nearbit-hold-") as name:
        folder = Path(name)
        api = Api(f"sqlite:///{folder / 'nearbit.db'}", folder)
        try:
            fill(api, "short", arguments.documents, 20, 1_000)
            fill(api, "long", arguments.long, 7_000, 100)
            api.put("/collections/put", {})
            while not api.ready():
                time.sleep(0.1)
            for title, (method, path, body) in requests(arguments.long).items():
                answer, seconds, longest = longest_wait(api.port, method, path, body, folder)
                print(f"{title:55} {answer:16} {seconds:6.2f} s  longest wait {longest * 1e3:7.1f} ms", flush=True)
        finally:
            api.stop()


if __name__ == "__main__":
    main()
