"""The command line of the training: `python -m training fit | evaluate | visualize | work`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from service.errors import InvalidInput, NearbitError, explained
from service.hashing.content import Content
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.safe_text import cell, escape_what_cannot_be_encoded, say
from training.config import TrainingConfig, options_of
from training.data.readers import read_contents
from training.evaluate import Report
from training.evaluate import evaluate as measure
from training.fit.fit import Cancelled, FitResult
from training.fit.fit import fit as learn
from training.fit.run import Epoch
from training.width import choose_width

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
console = Console(stderr=True)

CorpusFile = Annotated[
    Path,
    typer.Option(
        "--corpus",
        help='JSONL, plain or .gz: {"id", "text"} a line; a folder of pictures; .npy of vectors; .npz of MNIST.',
    ),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="File for the figures, as JSON.")]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Threads used for training; 0: one per core.")]

DEFAULTS = TrainingConfig()


def _option(name: str) -> typer.models.OptionInfo:
    """A command-line option for a training option, with the help text that it has everywhere."""
    option: typer.models.OptionInfo = typer.Option(help=TrainingConfig.model_fields[name].description)
    return option


@app.command()
def fit(
    corpus: CorpusFile,
    out: Annotated[Path, typer.Option("--out", help="File for the hash function (safetensors).")],
    n_bits: Annotated[str, typer.Option(help="Width of the codes, or auto: from the number of documents.")] = str(
        DEFAULTS.n_bits
    ),
    variant: Annotated[str, _option("variant")] = DEFAULTS.variant,
    seed: Annotated[int, _option("seed")] = DEFAULTS.seed,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="Any other training option, as name=value; may be repeated.")
    ] = None,
    checkpoint_dir: Annotated[Path | None, typer.Option(help="Checkpoints, from which a killed fit resumes.")] = None,
    json_file: JsonFile = None,
    threads: Threads = 0,
) -> None:
    """Learn a hash function from a corpus and report its quality on held-out documents."""
    given = {"variant": variant, "seed": seed} | options_of([f"n_bits={n_bits}", *(option or [])])
    config = TrainingConfig.parse({name: value for name, value in given.items() if value != "auto" or name != "n_bits"})
    _set_threads(threads)
    ids, contents = _read(corpus)
    if given["n_bits"] == "auto":
        width = choose_width(len(ids), config.n_bits, None)
        say(console, f"{width.n_bits} bits: {width.reason}")
        config = TrainingConfig.parse(given | {"n_bits": width.n_bits})
    result = _fit(contents, ids, config, checkpoint_dir)
    content = result.function.to_bytes()
    out.write_bytes(content)
    say(console, f"wrote {out} ({len(content):,} bytes, sha256 {digest_of(content)[:12]})")
    agreement = None if result.choice is None else result.choice.agreement
    report = measure(
        result.function,
        contents,
        ids,
        reconstruction_loss=result.held_out_loss,
        is_binary=result.is_binary,
        agreement=agreement,
    )
    show(report)
    if json_file is not None:
        about = {"plan": asdict(result.plan), "seconds": result.seconds, "report": report.to_dict()}
        json_file.write_text(json.dumps(about, indent=1))


@app.command()
def evaluate(
    function: Annotated[Path, typer.Option("--function", help="The hash function that `fit` wrote.")],
    corpus: CorpusFile,
    json_file: JsonFile = None,
    threads: Threads = 0,
) -> None:
    """Report the quality of a hash function on the held-out documents of a corpus."""
    if not function.is_file():
        raise InvalidInput(f"no such hash function: {function}")
    _set_threads(threads)
    hash_function = HashFunction.from_bytes(function.read_bytes())
    ids, contents = _read(corpus)
    report = measure(hash_function, contents, ids)
    show(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_dict(), indent=1))


@app.command()
def visualize(
    corpus: CorpusFile,
    out: Annotated[Path, typer.Option("--out", help="Folder for map.png and map.html.")],
    sample: Annotated[int, typer.Option(min=50, help="Largest number of contents drawn.")] = 2000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal maps.")] = DEFAULTS.seed,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any training option of the autoencoders, as name=value; may be repeated."),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Draw two-dimensional maps of a corpus: codes of two units, of 32 units by t-SNE, PCA, Isomap and LLE."""
    from training.visualize import draw_maps

    config = TrainingConfig.parse({"seed": seed, "image_size": 28, "max_features": 5_000} | options_of(option or []))
    _set_threads(threads)
    collection = read_contents(corpus)
    with console.status("maps") as status:
        maps = draw_maps(
            collection,
            out,
            corpus.name,
            config,
            sample=sample,
            report_progress=lambda explicit: status.update(cell(explicit)),
        )
    table = Table("map", "trustworthiness")
    for drawn in maps:
        table.add_row(cell(drawn.name), f"{drawn.trustworthiness:.3f}")
    Console().print(table)
    say(console, f"wrote {out / 'map.png'} and {out / 'map.html'}")


