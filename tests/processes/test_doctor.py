from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from service.config import Settings
from service.processes.doctor import Doctor, Finding
from service.store import codes, collections, integrity, schema, spaces
from service.store.database import Database
from service.web.app import create_app

BUCKETS, CODES, DOCUMENTS = schema.buckets, schema.codes, schema.documents
N = 40


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """Of an installation with one collection of N documents."""
    settings = Settings(database_url=url, data_dir=tmp_path, port=1)
    with TestClient(create_app(settings), "http://localhost") as client:
        documents = [{"id": f"d{n}", "text": f"bread number {n} in oven {n * n}"} for n in range(N)]
        client.put("/v1/collections/texts", json={}).raise_for_status()
        client.post("/v1/collections/texts/documents", json={"documents": documents}).raise_for_status()
    return settings


@pytest.fixture
def opened(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings.database_url)
    yield database
    database.close()


def wrong(settings: Settings) -> list[Finding]:
    return [found for found in Doctor(settings).findings() if found.status != "ok"]


def repaired(settings: Settings) -> list[str]:
    said = [found.repair() for found in Doctor(settings).findings() if found.repair is not None]
    assert wrong(settings) == []
    return said


def derived(database: Database) -> set[tuple[Any, ...]]:
    """The codes and the buckets."""
    with database.read() as connection:
        rows = connection.execute(select(CODES.c.space_id, CODES.c.document_key, CODES.c.code)).all()
        return {tuple(row) for row in [*rows, *connection.execute(select(BUCKETS))] if row[2] is not None}


def test_a_sound_installation_has_nothing_but_good_findings(settings: Settings) -> None:
    found = [*Doctor(settings).findings()]
    assert [one for one in found if one.status != "ok"] == []
    subjects = " | ".join(one.subject for one in found)
    for subject in ("device", "port", "disk of data", "database", "hash functions", "memory", "codes and buckets"):
        assert subject in subjects
    assert f"{N} codes, and the buckets hold them" in [one.detail for one in found]


def test_buckets_that_disagree_with_codes_are_made_anew(settings: Settings, opened: Database) -> None:
    before = derived(opened)
    with opened.write() as connection:
        some = connection.scalars(select(DOCUMENTS.c.key).order_by(DOCUMENTS.c.key)).all()
        connection.execute(delete(BUCKETS).where(BUCKETS.c.document_key == some[3], BUCKETS.c.table_no == 0))
        moved = (BUCKETS.c.document_key == some[5], BUCKETS.c.table_no == 1)
        connection.execute(update(BUCKETS).where(*moved).values(address=65_535 - BUCKETS.c.address))
        space = connection.scalars(select(schema.code_spaces.c.id)).one()
        stray = {"space_id": space, "table_no": 2, "address": 7, "document_key": 999_999}
        connection.execute(BUCKETS.insert().values(stray))
    (found,) = wrong(settings)
    assert found.detail == "2 documents that the buckets do not hold, 2 rows of the buckets that no code has"
    assert len(repaired(settings)) == 1
    assert derived(opened) == before


@pytest.mark.long_on_postgresql
def test_the_buckets_of_a_space_without_any_are_made_anew(settings: Settings, opened: Database) -> None:
    before = derived(opened)
    with opened.write() as connection:
        connection.execute(delete(BUCKETS))
    assert len(repaired(settings)) == 1
    assert derived(opened) == before


def test_documents_without_a_code_are_encoded_and_codes_without_a_document_are_removed(
    settings: Settings, opened: Database
) -> None:
    before = derived(opened)
    with opened.write() as connection:
        collection = collections.get(connection, "texts")
        some = connection.scalars(select(DOCUMENTS.c.key).order_by(DOCUMENTS.c.key)).all()
        gone = (CODES.c.document_key == some[0], BUCKETS.c.document_key == some[0])
        connection.execute(delete(CODES).where(gone[0]))
        connection.execute(delete(BUCKETS).where(gone[1]))
        space = spaces.active(connection, collection.id)
        code = codes.get(connection, space.id, some[1])
        assert code is not None
    with opened.lane(collection.id) as lane:
        codes.append(lane, space.id, [123_456], code[None])
    details = [found.detail for found in wrong(settings)]
    assert details == ["1 codes of documents that are gone", "1 have none"]
    assert repaired(settings) == ["1 codes removed, 0 rows of the buckets made anew", "1 documents encoded"]
    assert derived(opened) == before


@pytest.mark.long_on_postgresql
def test_codes_that_the_hash_function_does_not_give_are_noticed(settings: Settings, opened: Database) -> None:
    with opened.read() as connection:
        collection = collections.get(connection, "texts")
        space = spaces.active(connection, collection.id)
        keys, found = codes.load(connection, space.id, 8)
    with opened.lane(collection.id) as lane:
        codes.append(lane, space.id, keys, 255 - found)
    (fault,) = wrong(settings)
    assert f"{N} of {N} are not what the hash function" in fault.detail
    assert fault.repair is None
    assert "retrain" in str(fault.advice)


@pytest.mark.long_on_postgresql
def test_a_damaged_hash_function_is_noticed(settings: Settings, opened: Database) -> None:
    with opened.write() as connection:
        connection.execute(update(schema.hash_functions).values(content=b"something else"))
    subjects = [found.subject for found in wrong(settings)]
    assert subjects[0] == "hash functions"
    assert len(subjects) == 2  # and the codes cannot be compared


@pytest.mark.long_on_postgresql
def test_codes_of_another_width_are_noticed(settings: Settings, opened: Database) -> None:
    with opened.write() as connection:
        first = connection.scalars(select(CODES.c.document_key).limit(1)).one()
        connection.execute(update(CODES).where(CODES.c.document_key == first).values(code=b"abc"))
        space = spaces.active(connection, collections.get(connection, "texts").id)
        assert integrity.disagreements(connection, space).n_of_other_width == 1
    assert "1 codes are not 64 bits wide" in [found.detail for found in wrong(settings)]


@pytest.mark.long_on_postgresql
def test_a_folder_that_cannot_be_written_to_and_a_full_disk_are_noticed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert {found.status for found in wrong(settings)} == {"warning"}
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "fault" in {found.status for found in wrong(settings)}
