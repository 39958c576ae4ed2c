"""The command line, as a person runs it: real processes."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from service.cli.commands import cli


def nearbit(*arguments: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, input=input, capture_output=True, text=True, timeout=240
    )


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process on a free port, and its URL; what it prints is drained."""
    command = [sys.executable, "-m", "service", *arguments, "--port", "0"]
    environment = {"NEARBIT_JOB_RUNNER": "false"} | environment
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"nearbit listens.*?(http://[\w.:]+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    reader = threading.Thread(target=process.stderr.read)
    reader.start()
    try:
        deadline = time.monotonic() + 120
        while not answers(found[1]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, found[1]
    finally:
        process.kill() if process.poll() is None else None
        process.wait()
        reader.join()
        process.stderr.close()


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=60).is_success
    except httpx2.TransportError:
        return False


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "docs.jsonl"
    documents = [{"id": f"d/{i}", "text": f"text number {i}\nand more", "metadata": {"n": i}} for i in range(1_200)]
    file.write_text("\n".join(map(json.dumps, documents)))
    return file


def test_what_is_imported_is_found_and_exported_as_it_was(sqlite_url: str, corpus: Path, tmp_path: Path) -> None:
    with serving("serve", "--no-trainer", "--database-url", sqlite_url) as (process, url):
        imported = nearbit("import", str(corpus), "-c", "texts", "--url", url, "--n-bits", "32")
        assert imported.returncode == 0, imported.stderr
        assert "1,200 documents are in 'texts'" in " ".join(imported.stderr.split())
        found = nearbit("query", "text number 7", "-c", "texts", "-k", "3", "--url", url)
        assert (found.returncode, found.stdout.count("d/")) == (0, 3), found.stderr
        deadline = time.monotonic() + 120  # a process that has just started may still be reading the words
        while True:
            reranked = nearbit("query", "number 77", "-c", "texts", "-k", "1", "--url", url, "--rerank")
            if "score" in reranked.stdout or time.monotonic() > deadline:
                break
        assert re.search(r"\d\.\d{3} .*d/77 ", reranked.stdout), reranked.stdout
        narrowed = ("--filter", '{"n": {"lt": 5}}', "--where", "n:3", "--facets", "n", "--sort", "-n", "--explain")
        found = nearbit("search", "text", "-c", "texts", "--url", url, *narrowed)
        assert found.returncode == 0, found.stderr
        assert re.findall(r"d/\d+", found.stdout) == ["d/3"] * 2  # among the matches, and above its explanation
        assert "bits agree" in found.stdout
        wrong = nearbit("search", "text", "-c", "texts", "--url", url, "--where", "n")
        assert (wrong.returncode, "FIELD:VALUE" in wrong.stderr) == (1, True)
        out = tmp_path / "out.jsonl"
        assert nearbit("export", "-c", "texts", "--url", url, "--out", str(out)).returncode == 0
        exported, given = ([json.loads(line) for line in f.read_text().splitlines()] for f in (out, corpus))
        assert exported == given
        refused = nearbit("query", "a", "-c", "none", "--url", url)
        assert refused.returncode == 1
        assert re.sub(r"\s+", " ", refused.stderr).strip() == f"error: {url} answered 404: no collection 'none'"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_an_import_names_the_lines_that_it_refuses_and_stores_all_others(sqlite_url: str, tmp_path: Path) -> None:
    file, errors = tmp_path / "docs.jsonl.gz", tmp_path / "errors.jsonl"
    lines = [
        b'{"id": "a", "text": "one"}',
        b'{"id": "b", "text": "x", "metadata": {"n": NaN}}',
        b"",
        b'{"id": "c", "text": "[/INST]\\ud800"}',
        b'{"id": "d", "text": "four", "txt": 1}',
        b'{"id": "a", "text": "two"}',
        b'{"text": "no id"}',
    ]
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    with serving("serve", "--no-trainer", "--database-url", sqlite_url) as (_, url):
        httpx2.put(f"{url}/v1/collections/texts", json={"n_bits": 32}, timeout=60)
        ended = nearbit("import", str(file), "-c", "texts", "--url", url, "--errors", str(errors))
        assert ended.returncode == 1
        printed = " ".join(ended.stderr.split())
        assert "collection 'texts' exists and keeps its settings: 32-bit codes" in printed
        assert "read 6 lines: 2 documents are in 'texts' (2 new, 0 replaced), 1 doubles, 3 refused" in printed
        for number, reason in (
            (2, "must be JSON, which has no number NaN"),
            (4, "must be valid Unicode"),
            (5, "txt: "),
        ):
            assert f"line {number}: {reason}" in printed
        assert "Traceback" not in printed
        kept = [json.loads(line) for line in errors.read_text().splitlines()]
        assert {(line["line"], line["text"]) for line in kept} == {(n, lines[n - 1].decode()) for n in (2, 4, 5)}
        stored = httpx2.get(f"{url}/v1/collections/texts/documents", timeout=60).json()["items"]
        assert [document["text"] for document in stored] == ["two", "no id"]
        again = nearbit("import", "-", "-c", "texts", "--url", url, input=lines[0].decode())
        assert again.returncode == 0, again.stderr
        assert "1 documents are in 'texts' (0 new, 1 replaced)" in " ".join(again.stderr.split())
        other = nearbit("import", "-", "-c", "texts", "--url", url, "--n-bits", "64", input=lines[0].decode())
        assert other.returncode == 1
        assert "exists with 32-bit codes, --n-bits asked for 64" in other.stderr


