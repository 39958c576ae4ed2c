"""`nearbit mcp`: its tools, and the protocol by the client of the official package, where that is installed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nearbit
from service.cli.mcp_tools import Tools
from tests.client.conftest import opened

ROOT = Path(__file__).parents[2]
BREAD = {"id": "bread", "title": "Bread", "text": "How to bake bread", "metadata": {"kind": "food"}}
BOAT = {"id": "boat", "text": "How to sail a boat", "metadata": {"kind": "sport"}}
LONG = {"id": "long", "text": "word " * 1_000}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nearbit.Client]:
    with opened(f"{tmp_path_factory.mktemp('mcp')}/notes.db", poll_interval_s=0.05) as client:
        client.create("notes").add([BREAD, BOAT, LONG])
        client.create("others")
        yield client


def test_the_tools_search_and_find_what_is_similar(client: nearbit.Client) -> None:
    tools = Tools(client, "notes")
    found = tools.search("bread")[0]
    assert (found.id, found.title, found.text, found.metadata) == ("bread", "Bread", BREAD["text"], {"kind": "food"})
    assert tools.similar("How to bake bread", k=1)[0].distance is not None
    assert "boat" not in [document.id for document in tools.similar(id="boat")]
    assert [document.id for document in tools.similar("bread", filter={"kind": "sport"})] == ["boat"]


def test_a_long_text_is_cut_in_answers_and_read_whole_by_its_id(client: nearbit.Client) -> None:
    tools = Tools(client, "notes")
    text = tools.search("word")[0].text
    assert text is not None
    assert (len(text), text[-1]) == (2_001, "…")
    assert tools.get("long").text == LONG["text"]


def test_one_collection_may_be_all_that_is_asked(client: nearbit.Client) -> None:
    assert [one.name for one in Tools(client).collections()] == ["notes", "others"]
    assert [one.name for one in Tools(client, "notes").collections()] == ["notes"]
    assert Tools(client, "notes").get("bread", "notes").id == "bread"
    with pytest.raises(nearbit.InvalidInput, match="must be 'notes', or left out"):
        Tools(client, "notes").get("bread", "others")


def test_a_collection_must_be_named_where_there_are_several(client: nearbit.Client) -> None:
    with pytest.raises(nearbit.InvalidInput, match="the name of one: notes, others"):
        Tools(client).search("bread")
    assert Tools(client).search("bread", "notes")[0].id == "bread"


@pytest.mark.long
def test_the_client_of_the_official_package_calls_the_tools_over_real_pipes(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the package mcp is not among those of the tests")
    with opened(str(tmp_path / "notes.db")) as client:
        client.create("notes").add([BREAD, BOAT])
    called = asyncio.run(conversation(tmp_path / "notes.db"))
    assert called["tools"] == ["search", "similar", "get", "collections"]
    assert "query" in called["schema"]["required"]
    assert called["search"]["result"][0]["id"] == "bread"
    assert called["similar"]["result"][0]["id"] == "boat"
    assert called["collections"]["result"] == [{"name": "notes", "kind": "text"}]
    assert "no document 'none'" in called["error"]
    assert "k" in called["refused"]


async def conversation(database: Path) -> dict[str, Any]:
    """What a client is answered by `nearbit mcp` in a process of its own."""
    from mcp import Client, StdioServerParameters

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])}
    command = ["-m", "service", "mcp", "--database", str(database)]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=environment)) as client:
        tools = (await client.list_tools()).tools
        answers = {
            "search": await client.call_tool("search", {"query": "bread"}),
            "similar": await client.call_tool("similar", {"text": "How to sail a boat", "k": 1}),
            "collections": await client.call_tool("collections", {}),
        }
        error = await client.call_tool("get", {"id": "none"})
        refused = await client.call_tool("search", {"query": "bread", "k": 0})
    assert error.is_error
    assert refused.is_error
    return {
        "tools": [tool.name for tool in tools],
        "schema": tools[0].input_schema,
        "error": error.content[0].text,
        "refused": refused.content[0].text,
        **{name: answer.structured_content for name, answer in answers.items()},
    }


def test_without_the_package_the_command_says_what_to_install(
    client: nearbit.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.cli.mcp_tools import serve_tools
    from service.errors import ConfigurationError

    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    with pytest.raises(ConfigurationError, match="pip install 'nearbit\\[mcp\\]'"):
        serve_tools(Tools(client))
