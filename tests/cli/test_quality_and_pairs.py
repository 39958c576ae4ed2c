"""`nearbit quality`, `preview` and `pairs` against a service in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from rich.console import Console
from structlog.testing import capture_logs
from typer.testing import CliRunner

import nearbit
from nearbit._sync.client import Client
from nearbit._sync.connection import Connection
from service.cli.commands import cli
from service.cli.options import connected
from service.cli.quality import overlap_table, quality_table
from tests.client.conftest import opened

Run = Callable[..., str]
NASTY = "[red]\x1b[2J"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with opened(f"{tmp_path_factory.mktemp('quality')}/notes.db", poll_interval_s=0.05) as client:
        client.create("notes").add([{"id": f"d{n}", "text": f"How to bake bread {n}"} for n in range(12)])
        yield client


@pytest.fixture
def run(client: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the collection, and gives what it prints."""
    transport = client._connection._http._transport

    def connect(url: str, *, key: str | None, patience_s: float) -> Client:
        return Client(Connection(url, key, 60, patience_s, transport))

    monkeypatch.setattr(nearbit, "connect", connect)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> str:
        with capture_logs():  # the service is in this process, so its log would be among what is printed
            result = CliRunner().invoke(cli, [*arguments, "-c", "notes"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_pairs_are_added_listed_and_forgotten(run: Run) -> None:
    run("pairs", "add", "d1", "d0")
    assert "2 pairs" in run("pairs", "add", "d2", "d3", "--different")
    assert [line.split("│")[1:4] for line in run("pairs", "list").splitlines() if line.startswith("│")] == [
        [" d0 ", " d1 ", " similar    "],
        [" d2 ", " d3 ", " different  "],
    ]
    run("pairs", "forget", "d3", "d2")
    (left,) = json.loads(run("pairs", "list", "--json"))
    assert (left["a"], left["b"], left["similar"]) == ("d0", "d1", True)


def test_a_preview_shows_how_many_of_the_nearest_stay(run: Run) -> None:
    assert "5 documents, 100% of their 10 nearest stay" in run("preview", "1", "-n", "5")
    assert json.loads(run("preview", "1", "--json"))["documents"]["n"] == 12


def test_a_space_that_was_never_judged_is_said_to_be_so(run: Run) -> None:
    with pytest.raises(nearbit.NotFound, match="POST asks for one"):
        run("quality")


def test_the_figures_of_a_report_have_their_intervals_and_those_of_other_codes() -> None:
    figures = {"recall": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    report = {
        "n_queries": 1_000,
        "found": figures,
        "recall": {"this": 0.5, "untrained": 0.25},
        "dead_bits": [3, 4],
        "bit_correlation": 0.125,
    }
    quality = nearbit.Quality(version=2, created_at=datetime.now(UTC), report=report)
    shown = " ".join(printed(quality_table(quality)).split())
    for part in ("space 2: 1,000 documents asked", "0.500 │ 0.400..0.600 │ 0.250", "bits │ 0.125", "dead bits │ 2"):
        assert part in shown


def test_what_leaves_and_comes_is_shown_as_it_is_without_markup_or_escapes() -> None:
    changed = nearbit.ChangedAnswer(asked=NASTY, overlap=2, leave=["a"], come=[NASTY, "b", "c", "d"])
    shown = printed(overlap_table(nearbit.Overlap(n=1, overlap=0.2, histogram=[0, 0, 1], worst=[changed])))
    assert shown.count("[red]\\x1b[2J") == 2
    assert "b, c and 1 more" in shown


def test_a_refusal_names_the_service_and_how_to_give_it_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(url: str, *, key: str | None, patience_s: float) -> Client:
        refusal = httpx2.Response(401, json={"detail": "no key"})
        return Client(Connection(url, key, 60, patience_s, httpx2.MockTransport(lambda _: refusal)))

    monkeypatch.setattr(nearbit, "connect", connect)
    hint = re.escape(" (give the key with --key, or in NEARBIT_ADMIN_KEY)")
    for key, hinted in ((None, hint), ("wrong", "")):
        refused = pytest.raises(nearbit.Unauthorized, match=f"^http://here answered 401: no key{hinted}$")
        with refused, connected("http://here/", key) as client:
            client.collections()


def printed(what: Any) -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()