def test_every_command_sends_the_key_and_says_when_it_is_missing(sqlite_url: str, corpus: Path, tmp_path: Path) -> None:
    keys = {"NEARBIT_ADMIN_KEY": "", "NEARBIT_READ_KEY": ""}
    configured = {"NEARBIT_ADMIN_KEY": "kéy", "NEARBIT_READ_KEY": "réad"}
    with serving("serve", "--no-trainer", "--database-url", sqlite_url, **configured) as (_, url):
        there = ("-c", "texts", "--url", url)
        commands = (["import", str(corpus), *there], ["retrain", *there], ["query", "a", *there], ["export", *there])
        for command in commands:
            ended = nearbit(*command, **keys)
            assert ended.returncode == 1
            (printed,) = [line for line in ended.stderr.splitlines() if "error: " in line]
            assert "answered 401" in printed
            assert "give the key with --key, or in NEARBIT_ADMIN_KEY" in printed
            assert "Traceback" not in ended.stderr
        assert nearbit("import", str(corpus), *there, **keys | {"NEARBIT_ADMIN_KEY": "kéy"}).returncode == 0
        assert nearbit("import", str(corpus), *there, "--admin-key", "kéy", **keys).returncode == 0
        assert nearbit("query", "text", *there, "--key", "kéy", **keys).returncode == 0
        assert nearbit("query", "text", *there, **keys | {"NEARBIT_READ_KEY": "réad"}).returncode == 0
        read_only = nearbit("import", str(corpus), *there, "--key", "réad", **keys)
        assert (read_only.returncode, "Traceback" in read_only.stderr) == (1, False)
        assert re.search("error: .* answered 40[13]: ", read_only.stderr)
        assert nearbit("export", *there, "--key", "kéy", "--out", str(tmp_path / "out"), **keys).returncode == 0
        started = nearbit("retrain", *there, "--no-wait", "--key", "kéy", **keys)
        assert (started.returncode, len(started.stdout.strip())) == (0, 32), started.stderr
        wrong = nearbit("retrain", *there, "--key", "other", **keys)
        assert (wrong.returncode, "answered 401" in wrong.stderr) == (1, True)


@pytest.mark.long
def test_this_machine_is_reached_beside_proxies_in_the_environment(sqlite_url: str) -> None:
    with serving("serve", "--no-trainer", "--database-url", sqlite_url) as (_, url):
        httpx2.put(f"{url}/v1/collections/texts", timeout=60)
        for proxy in ("socks5://127.0.0.1:9", "http://127.0.0.1:9"):
            proxies = dict.fromkeys(("ALL_PROXY", "HTTP_PROXY", "http_proxy", "all_proxy"), proxy)
            ended = nearbit("query", "text", "-c", "texts", "--url", url, **proxies)
            assert ended.returncode == 0, ended.stderr


