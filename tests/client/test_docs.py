"""The programs in docs/client.md and docs/quickstart.md run as they are written."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nearbit
from nearbit._sync.client import Client
from nearbit._sync.connection import Connection
from service.cli.commands import cli
from tests.client.conftest import opened

ROOT = Path(__file__).parents[2]
LIBRARIES = {"LangChain": "langchain_core", "LlamaIndex": "llama_index"}


def programs(page: str) -> dict[str, str]:
    """The programs of a page by the title above them; several below one title are one."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE)[1:]:
        if blocks := re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            found[section.partition("\n")[0]] = "\n".join(blocks)
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """What answers in place of the service that the programs connect to."""
    with opened(f"{tmp_path_factory.mktemp('quickstart')}/recipes.db", poll_interval_s=0.05) as client:
        bread = {"id": "bread", "text": "How to bake bread", "metadata": {"oven": True}}
        client.create("recipes").add([bread, {"id": "soup", "text": "How to cook soup"}])
        yield client


def test_the_programs_of_the_page_on_the_client_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    (program,) = programs("docs/client.md").values()
    exec(program, names)
    lines = names["lines"]
    assert isinstance(lines, list)
    assert len(lines) == 3


@pytest.mark.parametrize("title", programs("docs/quickstart.md"))
def test_the_programs_of_the_quick_starts_run(
    title: str, service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (library := LIBRARIES.get(title)) and importlib.util.find_spec(library) is None:
        pytest.skip(f"{title} is large: the tests do not install it")
    transport = service._connection._http._transport
    monkeypatch.setattr(nearbit, "connect", lambda url: Client(Connection(url, None, 60, 60, transport)))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(programs("docs/quickstart.md")[title], names)
    assert names["recipes"]


def test_the_settings_of_a_server_of_tools_are_a_command_that_there_is() -> None:
    (settings,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs/quickstart.md").read_text("utf-8"), re.DOTALL)
    (server,) = json.loads(settings)["mcpServers"].values()
    assert server["command"] == "nearbit"
    asked = CliRunner().invoke(cli, [*server["args"], "--help"])
    assert asked.exit_code == 0, asked.output
