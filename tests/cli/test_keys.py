from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from service.access.key_text import LENGTH
from service.cli.commands import cli
from service.config import Settings
from service.errors import InvalidInput, NotFound
from service.store import keys
from service.store.database import Database
from tests.web.serving import running

RUNNER = CliRunner()


def run(monkeypatch: pytest.MonkeyPatch, url: str, *arguments: str) -> str:
    monkeypatch.setenv("NEARBIT_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    result = RUNNER.invoke(cli, ["keys", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_key_of_the_command_line_opens_a_running_service_until_it_is_revoked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = run(monkeypatch, url, "create", "for [b]Ada", "--scope", "admin", "--expires-in-days", "9").strip()
    assert len(text) == LENGTH
    with running(url) as client:
        header = {"Authorization": f"Bearer {text}"}
        assert client.get("/v1/collections").status_code == 401
        assert client.get("/v1/keys", headers=header).json()["items"][0]["name"] == "for [b]Ada"
        run(monkeypatch, url, "create", "two", "--scope", "read", "-c", "texts", "-c", "notes")
        client.app.state.access.keyring.refresh(client.app.state.services.database)  # type: ignore[attr-defined]
        listed = run(monkeypatch, url, "list")
        assert text not in listed
        assert re.search(r"1 +. for \[b\]Ada +. admin +. all .* valid until \d{4}-\d\d-\d\d", listed)
        assert re.search(r"2 +. two +. read +. texts notes", listed)
        run(monkeypatch, url, "revoke", "1")
        client.app.state.access.keyring.refresh(client.app.state.services.database)  # type: ignore[attr-defined]
        assert client.get("/v1/keys", headers=header).status_code == 401
    assert "revoked" in run(monkeypatch, url, "list")


def test_what_no_key_can_be_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        run(monkeypatch, sqlite_url, "revoke", "7")
    with pytest.raises(InvalidInput, match="collections must be names"):
        run(monkeypatch, sqlite_url, "create", "one", "--scope", "read", "-c", "no such/name")
    with pytest.raises(InvalidInput, match="name must be"):
        run(monkeypatch, sqlite_url, "create", "a\x00b", "--scope", "read")
    database = Database.open(Settings(database_url=sqlite_url).database_url)
    with database.read() as connection:
        assert keys.page(connection, 0, 5) == []
    database.close()