NASTY = "[/INST] [error] \x1b[31mred\u202e \x9b2J"


@pytest.mark.long
def test_text_of_users_is_shown_as_it_is_and_cannot_steer_the_terminal(sqlite_url: str) -> None:
    documents = [{"id": "[/b] 日本", "text": f"{NASTY}\nmore", "metadata": {"[x]": NASTY}}]
    with serving("serve", "--no-trainer", "--database-url", sqlite_url) as (_, url):
        httpx2.put(f"{url}/v1/collections/texts", timeout=60)
        httpx2.post(
            f"{url}/v1/collections/texts/documents", json={"documents": documents}, timeout=60
        ).raise_for_status()
        for encoding in ("utf-8", "ascii", "ascii:strict", "latin-1"):
            plain = {"PYTHONIOENCODING": encoding, "LANG": "C", "LC_ALL": "C", "COLUMNS": "200"}
            found = nearbit("query", "[/INST] red 日本", "-c", "texts", "--url", url, **plain)
            assert found.returncode == 0, found.stderr
            assert "[/INST] [error] \\x1b[31mred\\u202e \\x9b2J" in found.stdout
            assert "[/b]" in found.stdout
            refused = nearbit("query", "a", "-c", NASTY, "--url", url, **plain)
            assert refused.returncode == 1
            exported = nearbit("export", "-c", "texts", "--url", url, **plain)
            given = json.loads(exported.stdout)
            assert {name: given[name] for name in documents[0]} == documents[0]
            for ended in (found, refused, exported):
                assert not set(ended.stdout + ended.stderr) & set("\x1b\u202e\x9b")
                assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_several_workers_share_a_port_and_their_counts_and_end_together(sqlite_url: str) -> None:
    with serving("serve", "--no-trainer", "--workers", "2", "--database-url", sqlite_url) as (process, url):
        pids = set()
        deadline = time.monotonic() + 120
        while len(pids) < 2:
            assert time.monotonic() < deadline
            httpx2.put(f"{url}/v1/collections/texts", timeout=60)
            pids |= set(
                re.findall(r'nearbit_encoder_calls{pid="(\d+)"}', httpx2.get(f"{url}/metrics", timeout=60).text)
            )
        counted = [httpx2.get(f"{url}/metrics", timeout=60).text for _ in range(4)]
        route = 'nearbit_http_requests_total{method="GET",route="/metrics",status="200"}'
        counts = [float(text.split(route)[1].split()[0]) for text in counted]
        assert counts == sorted(set(counts))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.long
def test_workers_end_when_their_parent_is_killed(sqlite_url: str) -> None:
    with serving("serve", "--no-trainer", "--workers", "2", "--database-url", sqlite_url) as (process, url):
        process.kill()
        process.wait()
        deadline = time.monotonic() + 120
        while answers(url):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.long
def test_a_stop_finishes_the_requests_in_flight(sqlite_url: str) -> None:
    with serving("serve", "--no-trainer", "--database-url", sqlite_url) as (process, url):
        httpx2.put(f"{url}/v1/collections/texts", timeout=60)
        documents = [{"id": f"d{i}", "text": f"text {i} " * 1_000} for i in range(1_000)]
        statuses: list[int] = []

        def post() -> None:
            response = httpx2.post(f"{url}/v1/collections/texts/documents", json={"documents": documents}, timeout=120)
            statuses.append(response.status_code)

        poster = threading.Thread(target=post)
        poster.start()
        time.sleep(0.5)
        assert not statuses
        process.send_signal(signal.SIGTERM)
        poster.join()
        assert process.wait(30) == 0
        assert statuses == [201]


