"""The tour of `make demo-images`: put digits in as pictures, learn codes of them, and show neighbors of unseen ones."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from service.cli.client import Client
from service.cli.demo.digits import Digit, digits
from service.cli.demo.neighbor_sheet import Neighbor, Row, characters, write_sheet
from service.cli.demo.serving import Served, serve_until_interrupted
from service.cli.watching import watch_job
from service.config import Settings
from service.safe_text import say

COLLECTION = "digits"
N_BITS = 64
N_UNSEEN = 100
_BATCH = 500
_ON_SHEET, _ON_SCREEN, _SCREEN_ROWS = 10, 4, 3


def pictures_tour(settings: Settings, console: Console) -> None:
    """Run the demonstration until Ctrl-C; a second run reuses the codes of the first.

    Raises:
        ConfigurationError: the service did not start, for example because the port is taken.
    """
    began = time.monotonic()
    folder = settings.data_dir / "demo-images"

    def demonstrate(served: Served) -> None:
        everything = digits()
        seen, unseen = everything[:-N_UNSEEN], everything[-N_UNSEEN:]
        _learn(served.client, seen, unseen, console)
        _show(served.client, seen, unseen, folder, console)
        say(
            console,
            Text(f"\nup after {time.monotonic() - began:.0f} s. Try next, in a browser and from another terminal:\n"),
        )
        next_steps = _next_steps(served.url, served.curl, folder / "query.png")
        console.print(next_steps, highlight=False, markup=False, soft_wrap=True)

    serve_until_interrupted(settings, demonstrate)


def _learn(client: Client, seen: Sequence[Digit], unseen: Sequence[Digit], console: Console) -> None:
    """Create, fill and train the collection, except for the steps that an earlier run has done."""
    path = f"/collections/{COLLECTION}"
    client.call("PUT", path, {"kind": "image", "n_bits": N_BITS})
    if client.collection(COLLECTION)["space"]["version"] > 1:
        say(console, Text(f"{len(seen):,} digits", "bold"), " and their learned codes are already there")
        return
    say(console, Text("1", "bold"), f"  putting {len(seen):,} digits of scikit-learn into collection '{COLLECTION}'")
    for start in range(0, len(seen), _BATCH):
        documents = [_document(digit) for digit in seen[start : start + _BATCH]]
        client.call("POST", f"{path}/documents", {"documents": documents})
    before = _share_right(unseen, _nearest(client, unseen), seen)
    say(console, Text("2", "bold"), f"  learning {N_BITS}-bit codes on them, then swapping them in")
    watch_job(client.service, client.service.collection(COLLECTION).retrain(wait=False), console)
    after = _share_right(unseen, _nearest(client, unseen), seen)
    say(
        console,
        f"   of the {_ON_SHEET} nearest to {len(unseen)} unseen digits {after:.0%} show the same digit "
        f"(untrained: {before:.0%})",
    )


def _document(digit: Digit) -> dict[str, object]:
    return {"id": digit.id, "image": _base64(digit.png), "metadata": {"digit": digit.digit}}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _nearest(client: Client, queries: Sequence[Digit]) -> list[list[dict[str, Any]]]:
    """The matches of each query, nearest first."""
    body = {"images": [_base64(digit.png) for digit in queries], "k": _ON_SHEET}
    answer = client.call("POST", f"/collections/{COLLECTION}/similar", body)
    return [result["matches"] for result in answer["answers"]]


def _share_right(queries: Sequence[Digit], found: list[list[dict[str, Any]]], seen: Sequence[Digit]) -> float:
    written = {digit.id: digit.digit for digit in seen}
    right = [
        written[match["id"]] == query.digit for query, matches in zip(queries, found, strict=True) for match in matches
    ]
    return sum(right) / len(right)


def _show(client: Client, seen: Sequence[Digit], unseen: Sequence[Digit], folder: Path, console: Console) -> None:
    """Draw the neighbors of one unseen picture of each digit, and write the last of these as a query to try."""
    first = {digit.digit: digit for digit in reversed(unseen)}
    queries = [first[number] for number in sorted(first)]
    by_id = {digit.id: digit for digit in seen}
    rows = [
        Row(query.shades, [_neighbor(by_id[match["id"]], match["distance"], query) for match in matches])
        for query, matches in zip(queries, _nearest(client, queries), strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_sheet(folder / "neighbors.png", f"nearest by {N_BITS}-bit codes to digits that were not put in", rows)
    (folder / "query.png").write_bytes(queries[-1].png)
    for row in rows[:_SCREEN_ROWS]:
        console.print()
        text = characters(Row(row.query, row.found[:_ON_SCREEN]))
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    console.print()
    say(console, f"{folder / 'neighbors.png'} shows {_ON_SHEET} neighbors of each digit")


def _neighbor(found: Digit, distance: int, query: Digit) -> Neighbor:
    return Neighbor(found.shades, distance, found.digit == query.digit)


def _next_steps(url: str, curl: str, query: Path) -> str:
    collection = f"{url}/v1/collections/{COLLECTION}"
    more = f"open {url}/docs" if curl == "curl" else f"{curl} {url}/openapi.json"
    return f"""  open {url}/ui, to look at them

  {curl} '{collection}/documents/digit-0000/similar?k=5'
  {curl} -X POST '{collection}/similar' -H 'Content-Type: application/json' \\
       -d '{{"images": ["'$(base64 < {query} | tr -d '\\n')'"], "k": 5}}'
  {curl} -X POST '{collection}/retrain'
  {curl} -X POST '{collection}/rollback'
  {more}

Ctrl-C stops the service; what it learned stays in var/."""
