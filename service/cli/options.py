"""Options that the commands which call a running service share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
KEY_HINT = " (give the key with --key, or in NEARBIT_ADMIN_KEY)"
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one line of JSON.")]

_PATIENCE_S = 2.0


@contextmanager
def connected(url: str, key: str | None, patience_s: float = _PATIENCE_S) -> Iterator[nearbit.Client]:
    """A client of the service that a command names, whose errors say which service it was.

    Args:
        url: of the service.
        key: of the service, if it needs one.
        patience_s: how long to try again; a person waits, so by default not long.
    """
    with nearbit.connect(url, key=key, patience_s=patience_s) as client:
        try:
            yield client
        except nearbit.NearbitError as error:
            if not error.status:
                raise
            hint = KEY_HINT if isinstance(error, nearbit.Unauthorized) and not key else ""
            message = f"{url.rstrip('/')} answered {error.status}: {error}{hint}"
            raise type(error)(message, error.problem, error.status) from error
