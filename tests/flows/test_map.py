"""A map that is computed by a trainer which is killed, and by the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.corpus import fill
from tests.flows.processes import Api, Trainer, running


@pytest.mark.long
def test_a_map_whose_trainer_was_killed_is_computed_by_the_next_one(sqlite_url: str, folder: Path) -> None:
    api, dying = Api(sqlite_url, folder), Trainer(sqlite_url, folder, dies_in="layout")
    with running(api, dying):
        fill(api, 100)
        job = api.post("/collections/texts/map")
        assert dying.child.wait(90) == -9
        assert api.job(job["id"])["state"] == "running"
        with running(Trainer(sqlite_url, folder)):
            ended = api.finished(job["id"])
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    assert ended["progress"]["documents"] == 100
