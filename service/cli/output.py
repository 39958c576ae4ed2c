"""What `nearbit import` shows in a terminal, and what long commands share: live progress, files written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.client import Client
from service.cli.importing import Counts, Import
from service.cli.job_import import FROM_BYTES, JobImport
from service.cli.model_vectors import VectorImport
from service.cli.sources.beside import BesideVectors
from service.cli.sources.mapping import ColumnNames
from service.cli.sources.opening import open_source
from service.cli.sources.source import Refused, Source
from service.cli.watching import watch_job
from service.errors import InvalidInput
from service.safe_text import cell, safe_json, safe_text, say
from service.store.backups.archive import Manifest

_SHOWN_REASONS = 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import; what is left out is told by the source, or is that of an existing collection.

    Attributes:
        n_bits: the width that the codes of the collection must have.
        kind: what its documents must be.
        dims: entries that its vectors must have.
        beside: files that go with a file of vectors.
        label: field of the metadata that says in which folder a picture lies.
        columns: which columns of a table make which part of a document.
        job_from_bytes: length of a file of lines or rows from which a job of the service imports it.
        model: put vectors to the documents that an existing collection has, as those of this embedding model.
    """

    n_bits: int | None = None
    kind: str | None = None
    dims: int | None = None
    beside: BesideVectors | None = None
    label: str | None = None
    columns: ColumnNames | None = None
    job_from_bytes: int = FROM_BYTES
    model: str | None = None


class RefusedDocuments:
    """What is refused: the first of it is kept to be shown, all of it goes to a file if there is one."""

    def __init__(self, out: TextIO | None) -> None:
        self.shown: list[Refused] = []
        self.out = out

    def add(self, document: Refused) -> None:
        """Take one."""
        if len(self.shown) < _SHOWN_REASONS:
            self.shown.append(document)
        if self.out is not None:
            self.out.write(safe_json(document._asdict()) + "\n")


def import_documents(
    client: Client,
    path: Path,
    collection: str,
    console: Console,
    options: ImportOptions | None = None,
    errors: TextIO | None = None,
) -> Counts:
    """Put the documents of a source into a collection with a progress bar, and print what became of them.

    Args:
        client: of the service.
        path: a file of lines, a table, a file of vectors, a folder of pictures, or `-` for lines from standard input.
        collection: its name; it is created if there is none.
        console: shows what the source was seen to hold, progress and counts.
        options: what the source does not tell.
        errors: takes the refused documents, as lines of JSON.

    Raises:
        Conflict: the collection has another width of codes, or is for other documents.
        Unavailable, NearbitError: the service was unavailable for too long, or refuses every call; counts are shown.
        InvalidInput: the source cannot be imported, and nothing was sent; or it is damaged: the documents before the
            damage are stored, and counts are shown.
    """
    options = options or ImportOptions()
    refused = RefusedDocuments(errors)

    def open_again() -> Source:
        return open_source(path, options.beside, options.label, options.columns)

    with open_again() as source:
        transfer = _prepare(client, collection, source, options, console)
        if _is_for_a_job(path, source, options):
            by_job = JobImport(client, collection, open_again, refused.add)
            _run_job(by_job, source.total, console)
            counts, damage = by_job.counts, by_job.damage
            _show_counts(counts, collection, source, refused, options.model, console)
        else:
            transfer.refuse = refused.add
            try:
                _run(transfer, source, console)
            finally:
                _show_counts(transfer.counts, collection, source, refused, options.model, console)
            counts, damage = transfer.counts, source.damage
    if damage:
        raise InvalidInput(damage)
    return counts


def _is_for_a_job(path: Path, source: Source, options: ImportOptions) -> bool:
    """Whether a file is long enough for a job. Vectors are not: their batches are in binary, and several at a time."""
    if source.attached is not None or source.needs.kind == "embedding":
        return False
    return path.is_file() and path.stat().st_size >= options.job_from_bytes


def _run_job(transfer: JobImport, total: int | None, console: Console) -> None:
    """Send a file, watch its job to its end, and count what it did."""
    columns = (TextColumn("sending", markup=False), BarColumn(), TextColumn("{task.fields[waiting]}", markup=False))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("send", total=total, waiting="")

        def show(sent: Source, reason: str) -> None:
            waiting = f"{safe_text(reason)}, waiting" if reason else ""
            bar.update(task, completed=sent.position, waiting=waiting)

        transfer.report_progress = show
        job = transfer.send()
        bar.update(task, completed=1, total=1)
    say(console, f"sent: job {job.id} goes on, also if this command is ended")
    transfer.finish(watch_job(transfer.client.service, job, console))


