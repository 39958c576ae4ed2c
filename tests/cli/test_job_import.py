"""Long files are imported by a job of a real app, and come to the same as short ones."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console

from service.cli import job_import
from service.cli.client import Client
from service.cli.importing import Counts
from service.cli.output import ImportOptions, import_documents
from service.config import Settings
from service.errors import Conflict, InvalidInput
from service.processes.jobs import JobRunner
from service.store import leases
from service.store.database import Database
from tests.cli.test_importing import Through, app, lines, stored

BAD = b'{"id": "e", "text": " "}\n[1]\n\n{"id": "f", "text": "x", "metadata": {"n": NaN}}\n'


@contextmanager
def runner(url: str) -> Iterator[None]:
    """A job runner for imports, in a thread."""
    database = Database.open(url)
    jobs, stopping = JobRunner(database, Settings(database_url=url)), threading.Event()
    kinds = jobs.importing()
    thread = threading.Thread(target=lambda: leases.work(database, 30, kinds, stopping, once=False))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        jobs.close()
        database.close()


def run(through: Through, path: Path, *, by_job: bool = True, **options: Any) -> tuple[Counts, str, list[Any]]:
    """Counts, what was said, and the refused documents."""
    out, errors = io.StringIO(), io.StringIO()
    console = Console(file=out, width=200)
    client = Client("http://localhost", transport=through)
    settings = ImportOptions(job_from_bytes=0 if by_job else 1 << 40, **options)
    errors.name = "errors"
    counts = import_documents(client, path, "texts", console, settings, errors)
    return counts, out.getvalue(), [json.loads(line) for line in errors.getvalue().splitlines()]


@pytest.mark.long_on_postgresql
def test_a_job_and_batches_store_the_same_count_the_same_and_refuse_the_same(url: str, tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    good = lines(*({"id": f"d{i % 50}", "text": f"number {i}"} for i in range(60)), {"text": "without id"})
    file.write_bytes(b"\n" + good + BAD + lines({"id": "old", "text": "other"}))
    outcomes = []
    for by_job in (True, False):
        with app("sqlite://" if not by_job else url) as through:
            put = {"documents": [{"id": "old", "text": "x"}]}
            through.client.post("/v1/collections/texts/documents", json=put).raise_for_status()
            if by_job:
                with runner(url):
                    counts, said, refused = run(through, file)
                assert "goes on, also if this command is ended" in said
            else:
                counts, said, refused = run(through, file, by_job=False)
            assert "they are in errors" in said
            texts = sorted(stored(through).values())
            outcomes.append((counts, texts, sorted((one["line"], one["id"]) for one in refused)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == Counts(read=65, new=51, replaced=1, doubles=10, refused=3)
    assert [line for line, _ in outcomes[0][2]] == [63, 64, 66]


def test_a_lost_answer_to_an_import_leads_to_its_job_and_a_lost_import_is_sent_again(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_import, "_PAUSE_S", 0.01)
    file = tmp_path / "documents.jsonl"
    file.write_bytes(lines(*({"text": f"number {i}"} for i in range(20))))
    ways: list[Any] = [httpx2.ConnectError("refused"), httpx2.Response(503, json={"detail": "full"})]
    n_lost = 0

    def before(request: httpx2.Request) -> httpx2.Response | None:
        if not request.url.path.endswith("/import") or not ways:
            return None
        way = ways.pop()
        if isinstance(way, Exception):
            raise way
        assert isinstance(way, httpx2.Response)
        return way

    def after(request: httpx2.Request) -> None:
        nonlocal n_lost
        if request.url.path.endswith("/import") and n_lost == 0:
            n_lost += 1
            raise httpx2.ReadError("lost")

    with app(sqlite_url) as through:
        through.before, through.after = before, after
        worker = threading.Event()

        def start_later(request: httpx2.Request) -> None:
            after(request)
            if request.url.path.startswith("/v1/jobs/"):
                worker.set()

        through.after = start_later
        with runner_after(worker, sqlite_url):
            counts, _, _ = run(through, file)
        assert counts == Counts(read=20, new=20)
        assert len(stored(through)) == 20
    assert n_lost == 1


@contextmanager
def runner_after(event: threading.Event, url: str) -> Iterator[None]:
    """A job runner that begins when an event is set."""
    ended = threading.Event()

    def work() -> None:
        event.wait(60)
        with runner(url):
            ended.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        event.set()
        ended.set()
        thread.join()


def test_an_import_of_somebody_else_is_named(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    file.write_bytes(lines({"text": "x"}))
    with app(sqlite_url) as through:
        other = {"content": file.read_bytes(), "headers": {"Content-Type": "application/x-ndjson"}}
        job = through.client.post("/v1/collections/texts/import", **other).json()
        with pytest.raises(Conflict, match=job["id"]):
            run(through, file)


def test_a_table_and_a_file_that_is_cut_short_are_imported_by_a_job(sqlite_url: str, tmp_path: Path) -> None:
    table = tmp_path / "notes.csv"
    table.write_text("id,text,year\n1,one,2020\n2, ,2021\n3,three,\n")
    with app(sqlite_url) as through, runner(sqlite_url):
        counts, said, refused = run(through, table)
        assert counts == Counts(read=3, new=2, refused=1)
        assert "notes.csv: id from id; text from text; metadata from year" in said
        assert [(one["line"], one["id"]) for one in refused] == [(2, "2")]
        assert stored(through) == {"1": "one", "3": "three"}
        table.write_bytes(b"id,text\n" + b"".join(b"%d,number\n" % i for i in range(1_100)) + b'x,"open\n')
        with pytest.raises(InvalidInput, match="must be CSV"):
            run(through, table)
        assert len(stored(through)) == 1_100
