"""`nearbit pairs`: what people say of pairs of documents, which a retrain learns from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.cli.options import DEFAULT_URL, AdminKey, AsJson, CollectionOption, ReadKey, Url, connected
from service.safe_text import cell, safe_json, say

_console = Console(stderr=True)
pairs_cli = typer.Typer(no_args_is_help=True, help="Say which documents are alike, for a retrain to learn from.")

OneId = Annotated[str, typer.Argument(help="Id of one document.")]
OtherId = Annotated[str, typer.Argument(help="Id of the other.")]


@pairs_cli.command("list")
def list_pairs(
    collection: CollectionOption, as_json: AsJson = False, url: Url = DEFAULT_URL, key: ReadKey = None
) -> None:
    """Print all pairs of a collection."""
    with connected(url, key) as client:
        pairs = client.collection(collection).pairs()
    if as_json:
        typer.echo(safe_json([pair.model_dump(mode="json") for pair in pairs]))
        return
    table = Table("a", "b", "said to be")
    for pair in pairs:
        table.add_row(cell(pair.a), cell(pair.b), "similar" if pair.similar else "different")
    Console().print(table)


@pairs_cli.command()
def add(
    a: OneId,
    b: OtherId,
    collection: CollectionOption,
    similar: Annotated[bool, typer.Option("--similar/--different", help="What they are.")] = True,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Say of two documents that they are similar, or different; what was said before no longer counts."""
    with connected(url, key) as client:
        n_pairs = client.collection(collection).add_pairs([(a, b, similar)])
    say(_console, f"{n_pairs:,} pairs in '{collection}'")


@pairs_cli.command()
def forget(a: OneId, b: OtherId, collection: CollectionOption, url: Url = DEFAULT_URL, key: AdminKey = None) -> None:
    """Forget what was said of two documents."""
    with connected(url, key) as client:
        client.collection(collection).forget_pair(a, b)
    say(_console, f"nothing is said of {a!r} and {b!r} any more")
