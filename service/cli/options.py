"""Options that the commands which call a running service share."""

from __future__ import annotations

from typing import Annotated

import typer

import nearbit

Url = Annotated[str, typer.Option(help="URL of the service.")]
AdminKey = Annotated[
    str | None,
    typer.Option("--key", "--admin-key", envvar="NEARBIT_ADMIN_KEY", help="The key, if the service has one."),
]
ReadKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        "--admin-key",
        envvar=["NEARBIT_ADMIN_KEY", "NEARBIT_READ_KEY"],
        help="The key, if the service has one.",
    ),
]
CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="Name of the collection.")]
DEFAULT_URL = "http://127.0.0.1:8000"
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one line of JSON.")]

_PATIENCE_S = 5.0


def connected(url: str, key: str | None) -> nearbit.Client:
    """A client of the service that a command names; a person waits, so it gives up after seconds."""
    return nearbit.connect(url, key=key, patience_s=_PATIENCE_S)


def hint_of(error: Exception) -> str:
    """What to do about an error, to be said behind it."""
    return " (give the key with --key, or in NEARBIT_ADMIN_KEY)" if isinstance(error, nearbit.Unauthorized) else ""
