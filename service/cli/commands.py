"""Run the service and its processes, and call a running service."""

# What takes long to import is imported by the commands that need it: calling a running service needs no torch.
from __future__ import annotations

import sys
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import nearbit
from service.cli.client import PATIENCE_S, Client
from service.cli.demo.tour import tour
from service.cli.keys import keys_cli
from service.cli.options import DEFAULT_URL, AdminKey, CollectionOption, ReadKey, Url, connected
from service.cli.output import ImportOptions, backup_summary, import_documents, reporting, written_whole
from service.cli.pairs import pairs_cli
from service.cli.quality import preview, quality
from service.cli.settings import DatabaseUrl, settings_of
from service.cli.sources.beside import BesideVectors
from service.cli.sources.mapping import ColumnNames
from service.cli.sources.tables import is_table
from service.cli.tables import duplicates_table, explanation_table, facet_table, found_table, matches_table
from service.cli.watching import watch_job
from service.errors import NearbitError, explained
from service.safe_text import escape_what_cannot_be_encoded, safe_json_line, safe_text, say

console = Console(stderr=True)
cli = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
cli.add_typer(keys_cli, name="keys")
cli.add_typer(pairs_cli, name="pairs")
cli.command()(quality)
cli.command()(preview)


class DocumentKind(StrEnum):
    """What the documents of a collection are."""

    text = "text"
    embedding = "embedding"
    image = "image"


class Rank(StrEnum):
    """By what a search ranks."""

    hybrid = "hybrid"
    words = "words"
    code = "code"


class By(StrEnum):
    """What near duplicates are looked for by."""

    words = "words"
    code = "code"


class Linkage(StrEnum):
    """What a group of near duplicates is."""

    single = "single"
    complete = "complete"


class Keep(StrEnum):
    """Which document represents a group of near duplicates."""

    first = "first"
    longest = "longest"
    newest = "newest"


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on, in place of host and port.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of API processes.")] = None,
    database_url: DatabaseUrl = None,
    trainer: Annotated[bool | None, typer.Option(help="Also start a trainer process.")] = None,
    job_runner: Annotated[bool | None, typer.Option(help="Also start a job runner.")] = None,
) -> None:
    """Serve the API; an option takes precedence over its NEARBIT_* environment variable."""
    children = {"trainer": trainer, "job_runner": job_runner}
    settings = settings_of(host=host, port=port, uds=uds, workers=workers, database_url=database_url, **children)
    from service.processes import serve as server

    server.serve(settings)


@cli.command()
def encoder(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8100,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Run an encoder process, which gives codes to texts; the service uses it if NEARBIT_ENCODER_URL is its URL."""
    settings = settings_of(host=host, device=device, database_url=database_url)
    from service.processes import serve as server

    server.serve_encoder(settings, port)


@cli.command()
def work(
    once: Annotated[bool, typer.Option(help="Exit as soon as no job is waiting.")] = False,
    exit_with_parent: Annotated[bool, typer.Option(help="Exit when standard input closes.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Run the jobs that need no training: deletions, and promotions that must give many documents a code."""
    settings = settings_of(database_url=database_url)
    from service.processes import jobs

    jobs.work(settings, exit_with_parent=exit_with_parent, once=once)


@cli.command("migrate")
def migrate_database(database_url: DatabaseUrl = None) -> None:
    """Migrate the database to the schema of this release."""
    settings = settings_of(database_url=database_url)
    from service.store.database import Database
    from service.store.migrations import migrate

    with closing(Database.open(settings.database_url)) as database:
        migrate(database)
    say(console, "the database has the schema of this release")


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; one that exists is replaced when the new one is whole.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Write all that the database holds into one file, while the service runs."""
    settings = settings_of(database_url=database_url)
    from service.store.backups.backup import back_up
    from service.store.database import Database

    with closing(Database.open(settings.database_url, creates=False)) as database, reporting(console) as report:
        manifest = back_up(database, file, report)
    say(console, f"{file}: {backup_summary(manifest)}, {file.stat().st_size:,} bytes")


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the collections that the database holds.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Make the database what it was when a backup was made; processes that run on it notice.

    The backup is checked first, and a damaged one is refused before anything is touched.
    """
    settings = settings_of(database_url=database_url)
    from service.store.backups.restore import restore as restore_database
    from service.store.database import Database

    with closing(Database.open(settings.database_url)) as database, reporting(console) as report:
        manifest = restore_database(database, file, force=force, report=report)
    say(console, f"restored {file} of {manifest.created_at}: {backup_summary(manifest)}")


@cli.command("import")
def import_source(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help='JSONL, one {"id", "title", "text", "metadata"} per line, "vector" or "image_path" in place of the '
            "text; CSV or Parquet; vectors as .npy or .npz; a folder of PNG and JPEG pictures; - for standard input. "
            "JSONL and CSV may be packed, .gz or .zst."
        ),
    ],
    collection: CollectionOption,
    url: Url = DEFAULT_URL,
    n_bits: Annotated[
        int | None,
        typer.Option(help="Width of the codes: 64 by default for a new collection; an existing one must have it."),
    ] = None,
    kind: Annotated[
        DocumentKind | None, typer.Option(help="Kind of the documents, where the source does not tell.")
    ] = None,
    dims: Annotated[int | None, typer.Option(help="Numbers of each vector, where the source does not tell.")] = None,
    ids: Annotated[
        Path | None, typer.Option(help="With vectors: one id a line, or a .npy file; row numbers without it.")
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option(help="With vectors: file of a JSON object a line. With tables: the columns of the metadata, a,b."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="With vectors: one text a line; in a .jsonl file, one JSON string a line.")
    ] = None,
    id: Annotated[str | None, typer.Option(help="With tables: the column of the ids.")] = None,
    text: Annotated[
        str | None, typer.Option(help="With tables: the columns of the text, as in title,body; one may be the title.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="With pictures: field of the metadata that says in which folder each lies.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="With vectors: put them to the documents there are, as those of this embedding model."),
    ] = None,
    errors: Annotated[
        Path | None, typer.Option(help="File to write refused documents to, each with its reason.")
    ] = None,
    key: AdminKey = None,
) -> None:
    """Put the documents of a file or a folder into a collection, which is created if it does not exist.

    Refused documents are listed with their reasons and make the exit status 1; all others are stored. If several have
    the same id, the last one is stored. The command waits for a service that restarts. Of a table, names and values of
    the columns suggest which is what; a message tells. A long file becomes a job of the service, which goes on if the
    command is ended.
    """
    n_refused = 0
    with Client(url, key) as client, ExitStack() as stack:
        out = stack.enter_context(errors.open("w", encoding="utf-8")) if errors else None
        for source in sources:
            beside, columns = BesideVectors(ids, None, texts), ColumnNames(id, _names(text))
            if is_table(source):
                columns = replace(columns, metadata=_names(metadata))
            else:
                beside = replace(beside, metadata=None if metadata is None else Path(metadata))
            kind_of = None if kind is None else kind.value
            options = ImportOptions(n_bits, kind_of, dims, beside, label, columns, model=model)
            n_refused += import_documents(client, source, collection, console, options, out).refused
    raise typer.Exit(min(n_refused, 1))


