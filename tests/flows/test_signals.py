"""Signals that people and supervisors send to a service under traffic, and what callers see of them."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Trainer, running, until
from tests.flows.traffic import Traffic

pytestmark = pytest.mark.long

TEXTS = [one["text"] for one in documents(20, start=5_000)]


def workers(api: Api) -> set[int]:
    """The processes below the service, of those that answer."""
    children = Path(f"/proc/{api.child.pid}/task/{api.child.pid}/children").read_text().split()
    return {pid for pid in map(int, children) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()}


def test_sighup_replaces_the_workers_one_after_another_and_no_request_fails(sqlite_url: str, folder: Path) -> None:
    api = Api(sqlite_url, folder, "--workers", "2")
    with running(api):
        fill(api, 200)
        before = workers(api)
        assert len(before) == 2
        with Traffic([api, api], "texts", TEXTS, fresh_connections=True) as traffic:
            until(lambda: traffic.n_answers > 20, "answers before")
            api.child.send_signal(signal.SIGHUP)
            until(lambda: len(now := workers(api)) == 2 and not now & before, "two new workers")
            n_before = traffic.n_answers
            until(lambda: traffic.n_answers > n_before + 20, "answers after")
        assert traffic.faults == []
        assert api.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_service_with_one_worker_finishes_and_ends_on_every_signal(
    sqlite_url: str, folder: Path, number: signal.Signals
) -> None:
    api = Api(sqlite_url, folder)
    with running(api):
        fill(api, 50)
        api.child.send_signal(number)
        api.wait()
    assert api.child.returncode in (0, -number)
    log = api.log.read_text()
    assert re.search(r"\bstopped\b", log)
    assert "Traceback" not in log


def test_a_trainer_ends_on_sighup(sqlite_url: str, folder: Path) -> None:
    trainer = Trainer(sqlite_url, folder)
    with running(trainer):
        until(lambda: os.path.getsize(trainer.log) or trainer.child.poll() is not None, "the trainer to start")
        trainer.child.send_signal(signal.SIGHUP)
        assert trainer.wait() == 0