@app.command()
def work(
    once: Annotated[bool, typer.Option(help="Exit when no job is waiting.")] = False,
    exit_with_parent: Annotated[bool, typer.Option(help="Exit when standard input closes.")] = False,
) -> None:
    """Claim retrain jobs of the database that NEARBIT_DATABASE_URL names, and run them."""
    from service.config import Settings
    from service.logs import configure_logging
    from training.worker import work as claim_and_run

    settings = Settings()
    configure_logging(settings)
    claim_and_run(settings, exit_with_parent=exit_with_parent, once=once)


def _read(corpus: Path) -> tuple[list[str], Sequence[Content]]:
    collection = read_contents(corpus)
    return collection.ids, collection.contents


def _fit(contents: Sequence[Content], ids: list[str], config: TrainingConfig, checkpoint_dir: Path | None) -> FitResult:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs  {task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("features and neighbors", total=None, figures="")

        def show_epoch(epoch: Epoch) -> None:
            figures = (
                f"loss {epoch.loss:.3f}  validation {epoch.validation_loss:.3f}  saturated {epoch.saturated:.0%}  "
                f"ETA {epoch.eta_s:.0f} s"
            )
            bar.update(task, description="training", completed=epoch.epoch, total=epoch.epochs, figures=figures)

        return learn(contents, ids, config, progress=show_epoch, checkpoint_dir=checkpoint_dir)


def show(report: Report) -> None:
    """Print a report as a table."""
    table = Table(title=f"{report.n_queries:,} held-out queries, {report.n_database:,} documents", show_header=False)
    for name, recall in report.recall.items():
        table.add_row(f"recall@10 among {report.shortlist} nearest, {name}", f"{recall:.3f}")
        table.add_row(f"of the same topic among {report.shortlist} nearest, {name}", f"{report.topic[name]:.3f}")
    if report.language is not None:
        table.add_row("language, parts of words", f"{report.language}, {'on' if report.word_parts else 'off'}")
    table.add_row("saturated units", f"{report.saturated:.1%}")
    if report.reconstruction_loss is not None:
        table.add_row("reconstruction loss (nats)", f"{report.reconstruction_loss:.3f}")
    table.add_row("entropy of a bit, mean / least", f"{_mean(report.bit_entropy):.3f} / {min(report.bit_entropy):.3f}")
    table.add_row("dead bits", str(len(report.dead_bits)))
    table.add_row("documents sharing a code", f"{report.share_of_shared_codes:.1%}")
    table.add_row("largest bucket / mean, whole code", f"{report.code_load.largest} / {report.code_load.mean:.2f}")
    load = report.substring_load
    table.add_row(f"largest bucket / mean, worst of {load.n_tables} tables", f"{load.largest} / {load.mean:.2f}")
    Console().print(table)
    for advice in report.advice:
        say(console, f"{advice.finding}: {advice.remedy}", style="yellow")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _set_threads(threads: int) -> None:
    if threads:
        torch.set_num_threads(threads)


def main() -> None:
    """Run a command; an expected error is printed as one line, without a traceback."""
    escape_what_cannot_be_encoded(sys.stdout, sys.stderr)
    try:
        app()
    except (NearbitError, Cancelled, OSError) as error:
        say(console, f"error: {explained(error)}", style="red")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
