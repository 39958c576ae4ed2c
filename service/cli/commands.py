"""The command line: run the service and its parts, and talk to a running one.

What takes long to import is imported by the commands that need it: asking a running service needs no torch.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from service.cli.client import Client
from service.cli.demo.tour import tour
from service.cli.output import import_documents, matches_table, watch_retrain
from service.config import Settings
from service.errors import ConfigurationError, NearbitError, explained
from service.logs import configure_logging
from service.safe_text import escape_what_cannot_be_encoded, safe_json, safe_text, say

console = Console(stderr=True)
cli = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

Url = Annotated[str, typer.Option(help="Where the service listens.")]
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
DatabaseUrl = Annotated[str | None, typer.Option(help="NEARBIT_DATABASE_URL of this call.")]
HERE = "http://127.0.0.1:8000"


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of API processes.")] = None,
    database_url: DatabaseUrl = None,
    trainer: Annotated[bool | None, typer.Option(help="Start a trainer process too.")] = None,
    job_runner: Annotated[bool | None, typer.Option(help="Start a job runner too.")] = None,
) -> None:
    """Serve the API; options win over NEARBIT_* in the environment."""
    children = {"trainer": trainer, "job_runner": job_runner}
    settings = _settings(host=host, port=port, workers=workers, database_url=database_url, **children)
    from service.processes import serve as server

    server.serve(settings)


@cli.command()
def encoder(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8100,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Run the hash functions in a process of their own; NEARBIT_ENCODER_URL points the service at it."""
    settings = _settings(host=host, device=device, database_url=database_url)
    from service.processes import serve as server

    server.serve_encoder(settings, port)


@cli.command()
def work(
    once: Annotated[bool, typer.Option(help="End as soon as no job is waiting.")] = False,
    exit_with_parent: Annotated[bool, typer.Option(help="End when standard input closes.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Run the jobs that need no training: deletions, and promotions of code spaces that lack many codes."""
    settings = _settings(database_url=database_url)
    from service.processes import jobs

    jobs.work(settings, exit_with_parent=exit_with_parent, once=once)


@cli.command("migrate")
def migrate_database(database_url: DatabaseUrl = None) -> None:
    """Bring the database to the schema of this release."""
    settings = _settings(database_url=database_url)
    from service.store.database import Database
    from service.store.migrations import migrate

    with closing(Database.open(settings.database_url)) as database:
        migrate(database)
    say(console, "the database has the schema of this release")


@cli.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help='JSONL, plain or gzipped: {"id", "text", "metadata"} a line; - for standard input')
    ],
    collection: CollectionOption,
    url: Url = HERE,
    n_bits: Annotated[
        int | None,
        typer.Option(help="Width of the codes of a new collection, 64 if not given; an existing one must have it."),
    ] = None,
    errors: Annotated[
        Path | None, typer.Option(help="Write lines that are refused there, each with its reason.")
    ] = None,
    key: AdminKey = None,
) -> None:
    """Put the documents of a file into a collection, which is created if there is none.

    Lines that are refused are listed with their reasons and make the exit status 1, all others are stored. Of an id
    that comes more than once the last line counts. A service that restarts is waited for.
    """
    with Client(url, key) as remote:
        counts = import_documents(remote, file, collection, n_bits, console, errors)
    raise typer.Exit(min(counts.refused, 1))


@cli.command()
def export(
    collection: CollectionOption,
    url: Url = HERE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; standard output without.")] = None,
    key: ReadKey = None,
) -> None:
    """Write the documents of a collection as JSONL, as `import` reads it."""
    with Client(url, key) as remote, ExitStack() as stack:
        target = stack.enter_context(out.open("wb")) if out else sys.stdout.buffer
        for document in remote.documents(collection):
            kept = {name: document[name] for name in ("id", "text", "metadata")}
            target.write(f"{safe_json(kept)}\n".encode())


@cli.command()
def query(
    text: Annotated[str, typer.Argument(help="What the documents should be similar to.")],
    collection: CollectionOption,
    k: Annotated[int, typer.Option("--k", "-k", help="Number of documents.")] = 10,
    url: Url = HERE,
    rerank: Annotated[bool, typer.Option("--rerank", help="Put a shortlist in the order of its words.")] = False,
    key: ReadKey = None,
) -> None:
    """Print the documents most similar to a text."""
    with Client(url, key) as remote:
        answer = remote.similar(collection, text, k, "features" if rerank else None)
    Console().print(matches_table(answer))
    if not answer["known"]:
        say(console, "no word of the query is known to the hash function: these mean little", style="yellow")


@cli.command()
def retrain(
    collection: CollectionOption,
    url: Url = HERE,
    wait: Annotated[bool, typer.Option(help="Show the progress until it is done.")] = True,
    force: Annotated[bool, typer.Option(help="Promote the new codes even if they are worse.")] = False,
    key: AdminKey = None,
) -> None:
    """Learn new codes on a collection and put them in place of the old ones."""
    with Client(url, key) as remote:
        job = remote.retrain(collection, force=force)
        if not wait:
            print(safe_text(job["id"]))
            return
        job = watch_retrain(remote, job, console)
    say(console, f"code space {job['progress'].get('version', '')} answers now")


@cli.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Learn codes of the docstrings on this machine, serve them, and ask a few questions."""
    tour(_settings(port=port, database_url=database_url), console)


@cli.command()
def doctor(database_url: DatabaseUrl = None) -> None:
    """Say whether this installation can serve, and what is amiss."""
    settings = _settings(database_url=database_url)
    from service.hashing.device import resolve_device
    from service.processes.serve import listening
    from service.store.database import Database
    from service.store.migrations import check_schema

    def database() -> str:
        with closing(Database.open(settings.database_url)) as opened:
            check_schema(opened)
            return f"{opened.dialect}, schema of this release"

    def port() -> str:
        with listening(settings.host, settings.port):
            return f"{settings.port} on {settings.host} is free"

    checks = {"device": lambda: resolve_device(settings.device), "database": database, "port": port}
    faults = 0
    for name, check in checks.items():
        try:
            say(console, Text("ok", "green"), f"     {name}: {check()}")
        except NearbitError as error:
            faults += 1
            say(console, Text("amiss", "red"), f"  {name}: {explained(error)}")
    raise typer.Exit(min(faults, 1))


def _settings(**options: object) -> Settings:
    """The settings of the environment with the options that were given, which child processes then find there too.

    Raises:
        ConfigurationError: they cannot be served.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"NEARBIT_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        settings = Settings()
    except ValidationError as error:
        faults = "; ".join(f"NEARBIT_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(faults) from None
    configure_logging(settings)
    return settings


def main() -> None:
    """Run a command; an error that was raised on purpose is one line, not a traceback."""
    escape_what_cannot_be_encoded(sys.stdout, sys.stderr)
    try:
        cli()
    except (NearbitError, OSError) as error:
        say(console, f"error: {explained(error)}", style="red")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
