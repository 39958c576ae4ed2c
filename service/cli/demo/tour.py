"""The tour of `make demo`: collect docstrings, serve them, learn codes of them, run queries, and keep serving."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

import nearbit
from service.cli.client import Client
from service.cli.demo.serving import Served, serve_until_interrupted
from service.cli.output import ImportOptions, import_documents
from service.cli.tables import found_table, matches_table
from service.cli.watching import watch_job
from service.config import Settings
from service.safe_text import say

COLLECTION = "docstrings"
QUERIES = ("matrix inverse", "read a csv file", "shortest path in a graph")
SIMILAR_TO = "draw random numbers from a normal distribution"


def tour(settings: Settings, console: Console) -> None:
    """Run the demonstration until Ctrl-C; a second run reuses the data of the first.

    Raises:
        ConfigurationError: the service did not start, for example because the port is taken.
    """
    began = time.monotonic()

    def demonstrate(served: Served) -> None:
        _learn(served.client, settings.data_dir / "docstrings.jsonl", console)
        _run_queries(served.client.service.collection(COLLECTION), console)
        say(
            console,
            Text(f"\nup after {time.monotonic() - began:.0f} s. Try next, in a browser and from another terminal:\n"),
        )
        console.print(_next_steps(served.url, served.curl), highlight=False, markup=False, soft_wrap=True)

    serve_until_interrupted(settings, demonstrate)


def _learn(client: Client, file: Path, console: Console) -> None:
    """Create, fill and train the collection, except for the steps that an earlier run has done."""
    client.create(COLLECTION, n_bits=64)
    collection = client.collection(COLLECTION)
    if collection["space"]["version"] > 1:
        there = Text(f"{collection['n_documents']:,} docstrings", "bold")
        say(console, there, " and their learned codes are already there")
        return
    if not file.exists():
        say(console, Text("1", "bold"), "  collecting the docstrings of this Python: no network, no download")
        command = [sys.executable, "-W", "ignore", "-m", "service.cli.demo.corpus", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say(console, Text("2", "bold"), f"  putting them into collection '{COLLECTION}': each can be found at once")
    import_documents(client, file, COLLECTION, console, ImportOptions(n_bits=64))
    say(console, Text("3", "bold"), "  learning 64-bit codes on them, then swapping them in")
    docstrings = client.service.collection(COLLECTION)
    watch_job(client.service, docstrings.retrain(wait=False), console)
    report = docstrings.spaces()[0].report or {}
    say(
        console,
        f"   the 100 nearest by code hold {report['recall']['this']:.0%} of the 10 true nearest of unseen documents "
        f"(untrained: {report['recall']['untrained']:.0%}); {report['saturated']:.0%} of the code units are saturated",
    )


def _run_queries(docstrings: nearbit.Collection, console: Console) -> None:
    for query in QUERIES:
        found = docstrings.search(query, 5)
        console.print()
        table = found_table(found.model_dump(exclude_unset=True), f"search for {query!r}, space {found.space.version}")
        console.print(table)
    found = docstrings.similar(SIMILAR_TO, 5)
    console.print()
    title = f"similar to {SIMILAR_TO!r}, space {found.space.version}"
    console.print(matches_table(found.model_dump(exclude_unset=True), title))


def _next_steps(url: str, curl: str) -> str:
    similar = f"{url}/v1/collections/{COLLECTION}"
    more = f"open {url}/docs" if curl == "curl" else f"{curl} {url}/openapi.json"
    return f"""  open {url}/ui, to search, to see the map, the bits and how it learns

  {curl} '{similar}/search?q=temporary+directory&k=5'
  {curl} '{similar}/similar?q=read+a+csv+file&k=5'
  {curl} '{similar}/documents/numpy.linalg.solve/similar?k=5'
  {curl} -X POST '{similar}/documents' -H 'Content-Type: application/json' \\
       -d '{{"documents": [{{"id": "mine", "text": "Sort a list of numbers in place."}}]}}'
  {curl} -X POST '{similar}/retrain'
  {curl} -X POST '{similar}/rollback'
  {more}

Ctrl-C stops the service; what it learned stays in var/."""
