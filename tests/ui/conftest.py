"""A real service with real documents and learned codes, and a real browser."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.flows.processes import Api, running
from tests.ui.pages import Faults, opened

COLLECTION = "docstrings"
REQUIRED = "NEARBIT_TEST_BROWSER"
"""An environment variable: where it is `required`, a machine without a browser fails these tests, and skips none."""
_QUICK = {"epochs": 4, "variant": "neighbor", "force": True}

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(f"no chromium, and {REQUIRED} is `required`")
        pytest.skip("no chromium: install it (Debian: apt-get install chromium) to run the tests of the page")
    return path


# Of a module: while the playwright of a session lives, no other test of the process can run an event loop of its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a window, and without WebGL, as in many virtual machines."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the collection `docstrings`, of which codes were learned; made once by all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file = shared / "page.db"
    with (shared / "page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            _make(file, tmp_path_factory.mktemp("page"))
    return file


def _make(file: Path, folder: Path) -> None:
    corpus = folder / "docstrings.jsonl"
    subprocess.run([sys.executable, "-m", "tests.ui.corpus", str(corpus)], check=True, capture_output=True)
    api = Api(f"sqlite:///{folder}/nearbit.db", folder, "--trainer", "--job-runner")
    with running(api):
        collection = f"/collections/{COLLECTION}"
        api.put(collection, {"n_bits": 64})
        headers = {"Content-Type": "application/x-ndjson"}
        job = api.http.post(f"{collection}/import", content=corpus.read_bytes(), headers=headers).json()
        assert api.finished(job["id"])["state"] == "succeeded"
        retrain = api.finished(api.post(f"{collection}/retrain", _QUICK)["id"])
        assert retrain["state"] == "succeeded", retrain
        api.stop()
    shutil.copy(folder / "nearbit.db", file)


@pytest.fixture(scope="session")
def service(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """`nearbit serve` on a copy of that file, with its trainer and its job runner; its `http` calls it."""
    folder = tmp_path_factory.mktemp("service")
    database = shutil.copy(trained_file, folder / "nearbit.db")
    api = Api(f"sqlite:///{database}", folder, "--trainer", "--job-runner")
    with running(api):
        yield api
        api.stop()


@pytest.fixture(scope="session")
def url(service: Api) -> str:
    """Where the service is, without a slash at the end."""
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Opens a page at an address such as `#/docstrings/search`; what it may not do fails the test at its end.

    Takes `size` (of `pages`) and what a browser context of Playwright takes, as `color_scheme`. The page has `faults`.
    """
    with ExitStack() as stack:

        def open_page(address: str = "", *, at: str | None = None, **options: Any) -> Page:
            page, faults = stack.enter_context(opened(browser, at or url, **options))
            page.faults = faults  # type: ignore[attr-defined]
            page.goto(address)
            return page

        yield open_page


def faults_of(page: Page) -> Faults:
    """The faults of a page that `open_page` opened."""
    faults: Faults = page.faults  # type: ignore[attr-defined]
    return faults
