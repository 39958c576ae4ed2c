"""Imports as jobs, with real processes: killed in the middle, and of more than fits into what they may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Process, Runner, running, until

pytestmark = pytest.mark.long

TEXTS = "/collections/texts"
N = 6_000
MIB = 1 << 20


def lines(n: int, padding: int = 0) -> Iterator[bytes]:
    """Lines of so many documents, each tenth without an id, and each with so many characters more."""
    for i, document in enumerate(documents(n)):
        if i % 10 == 0:
            del document["id"]
        document["text"] += " and" * (padding // 4)
        yield json.dumps(document).encode() + b"\n"


def send(api: Api, body: Any) -> dict[str, Any]:
    response = api.http.post(f"{TEXTS}/import", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


@pytest.mark.parametrize("dies_after", [4])
def test_an_import_whose_runner_is_killed_is_completed_by_the_next(url: str, folder: Path, dies_after: int) -> None:
    api = Api(url, folder)
    with running(api):
        api.put(TEXTS, {"n_bits": 32})
        job = send(api, lines(N))
        dying = Runner(url, folder, dies_after=dies_after)
        with running(dying):
            assert dying.child.wait(90) == -9
        assert api.job(job["id"])["state"] == "running"
        assert api.get(TEXTS)["n_documents"] == 1_000 * (dies_after - 1)
        runner = Runner(url, folder)
        with running(runner):
            ended = api.finished(job["id"])
        assert (ended["state"], ended["error"], ended["attempts"]) == ("succeeded", None, 2)
        progress = ended["progress"]
        assert (progress["lines"], progress["stored"], progress["created"], progress["refused"]) == (N, N, N, 0)
        assert api.get(TEXTS)["n_documents"] == N
        exported = [json.loads(line) for line in api.http.get(f"{TEXTS}/export").content.splitlines()]
        given = documents(N)
        assert [one["text"] for one in exported] == [one["text"] for one in given]
        assert all(one["id"] == its["id"] for i, (one, its) in enumerate(zip(exported, given, strict=True)) if i % 10)


def test_a_service_that_is_killed_while_it_receives_starts_nothing(url: str, folder: Path) -> None:
    api = Api(url, folder)
    with running(api):
        api.put(TEXTS, {"n_bits": 32})

        def body() -> Iterator[bytes]:
            for i, line in enumerate(lines(N)):
                if i == N // 2:
                    api.child.kill()
                yield line

        with pytest.raises(Exception, match=r"."):
            send(api, body())
        api.wait()
    again, runner = Api(url, folder), Runner(url, folder)
    with running(again, runner):
        assert again.get(TEXTS)["n_documents"] == 0
        job = send(again, lines(100))  # nothing that was left stands in its way
        assert again.finished(job["id"])["progress"]["created"] == 100


def peak_bytes(process: Process) -> int:
    """The most memory that a process has held since `forget_peak`."""
    status = Path(f"/proc/{process.child.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak(process: Process) -> int:
    Path(f"/proc/{process.child.pid}/clear_refs").write_text("5")
    return peak_bytes(process)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by /proc")
def test_neither_process_holds_much_of_an_import_or_an_export(url: str, folder: Path) -> None:
    api, runner = Api(url, folder), Runner(url, folder)
    with running(api, runner):
        fill(api, 1_000)
        api.finished(send(api, lines(2_000, 5_000))["id"])
        until(lambda: api.get(f"{TEXTS}/search", q="bread")["work"] is not None, "the words")
        before = {process: forget_peak(process) for process in (api, runner)}
        with_ids = [json.loads(line) for line in lines(100, 5_000)]
        chunk = b"".join(json.dumps({"text": one["text"]}).encode() + b"\n" for one in with_ids)
        n = 1 + 200 * MIB // len(chunk)
        job = send(api, (chunk for _ in range(n)))
        assert peak_bytes(api) - before[api] < 64 * MIB
        assert api.finished(job["id"])["progress"]["created"] == 100 * n
        assert peak_bytes(runner) - before[runner] < 96 * MIB
        seq = api.get(TEXTS)["seq"]
        until(lambda: not api.get(f"{TEXTS}/search", q="bread", at_least_seq=seq)["partial"], "the words")
        forget_peak(api)
        held = peak_bytes(api)
        with api.http.stream("GET", f"{TEXTS}/export") as response:
            assert sum(map(len, response.iter_bytes())) > 200 * MIB
        assert peak_bytes(api) - held < 64 * MIB
