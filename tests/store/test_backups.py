from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import Conflict, CorruptArtifact, InvalidInput, NearbitError, SchemaMismatch
from service.hashing.content import Text
from service.store import documents
from service.store.backups.archive import Manifest, open_archive, write_archive
from service.store.backups.backup import back_up
from service.store.backups.restore import restore
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.migrations import check_schema
from service.store.upgrades import upgrade
from tests import backups
from tests.conftest import empty_postgres, new_collection
from tests.store.test_deletion import filled


@pytest.fixture
def fresh(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Another database of the same kind, without a table."""
    with ExitStack() as stack:
        if database.embedded:
            url = f"sqlite:///{tmp_path / 'fresh' / 'nearbit.db'}"
        else:
            url = stack.enter_context(empty_postgres(request.getfixturevalue("postgres")))
        opened = Database.open(url)
        yield opened
        opened.close()


@pytest.fixture
def file(database: Database, tmp_path: Path) -> Path:
    """A backup of the database with 30 documents in a collection."""
    fill(database)
    path = tmp_path / "nearbit.backup"
    back_up(database, path)
    return path


def fill(database: Database) -> Collection:
    collection, _, _ = filled(database, 30, "texts")
    awkward = [NewDocument("\\N\t\\.", Text("tab\tline\nback\\slash \u2028 🦀", "\\"), {"a": ["\\n", None, 1e300]})]
    with database.lane(collection.id) as lane:
        documents.put(lane, awkward)
        documents.delete(lane, [awkward[0].id or ""])
        documents.put(lane, awkward)
    return collection


def test_a_restored_database_has_the_same_rows_and_gives_no_number_twice(
    database: Database, fresh: Database, tmp_path: Path
) -> None:
    collection = fill(database)
    said: list[str] = []
    manifest = back_up(database, tmp_path / "b", said.append)
    before = backups.back_up(database)
    assert manifest.n_rows == {table: len(rows) for table, rows in before.rows.items()}
    assert restore(fresh, tmp_path / "b", force=False, report=said.append) == manifest
    assert backups.back_up(fresh) == before
    check_schema(fresh)
    with fresh.lane(collection.id) as lane:
        (put,) = documents.put(lane, [NewDocument(None, Text("new"), {})])
    assert put.key > max(row["key"] for row in before.rows["documents"])
    assert {"checking the backup"} < {*said}
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith((".", "b."))] == []


@pytest.mark.long_on_postgresql
def test_a_database_with_collections_is_replaced_only_by_force(database: Database, file: Path) -> None:
    expected = backups.back_up(database)
    new_collection(database, name="more")
    with database.lane(1) as lane:
        documents.delete(lane, ["\\N\t\\."])
    with pytest.raises(Conflict, match="the database holds 2 collections"):
        restore(database, file, force=False)
    restore(database, file, force=True)
    assert backups.back_up(database) == expected


def damaged(file: Path, kind: str) -> None:
    content = file.read_bytes()
    match kind:
        case "cut short":
            file.write_bytes(content[: len(content) // 2])
        case "one byte":
            middle = len(content) // 3
            file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        case "empty":
            file.write_bytes(b"")
        case "a part is missing" | "another part":
            with zipfile.ZipFile(file) as archive:
                parts = {name: archive.read(name) for name in archive.namelist()}
            name = next(name for name in parts if name in ("nearbit.db", "documents.copy"))
            changed = parts.pop(name)[:-1]
            with zipfile.ZipFile(file, "w") as archive:
                for other, part in parts.items():
                    archive.writestr(other, part)
                if kind == "another part":
                    archive.writestr(name, changed)
        case "no manifest":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("nearbit.db", b"x")
        case "another manifest":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("manifest.json", '{"format": 1}')


KINDS = ("cut short", "one byte", "empty", "a part is missing", "another part", "no manifest", "another manifest")


@pytest.mark.long_on_postgresql
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_backup_is_refused_before_anything_is_touched(database: Database, file: Path, kind: str) -> None:
    new_collection(database)
    before = backups.back_up(database)
    damaged(file, kind)
    with pytest.raises(CorruptArtifact, match=r"nearbit\.backup is corrupt: "):
        restore(database, file, force=True)
    assert backups.back_up(database) == before


def rewritten(file: Path, **members: Any) -> Manifest:
    """The same backup with another manifest."""
    with open_archive(file) as archive:
        manifest = replace(archive.manifest, **members)
        left = {part.name for part in manifest.parts}
        with archive._archive as source:
            parts = {name: source.read(name) for name in source.namelist() if name in left}
    with zipfile.ZipFile(file, "w") as target:
        for name, content in parts.items():
            target.writestr(name, content)
        target.writestr("manifest.json", json.dumps(asdict(manifest)))
    return manifest


@pytest.mark.long_on_postgresql
@pytest.mark.parametrize(
    ("members", "kind", "said"),
    [
        ({"revision": "9999"}, SchemaMismatch, "restore it with the release that made it"),
        ({"format": 2}, InvalidInput, "must have format 1 of a backup, got 2"),
        ({"dialect": "oracle"}, InvalidInput, "is a backup of oracle"),
    ],
)
def test_a_backup_of_a_newer_release_or_another_database_is_refused(
    database: Database, file: Path, members: dict[str, Any], kind: type[NearbitError], said: str
) -> None:
    rewritten(file, **members)
    before = backups.back_up(database)
    with pytest.raises(kind, match=said):
        restore(database, file, force=True)
    assert backups.back_up(database) == before


def test_a_backup_of_an_older_schema_is_brought_up_to_date(database: Database, fresh: Database, file: Path) -> None:
    """Of the revision before imports were jobs."""
    with open_archive(file) as archive:
        manifest = archive.manifest
    if database.embedded:
        old = file.with_name("old.db")
        with Database.open(f"sqlite:///{old}").ddl() as connection:
            upgrade(connection, "0010")
        with write_archive(file) as writer:
            with writer.part("nearbit.db") as part:
                part.write(old.read_bytes())
            writer.finish(replace(manifest, revision="0010", parts=writer.parts))
    else:
        as_of_0010(file, manifest)
    restore(fresh, file, force=False)
    check_schema(fresh)
    if not database.embedded:
        assert backups.back_up(fresh) == backups.back_up(database)


def as_of_0010(file: Path, manifest: Manifest) -> None:
    """Make a backup of PostgreSQL one without the tables and columns of later revisions."""
    with zipfile.ZipFile(file) as archive:
        rows = {part.name: archive.read(part.name) for part in manifest.parts}
    with write_archive(file) as writer:
        for part in manifest.parts:
            assert part.table is not None
            if part.table.startswith(("import", "job_history", "map")):
                continue
            columns, content = part.columns, rows[part.name]
            if columns[-1] == "has_buckets":
                columns = columns[:-1]
                content = b"".join(line.rpartition(b"\t")[0] + b"\n" for line in content.splitlines())
            with writer.part(part.name) as written:
                written.write(content)
                written.table, written.columns, written.n_rows = part.table, columns, part.n_rows
        writer.finish(replace(manifest, revision="0010", parts=writer.parts))


@pytest.mark.long_on_postgresql
def test_a_backup_that_fails_leaves_the_one_before(
    database: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("service.store.backups.archive.ArchiveWriter.finish", fail)
    with pytest.raises(OSError, match="no space left"):
        back_up(database, file)
    assert file.read_bytes() == before
    assert not [*file.parent.glob("*.part")]


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(
    database: Database, fresh: Database, file: Path
) -> None:
    """Between two steps of it a document and its code are written: the backup has both or neither."""
    n_written = 0

    def write(said: str) -> None:
        nonlocal n_written
        with database.lane(1) as lane:
            documents.put(lane, [NewDocument(f"meanwhile {n_written}", Text("x"), {})])
        n_written += 1

    manifest = back_up(database, file, write)
    restore(fresh, file, force=False)
    found = backups.back_up(fresh).rows
    assert n_written > 1
    assert max(row["seq"] for row in found["documents"]) == found["collections"][0]["last_seq"]
    assert manifest.n_rows["documents"] == len(found["documents"])