def _prepare(client: Client, collection: str, source: Source, options: ImportOptions, console: Console) -> Import:
    """The import of what a source holds into a collection, which is created if there is none."""
    if options.model is not None:
        return _of_model(client, collection, source, options, options.model)
    kind, dims = (_agreed(name, getattr(options, name), getattr(source.needs, name)) for name in ("kind", "dims"))
    if source.needs.found:
        say(console, f"{source.name}: {source.needs.found}")
    stored, created = client.create_or_keep(collection, options.n_bits, kind, dims, source.needs.if_new)
    if not created and options.n_bits is None:
        say(console, f"collection '{collection}' exists and keeps its settings: {stored['n_bits']}-bit codes")
    return Import(client, collection, stored["n_documents"], source.attached)


def _of_model(client: Client, collection: str, source: Source, options: ImportOptions, model: str) -> VectorImport:
    """The import of a file of vectors as those of a model."""
    beside = options.beside or BesideVectors()
    others = {"n-bits": options.n_bits, "texts": beside.texts, "metadata": beside.metadata}
    if given := [name for name, value in others.items() if value is not None]:
        raise InvalidInput(f"--{given[0]} is not for vectors of a --model: their documents are there already")
    if source.unit != "row" or source.needs.dims is None:
        raise InvalidInput(f"--model is for files of vectors, .npy or .npz, got {source.name}")
    n_before = client.collection(collection)["n_documents"]
    return VectorImport(client, collection, n_before, model=model, dims=source.needs.dims)


def _agreed(name: str, asked: Any, found: Any) -> Any:
    if asked is not None and found is not None and asked != found:
        raise InvalidInput(f"--{name} is {asked}, but the source has {found}")
    return asked if found is None else found


def _run(transfer: Import, source: Source, console: Console) -> None:
    columns = (
        TextColumn("{task.fields[n]:,} documents", markup=False),
        BarColumn(),
        DownloadColumn() if source.unit == "line" else MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[waiting]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("import", total=source.total, n=0, waiting="")

        def show(reason: str) -> None:
            waiting = f"{safe_text(reason)}, waiting" if reason else ""
            bar.update(task, completed=source.position, n=transfer.counts.stored, waiting=waiting)

        transfer.report_progress = show
        transfer.run(source)
        bar.update(task, completed=source.position, total=source.position, n=transfer.counts.stored)


def _show_counts(
    counts: Counts,
    collection: str,
    source: Source,
    refused: RefusedDocuments,
    model: str | None,
    console: Console,
) -> None:
    became = (
        f"{counts.stored:,} documents are in '{collection}' ({counts.new:,} new, {counts.replaced:,} replaced)"
        if model is None
        else f"{counts.stored:,} documents of '{collection}' have vectors of {model} "
        f"({counts.new:,} had others or none)"
    )
    say(
        console,
        f"read {counts.read:,} {source.unit}s: {became}, {counts.doubles:,} doubles, {counts.refused:,} refused",
    )
    if counts.doubles:
        say(console, f"an id that came more than once has the document of its last {source.unit}")
    for one in refused.shown:
        named = f", id {one.id}" if one.id and source.unit != "line" else ""
        say(console, f"  {source.unit} {one.line}{named}: {one.reason}", style="red")
    if counts.refused > len(refused.shown):
        say(console, f"  and {counts.refused - len(refused.shown):,} more", style="red")
    if counts.refused:
        out = refused.out
        say(console, f"they are in {out.name}" if out is not None else "--errors FILE writes them to a file")


@contextmanager
def reporting(console: Console) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done, until the block ends."""
    with console.status("") as status:
        yield lambda said: status.update(cell(said))


def backup_summary(manifest: Manifest) -> str:
    """What a backup holds, in words."""
    n_collections, n_documents = (manifest.n_rows.get(name, 0) for name in ("collections", "documents"))
    return f"{n_collections:,} collections of {n_documents:,} documents, schema {manifest.revision}"


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which gets its name when the block ends, and is deleted if the block raises.

    What is no plain file, such as `/dev/stdout`, is written as it is.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
