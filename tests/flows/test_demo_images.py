"""`make demo-images`, as a person runs it: twice, ended by Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from tests.flows.processes import Process, free_port, running, until

pytestmark = pytest.mark.long


@contextmanager
def demonstration(folder: Path) -> Iterator[Process]:
    """The demonstration, once it says that it is up; interrupted at the end, so that its service ends too."""
    command = ["-m", "service", "demo-images", "--port", str(free_port())]
    demo = Process(command, folder, "demo", NEARBIT_DATABASE_URL=f"sqlite:///{folder}/demo.db", COLUMNS="200")
    with running(demo):
        try:
            until(lambda: "Ctrl-C stops" in demo.log.read_text() or demo.child.poll() is not None, "the demonstration")
            yield demo
        finally:
            demo.child.send_signal(signal.SIGINT)
            demo.wait(150)  # each process that it stops may take its time: 30 s for requests, 15 s for each worker


def test_the_demonstration_of_pictures_learns_once_and_shows_neighbors_each_time(tmp_path: Path) -> None:
    sheet = tmp_path / "demo-images" / "neighbors.png"
    for said in ("1,697 digits of scikit-learn into collection 'digits'", "1,697 digits and their learned codes are"):
        with demonstration(tmp_path) as demo:
            assert said in demo.log.read_text()
            with PillowImage.open(sheet) as picture:
                assert picture.size == (844, 914)
            sheet.unlink()
        assert demo.child.returncode == 0, demo.log.read_text()
