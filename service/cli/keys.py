"""`nearbit keys`: make, list and revoke keys, on the database itself: no key and no running service is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.settings import DatabaseUrl, settings_of
from service.safe_text import safe_text, say

if TYPE_CHECKING:
    from service.store.database import Database
    from service.store.keys import Key

console = Console(stderr=True)
keys_cli = typer.Typer(
    no_args_is_help=True, help="Make, list and revoke keys: on the database, with or without a running service."
)
_PAGE = 1_000
_LIMITS = ("requests_per_minute", "documents_per_minute", "concurrent_searches")


class Scope(StrEnum):
    """What a key may do; each scope includes those before it."""

    read = "read"
    write = "write"
    admin = "admin"


@keys_cli.command()
def create(
    name: Annotated[str, typer.Argument(help="What people know the key by.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; write includes read, and admin includes both.")],
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", help="A collection that it is for; may come several times. Default: all."),
    ] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Default: it never expires.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, max=1_000_000_000)] = None,
    documents_per_minute: Annotated[int | None, typer.Option(min=1, max=1_000_000_000)] = None,
    concurrent_searches: Annotated[int | None, typer.Option(min=1, max=1_000_000_000)] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print it. It cannot be shown again: only its digest is stored.

    Once there is a key, every call of the service needs one.
    """
    with _database(database_url) as database:
        from service.access.making import make_key
        from service.store.keys import SCOPES, KeyLimits, NewKey

        expires_at = None if expires_in_days is None else datetime.now(UTC) + timedelta(days=expires_in_days)
        limits = KeyLimits(requests_per_minute, documents_per_minute, concurrent_searches)
        scopes = [one for one in SCOPES if one in scope]
        key, text = make_key(database, NewKey(name, scopes, collection or None, expires_at, limits))
    say(console, f"key {key.id}, {name!r}, which cannot be shown again:")
    typer.echo(text)


@keys_cli.command("list")
def list_keys(database_url: DatabaseUrl = None) -> None:
    """Print every key, also those that are revoked or have expired, without their text."""
    table = Table("id", "name", "scopes", "collections", "limits", "made", "last used", "state")
    with _database(database_url) as database:
        from service.store import keys

        after_id = 0
        while True:
            with database.read() as connection:
                page = keys.page(connection, after_id, _PAGE)
            if not page:
                break
            for key in page:
                table.add_row(*(Text(safe_text(cell)) for cell in _row(key)))
            after_id = page[-1].id
    Console().print(table)


@keys_cli.command()
def revoke(
    id: Annotated[int, typer.Argument(help="Id of the key, as `nearbit keys list` shows it.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key: every process refuses it within a second."""
    with _database(database_url) as database:
        from service.access.making import revoke_key

        key = revoke_key(database, id)
    say(console, f"key {key.id}, {key.name!r}, is revoked")


@contextmanager
def _database(url: str | None) -> Iterator[Database]:
    """The database that the settings name; a new file is given its schema."""
    settings = settings_of(database_url=url)
    from service.store.database import Database
    from service.store.migrations import prepare

    database = Database.open(settings.database_url)
    try:
        prepare(database)
        yield database
    finally:
        database.close()


def _row(key: Key) -> list[str]:
    limits = [f"{name}={value}" for name in _LIMITS if (value := getattr(key.limits, name)) is not None]
    return [
        str(key.id),
        key.name,
        " ".join(key.scopes),
        "all" if key.collections is None else " ".join(key.collections),
        " ".join(limits),
        f"{key.created_at:%Y-%m-%d}",
        "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}",
        _state(key),
    ]


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    expired = key.expires_at <= datetime.now(UTC)
    return f"{'expired' if expired else 'valid until'} {key.expires_at:%Y-%m-%d}"