def _names(given: str | None) -> list[str] | None:
    """Names that stand in one option, joined by commas."""
    return None if given is None else [name.strip() for name in given.split(",") if name.strip()]


@cli.command()
def export(
    collection: CollectionOption,
    url: Url = DEFAULT_URL,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write to; standard output by default.")
    ] = None,
    codes: Annotated[bool, typer.Option("--codes", help="Add the code of each document in the active space.")] = False,
    key: ReadKey = None,
) -> None:
    """Write the documents of a collection, as they are at one moment, as JSONL, which `import` can read.

    A file appears when all of it is written.
    """
    with Client(url, key) as client, ExitStack() as stack:
        target = stack.enter_context(written_whole(out)) if out else sys.stdout.buffer
        for line in client.export(collection, codes=codes):
            target.write(f"{safe_json_line(line.decode())}\n".encode())


@cli.command()
def search(
    text: Annotated[str, typer.Argument(help='What to look for: words, "a phrase", +required, -excluded, beginn*.')],
    collection: CollectionOption,
    k: Annotated[int, typer.Option("--k", "-k", help="Number of documents.")] = 10,
    url: Url = DEFAULT_URL,
    rank: Annotated[Rank, typer.Option(help="By words and codes together, or by one of them.")] = Rank.hybrid,
    where: Annotated[
        list[str] | None, typer.Option(help="FIELD:VALUE of the metadata, as in lang:en; may come several times.")
    ] = None,
    filter: Annotated[
        str | None, typer.Option(help='What the metadata must be like, in JSON: {"year": {"gte": 2020}}.')
    ] = None,
    facets: Annotated[str | None, typer.Option(help="Fields to count the matches by, as in lang,year:20.")] = None,
    sort: Annotated[
        str | None, typer.Option(help="Field to order the matches by; with - before it from the greatest down.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show why each document was found.")] = False,
    key: ReadKey = None,
) -> None:
    """Print the best documents for what a person types."""
    narrowing = {"where": where, "filter": filter, "facets": facets, "sort": sort, "explain": explain or None}
    with connected(url, key) as client:
        found = client.collection(collection).search(text, k, rank=rank.value, **narrowing)
    result = found.model_dump(exclude_unset=True)
    out = Console()
    out.print(found_table(result))
    for match in result["matches"] if explain else ():
        out.print(explanation_table(match))
    for field, counts in result.get("facets", {}).items():
        out.print(facet_table(field, counts))
    if "hint" in result:
        say(console, result["hint"], style="yellow")
    for typed, known in result["corrected"].items():
        say(console, f"no document has {typed!r}: looked for {known!r}", style="yellow")
    if result["partial"]:
        say(console, "words are still being read: codes alone answered", style="yellow")


