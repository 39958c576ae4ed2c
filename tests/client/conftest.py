from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from nearbit._sync.client import Client
from nearbit._sync.collection import Collection
from nearbit._sync.connection import Connection
from service.embedded import open_embedded


def opened(path: str, **settings: object) -> Client:
    """What `nearbit.open` gives, without the entry point of what is installed."""
    transport, close = open_embedded(path, settings)
    return Client(Connection("http://localhost", None, 60, 60, transport), close)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a file in this process; tests have collections of their own."""
    with opened(f"{tmp_path_factory.mktemp('embedded')}/notes.db", poll_interval_s=0.05) as client:
        yield client


@pytest.fixture
def notes(client: Client, request: pytest.FixtureRequest) -> Collection:
    """A collection with three documents."""
    notes = client.create(re.sub(r"\W+", "-", request.node.name)[:55].rstrip("-"))
    bread = {"id": "bread", "text": "How to bake bread", "metadata": {"kind": "food"}}
    boat = {"id": "boat", "text": "How to sail a boat", "metadata": {"kind": "sport"}}
    odd = {"id": "a/b?c#d é", "text": "An id of odd characters"}
    notes.add([bread, boat, odd])
    return notes
