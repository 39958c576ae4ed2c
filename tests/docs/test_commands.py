"""The commands that README.md, docs/api.md and docs/quickstart.md show are run against a real server on SQLite.

Each is run as it is written, in their order, but for the address of the server; `NOT_RUN` names those that are not run,
and why. An answer that is shown below its command must have the members of the real one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.store import codes, collections, spaces
from service.store.database import Database
from tests.flows.processes import Api, Process, running
from tests.hashing.pictures import png

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/api.md", "docs/quickstart.md")

NOT_RUN = {
    r"^make ": "what the whole suite and a training of a minute are behind; .ci/run runs `make test`",
    r"^nearbit serve\b": "the server that the other commands talk to runs already, on a port of its own",
}
"""Commands of the documents that are not run, by a pattern, and why."""


@dataclass(frozen=True)
class Command:
    """A shell command of a document, and the JSON that the document shows as its answer."""

    page: str
    shell: str
    answer: Any = None

    @property
    def reason_not_to_run(self) -> str | None:
        return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, self.shell)), None)


def blocks(text: str) -> Iterator[str]:
    """The code blocks of a Markdown text: those between fences and those indented by four spaces."""
    fenced = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    indented = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
    found = [(match.start(), match[1]) for match in fenced.finditer(text)]
    rest = fenced.sub(lambda match: re.sub(r"[^\n]", "-", match[0]), text)
    found += [(match.start(), re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE)) for match in indented.finditer(rest)]
    return (block for _, block in sorted(found))


def commands(page: str) -> list[Command]:
    """The commands of a page in their order; a block whose commands begin with `$ ` shows answers too."""
    found = []
    for block in blocks((ROOT / page).read_text()):
        joined = re.sub(r"\\\n\s*", "", block)
        if joined.startswith("$ "):
            for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
                shell, _, shown = part.partition("\n")
                found.append(Command(page, shell, json.loads(shown) if shown.strip() else None))
        else:
            shells = [line for line in joined.splitlines() if re.match(r"(curl|nearbit|make|docker|python) ", line)]
            found += [Command(page, re.sub(r"\s+# .*", "", shell)) for shell in shells]
    return found


ALL = [command for page in PAGES for command in commands(page)]


def members(value: Any) -> Any:
    """The names of the members of a JSON value at every depth; a list has those of its first item."""
    if isinstance(value, dict):
        return {name: members(inner) if name != "metadata" else ... for name, inner in value.items()}
    if isinstance(value, list):
        return [members(value[0])] if value else []
    return ...


def test_the_pages_show_commands_and_most_are_run() -> None:
    run = [command for command in ALL if command.reason_not_to_run is None]
    assert {command.page for command in run} == set(PAGES)
    assert len(run) >= 12
    assert [command.answer for command in run if command.answer is not None]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command.shell) for command in ALL), f"{pattern} is no command of the pages"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands of the documents need curl")
def test_every_command_of_the_documents_works_as_it_is_written(sqlite_url: str, tmp_path: Path) -> None:
    notes = [{"id": f"note {i}", "text": f"How to bake bread of kind {i}", "metadata": {"n": i}} for i in range(20)]
    (tmp_path / "notes.jsonl").write_text("\n".join(map(json.dumps, notes)))
    write_vectors_and_pictures(tmp_path)
    api = Api(sqlite_url, tmp_path, NEARBIT_MIN_TRAIN_DOCUMENTS="10")
    url = f"http://127.0.0.1:{api.port}"
    search_path = f"{programs(tmp_path / 'bin', url)}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": search_path, "PYTHONPATH": str(ROOT), "C": f"{url}/v1/collections/notes"}
    database = {"NEARBIT_DATABASE_URL": sqlite_url}
    with running(api):
        for command in sorted(ALL, key=lambda command: "/docstrings/" in command.shell):
            if command.reason_not_to_run is not None:
                continue
            if "/rollback" in command.shell:
                retire_a_space(sqlite_url)
            shell = re.sub(r"(?:http://)?(?:localhost|127\.0\.0\.1):8000", url, command.shell)
            shell = shell.replace("/docstrings/", "/notes/")  # the demonstration's, which takes a training to make
            shell = shell.replace("temporary+directory", "bread")  # a word of those
            ended = subprocess.run(
                shell, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
            )
            assert ended.returncode == 0, f"{command.page}: {shell}\n{ended.stdout}{ended.stderr}"
            if command.answer is not None:
                assert members(json.loads(ended.stdout)) == members(command.answer), f"{command.page}: {shell}"
            if "/retrain" in shell:  # what the training itself does is tested elsewhere, and takes long
                assert api.post(f"/jobs/{json.loads(ended.stdout)['id']}/cancel")["state"] == "cancelled"
            if "-X POST" in shell and "/duplicates " in shell:  # its groups are read next
                assert Process(["-m", "service", "work", "--once"], tmp_path, "once", **database).wait() == 0


def write_vectors_and_pictures(folder: Path) -> None:
    """The files that the commands import: a table, vectors of four numbers with ids, and pictures in two folders."""
    (folder / "orders.csv").write_text("id,subject,message,year\n1,Bread,How to bake it,2026\n")
    np.save(folder / "vectors.npy", np.eye(4, dtype=np.float32) + 1)
    (folder / "ids.txt").write_text("a\nb\nc\nd\n")
    (folder / "documents.json").write_text(json.dumps({"documents": [{"id": id} for id in "abcd"]}))
    for number, kind in enumerate(("cats", "dogs"), 1):
        (folder / "photos" / kind).mkdir(parents=True)
        (folder / "photos" / kind / f"{number}.png").write_bytes(png(8, 8 + number))


def programs(folder: Path, url: str) -> Path:
    """A folder with the programs that the commands call: curl, which here fails if the service refuses, and nearbit."""
    folder.mkdir()
    scripts = {
        "curl": f'{shutil.which("curl")} --silent --show-error --fail-with-body "$@"',
        "nearbit": f'{sys.executable} -m service "$@" --url {url}',
    }
    for name, line in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\nexec {line}\n")
        (folder / name).chmod(0o755)
    return folder


def retire_a_space(url: str) -> None:
    """Give the collection another active code space, as a retrain does, so that there is one to roll back to."""
    function = untrained_hash_function(64, seed=7)
    content = function.to_bytes()
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "notes")
    with database.write() as connection:
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.start(connection, collection.id, 64, "neighbor")
        spaces.set_digest(connection, space.id, digest_of(content))
        for state in ("encoding", "evaluating", "ready"):
            spaces.move(connection, space.id, state)
        missing = codes.missing(connection, collection.id, space.id)
    with database.lane(collection.id) as lane:
        encoded = function.encode([document.content for document in missing])
        codes.append(lane, space.id, [document.key for document in missing], encoded.codes)
        spaces.promote(lane, space.id)
    database.close()
