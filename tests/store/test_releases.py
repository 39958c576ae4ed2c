"""Databases of earlier releases, with data in them, are migrated and then answer as the release itself did."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.store.database import Database
from service.store.migrations import check_schema, migrate
from service.web.app import create_app
from tests.conftest import empty_postgres

RELEASES = Path(__file__).parent / "releases"
NAMES = [file.name.removesuffix(".db.gz") for file in sorted(RELEASES.glob("*.db.gz"))]
QUERY = "balance numbers in a tree"

Restore = Callable[[str], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def restored(dialect: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with the data of a release, at the schema revision of the release."""
    if dialect == "sqlite":
        file = tmp_path / "restored.db"
        file.write_bytes(gzip.decompress((RELEASES / f"{name}.db.gz").read_bytes()))
        yield f"sqlite:///{file}"
        return
    with empty_postgres(request.getfixturevalue("postgres")) as url:
        with psycopg.connect(url) as connection:
            connection.execute(gzip.decompress((RELEASES / f"{name}.sql.gz").read_bytes()))
        yield url


def answered(client: TestClient, path: str, **parameters: Any) -> Any:
    response = client.get(f"/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("name", NAMES)
def test_a_migrated_database_of_a_release_answers_as_the_release_did(
    restored: str, dialect: str, name: str, tmp_path: Path
) -> None:
    expected = json.loads((RELEASES / f"{name}.json").read_text(encoding="utf-8"))[dialect]
    database = Database.open(restored)
    migrate(database)
    check_schema(database)
    database.close()
    settings = Settings(database_url=restored, data_dir=tmp_path / "data", device="cpu")
    with TestClient(create_app(settings), "http://localhost") as client:
        assert answered(client, "collections")["items"] == expected["collections"]
        for collection, documents in expected["documents"].items():
            assert answered(client, f"collections/{collection}/documents", limit=1000)["items"] == documents
        for collection, spaces in expected["spaces"].items():
            assert answered(client, f"collections/{collection}/spaces")["items"] == spaces
        seq = answered(client, "collections/docs")["seq"]
        similar = answered(client, "collections/docs/similar", q=QUERY, k=5, at_least_seq=seq)
        assert [[match["id"], match["distance"]] for match in similar["matches"]] == expected["matches"]


@pytest.mark.parametrize("name", NAMES)
def test_a_migrated_database_of_a_release_takes_documents_and_rolls_back(
    restored: str, name: str, tmp_path: Path
) -> None:
    database = Database.open(restored)
    migrate(database)
    database.close()
    settings = Settings(database_url=restored, data_dir=tmp_path / "data", device="cpu")
    with TestClient(create_app(settings), "http://localhost") as client:
        keys = {"id": "docs/0", "text": "sort a list of lists", "metadata": {"new": True}}
        put = client.post("/v1/collections/docs/documents", json={"documents": [keys, {"text": "new"}]})
        assert [document["created"] for document in put.json()["documents"]] == [False, True]
        document = answered(client, "collections/docs/documents/docs/0")
        assert (document["text"], document["metadata"], document["revision"]) == (keys["text"], keys["metadata"], 2)
        assert client.post("/v1/collections/docs/rollback").status_code == 200
        seq = answered(client, "collections/docs")["seq"]
        found = answered(client, "collections/docs/similar", q=keys["text"], k=1, at_least_seq=seq)
        assert found["matches"][0]["id"] == "docs/0"
