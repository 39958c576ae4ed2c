"""What a person sees in a terminal: import and retrain with live progress, matches as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service.errors import NearbitError
from service.remote import Remote, read_batches
from service.safe_text import cell, safe_text


def import_documents(remote: Remote, file: Path, collection: str, console: Console) -> int:
    """Put the documents of a JSONL file into a collection under a progress bar; return how many there were."""
    columns = (
        TextColumn("{task.fields[n]:,} documents", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    n = 0
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("import", total=file.stat().st_size, n=0)
        for batch, n_bytes in read_batches(file):
            remote.put_documents(collection, batch)
            n += len(batch)
            bar.update(task, completed=n_bytes, n=n)
    return n


def watch_retrain(remote: Remote, job: dict[str, Any], console: Console) -> dict[str, Any]:
    """Show a retrain's stage, epoch, loss, share of saturated units and time left until it ends; return the job.

    Raises:
        NearbitError: it did not succeed.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, figures="")
        for job in remote.watch(job):  # noqa: B020
            done, total, figures = _progress(job["progress"])
            stage = job["progress"].get("stage", job["state"])
            bar.update(task, description=f"{safe_text(stage):<10}", completed=done, total=total, figures=figures)
        bar.update(task, completed=1, total=1, figures=f"after {bar.tasks[task].elapsed or 0:.0f} s")
    if job["state"] != "succeeded":
        raise NearbitError(f"job {job['id']} {job['state']}: {job['error']}")
    return job


def _progress(progress: dict[str, Any]) -> tuple[float, float | None, str]:
    """Done, total and figures of a job's progress, for the bar."""
    done, total = progress.get("done"), progress.get("total")
    if "epoch" in progress:
        done, total = progress["epoch"], progress.get("epochs")
    parts = [f"{done:,}/{total:,}"] if total is not None else []
    for name, shown in (("loss", "loss {:.3f}"), ("saturated", "saturated {:.0%}"), ("eta_s", "ETA {:.0f} s")):
        if progress.get(name) is not None:
            parts.append(shown.format(progress[name]))
    return done or 0, total, "  ".join(parts)


def matches_table(answer: dict[str, Any], title: str | None = None) -> Table:
    """Matches as a table: distance in bits, score if they were re-ranked, id, first line of the text."""
    scored = bool(answer["matches"]) and "score" in answer["matches"][0]
    columns = ("bits", "score", "id", "text") if scored else ("bits", "id", "text")
    table = Table(*columns, title=cell(title, "bold") if title else None, title_justify="left")
    for match in answer["matches"]:
        score = (f"{match['score']:.3f}",) if scored else ()
        table.add_row(str(match["distance"]), *score, cell(match["id"]), cell(_first_line(match["text"])))
    return table


def _first_line(text: str) -> str:
    """The first line that is not blank, tabs as spaces; no more of a long one than a terminal shows."""
    lines = text.lstrip()[:1_000].splitlines()
    return lines[0].replace("\t", " ").rstrip()[:100] if lines else ""
