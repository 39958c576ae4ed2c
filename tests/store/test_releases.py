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
from sqlalchemy import JSON, Text, cast, column, literal, table, update

from service.config import Settings
from service.store import collections, documents
from service.store.database import Database
from service.store.documents import Document
from service.store.migrations import check_schema, migrate
from service.web.app import create_app
from tests.conftest import empty_postgres
from tests.store.releases.make import downgrade

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


def documents_of(database: Database) -> list[Document]:
    with database.read() as connection:
        collection = collections.get(connection, "docs")
        return documents.page(connection, collection.id, 0, 1000)


@pytest.mark.parametrize("name", ["0.1.0"])
def test_going_back_and_forth_between_revisions_keeps_the_documents(restored: str, name: str) -> None:
    database = Database.open(restored)
    migrate(database)
    before = documents_of(database)
    downgrade(restored, "0001")
    migrate(database)
    assert documents_of(database) == before
    assert len(before) == 78
    database.close()


@pytest.mark.parametrize("name", ["0.1.0"])
def test_metadata_that_jsonb_cannot_hold_is_migrated_with_replacement_characters(
    restored: str, name: str, dialect: str
) -> None:
    """Before 0.1.0 NUL and lone surrogates were taken in."""
    stored = {"nul": "a\x00b", "half\ud800": ["\ud83e", "\\u0000", "🦀"], "huge": -1.5e22}
    database = Database.open(restored)
    with database.write() as connection:
        written = literal(json.dumps(stored), Text())
        values = {"metadata": cast(written, JSON) if dialect == "postgresql" else written}
        connection.execute(update(table("documents", column("metadata"), column("id"))).values(values))
    migrate(database)
    found = documents_of(database)[0].metadata
    if dialect == "postgresql":
        stored = {"nul": "a\ufffdb", "half\ufffd": ["\ufffd", "\\u0000", "🦀"], "huge": -1.5e22}
    assert found == stored
    assert isinstance(found["huge"], float)
    database.close()


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
        for collection, stored in expected["documents"].items():
            assert answered(client, f"collections/{collection}/documents", limit=1000)["items"] == stored
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