@cli.command()
def query(
    text: Annotated[str, typer.Argument(help="Text that the documents should be similar to.")],
    collection: CollectionOption,
    k: Annotated[int, typer.Option("--k", "-k", help="Number of documents.")] = 10,
    url: Url = DEFAULT_URL,
    rerank: Annotated[bool, typer.Option("--rerank", help="Order a shortlist by its words (BM25).")] = False,
    key: ReadKey = None,
) -> None:
    """Print the documents most similar to a text."""
    with connected(url, key) as client:
        found = client.collection(collection).similar(text, k, rerank="features" if rerank else None)
    result = found.model_dump(exclude_unset=True)
    Console().print(matches_table(result))
    if result["partial"]:
        say(console, "words are still being read: these matches are in the order of their codes", style="yellow")
    if not result["known"]:
        say(console, "the hash function knows no word of the query: these matches mean little", style="yellow")


@cli.command()
def retrain(
    collection: CollectionOption,
    url: Url = DEFAULT_URL,
    wait: Annotated[bool, typer.Option(help="Show the progress until the job is finished.")] = True,
    force: Annotated[bool, typer.Option(help="Promote the new codes even if they are worse.")] = False,
    key: AdminKey = None,
) -> None:
    """Learn new codes on a collection and replace the old ones with them."""
    with connected(url, key) as client:
        job = client.collection(collection).retrain(wait=False, force=force)
    if not wait:
        print(safe_text(job.id))
        return
    with connected(url, key, PATIENCE_S) as client:
        job = watch_job(client, job, console)
    say(console, f"code space {job.progress.get('version', '')} answers now")


@cli.command()
def duplicates(
    collection: CollectionOption,
    url: Url = DEFAULT_URL,
    radius: Annotated[int, typer.Option(help="Near duplicates are at most so many bits apart.")] = 2,
    by: Annotated[By, typer.Option(help="By the words of the texts, or by the codes of the active space.")] = By.words,
    linkage: Annotated[
        Linkage, typer.Option(help="Join steps of at most that many bits, or only what lies within them all.")
    ] = Linkage.single,
    keep: Annotated[Keep, typer.Option(help="Which document represents its group.")] = Keep.first,
    show: Annotated[int, typer.Option(min=1, max=1_000, help="Number of groups to print.")] = 20,
    key: AdminKey = None,
) -> None:
    """Group documents that are nearly equal, and print the largest groups."""
    with connected(url, key) as client:
        job = client.collection(collection).find_duplicates(
            radius, wait=False, by=by.value, linkage=linkage.value, keep=keep.value
        )
    with connected(url, key, PATIENCE_S) as client:
        watch_job(client, job, console)
        page = client.collection(collection).duplicates(show)
    Console().print(duplicates_table(page))
    say(console, f"{page.n_groups:,} groups of {page.n_documents:,} documents in all")


@cli.command()
def mcp(
    url: Url = DEFAULT_URL,
    database: Annotated[
        Path | None, typer.Option(help="A SQLite file to serve in this process, in place of a service.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="The only collection that may be asked. Default: all.")
    ] = None,
    key: ReadKey = None,
) -> None:
    """Let a language model search, as a server of the Model Context Protocol on standard input and output."""
    from service.cli.mcp_tools import Tools, serve_tools

    with redirect_stdout(sys.stderr):  # standard output is for the protocol alone
        client = nearbit.connect(url, key=key) if database is None else nearbit.open(database, key=key)
    with client:
        serve_tools(Tools(client, collection))


@cli.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Learn codes of the docstrings on this machine, serve them, and run a few queries."""
    tour(settings_of(port=port, database_url=database_url), console)


@cli.command("demo-images")
def demo_images(
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Learn codes of the handwritten digits of scikit-learn, serve them, and show neighbors as pictures."""
    settings = settings_of(port=port, database_url=database_url)
    from service.cli.demo.pictures_tour import pictures_tour

    pictures_tour(settings, console)


@cli.command()
def doctor(
    database_url: DatabaseUrl = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make anew what is derived and does not agree.")] = False,
) -> None:
    """Check this installation and its data, and say what to do; the exit status is 1 if there is a fault.

    It may run while the service does.
    """
    settings = settings_of(database_url=database_url)
    from service.processes.doctor import Doctor

    colors = {"ok": "green", "warning": "yellow", "fault": "red"}
    n_faults = 0
    for found in Doctor(settings).findings():
        say(console, Text(f"{found.status:8}", colors[found.status]), f"{found.subject}: {found.detail}")
        if repair and found.repair is not None:
            say(console, Text(f"{'repaired':8}", "green"), f"{found.subject}: {found.repair()}")
            continue
        n_faults += found.status == "fault"
        if found.advice:
            say(console, f"         {found.advice}")
    raise typer.Exit(min(n_faults, 1))


def main() -> None:
    """Run a command; an error that was raised on purpose is printed as one line, without a traceback."""
    escape_what_cannot_be_encoded(sys.stdout, sys.stderr)
    try:
        cli()
    except (NearbitError, nearbit.NearbitError, OSError) as error:
        say(console, f"error: {explained(error)}", style="red")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