def test_a_trainer_child_ends_cleanly_when_it_is_asked_to(sqlite_url: str) -> None:
    command = [sys.executable, "-m", "training", "work", "--exit-with-parent"]
    pipe, environment = subprocess.PIPE, os.environ | {"NEARBIT_DATABASE_URL": sqlite_url}
    with subprocess.Popen(command, env=environment, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert "waits for jobs" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_a_taken_port_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = nearbit("serve", "--port", str(port), NEARBIT_DATABASE_URL="sqlite://")
    assert ended.returncode == 1
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["serve", "--host", "0.0.0.0"], {}, "set NEARBIT_ADMIN_KEY, or listen on 127.0.0.1"),
        (["serve", "--database-url", "mysql://x"], {}, "database_url must start with sqlite:// or postgresql://"),
        (["serve", "--workers", "0"], {}, "NEARBIT_WORKERS: Input should be greater than or equal to 1"),
        (["encoder", "--device", "toaster"], {}, "device must be auto, cpu, cuda or cuda:N, got 'toaster'"),
        (["retrain", "-c", "a", "--url", "http://127.0.0.1:1"], {}, "no answer from http://127.0.0.1:1"),
    ],
)
def test_an_expected_error_is_one_line_without_a_traceback(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], says: str
) -> None:
    folder = {"NEARBIT_DATA_DIR": str(tmp_path), "NEARBIT_DATABASE_URL": f"sqlite:///{tmp_path}/nearbit.db"}
    ended = nearbit(*arguments, NEARBIT_PORT="0", **folder, **environment)
    message = " ".join(ended.stderr.split())
    assert (ended.returncode, "Traceback" in message) == (1, False)
    assert says in message


@pytest.mark.parametrize("arguments", [["doctor"], ["backup", "file.backup"]])
def test_what_only_reads_makes_no_database_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEARBIT_DATABASE_URL", raising=False)
    ended = CliRunner().invoke(cli, arguments)
    assert ended.exit_code == 1
    assert "there is no file var/nearbit.db" in " ".join(f"{ended.output}{ended.exception}".split())
    assert [*tmp_path.iterdir()] == []


def test_an_old_schema_is_refused_until_it_is_migrated(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    refused = nearbit("serve", "--port", "0", "--database-url", postgres_url)
    assert (refused.returncode, "nearbit migrate" in " ".join(refused.stderr.split())) == (1, True)
    assert nearbit("doctor", "--database-url", postgres_url, NEARBIT_PORT="0").returncode == 1
    assert nearbit("migrate", "--database-url", postgres_url).returncode == 0
    healthy = nearbit("doctor", "--database-url", postgres_url, NEARBIT_PORT="0")
    assert healthy.returncode == 0, healthy.stderr


@pytest.mark.parametrize("command", [["migrate"], ["serve", "--port", "0"], ["doctor"], ["encoder", "--port", "0"]])
def test_why_there_is_no_connection_to_the_database_is_one_line(postgres: Any, command: list[str]) -> None:
    url = make_url(postgres.get_uri("none")).set(password="hunter2").render_as_string(hide_password=False)
    ended = nearbit(*command, "--database-url", url, NEARBIT_PORT="0")
    lines = [line for line in ended.stderr.splitlines() if "database" in line]
    assert (ended.returncode, len(lines)) == (1, 1), ended.stderr
    assert "cannot connect to the database: " in lines[0]
    assert 'database "none" does not exist' in lines[0]
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_trainer_says_why_there_is_no_connection_to_the_database(postgres: Any) -> None:
    environment = os.environ | {"NEARBIT_DATABASE_URL": postgres.get_uri("none")}
    command = [sys.executable, "-m", "training", "work", "--once"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 1
    assert 'database "none" does not exist' in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["migrate", "serve", "doctor"])
def test_a_database_of_another_encoding_is_one_line(postgres: Any, command: str) -> None:
    name = f"ascii_{command}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    ended = nearbit(command, "--database-url", postgres.get_uri(name), NEARBIT_PORT="0")
    assert ended.returncode == 1
    assert "the encoding of the database is SQL_ASCII, nearbit needs UTF8: " in ended.stderr
    assert "Traceback" not in ended.stderr
