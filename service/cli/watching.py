"""A job of the service, watched to its end."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

import nearbit
from service.safe_text import safe_text, say

_PATIENT_S = 10.0
"""Seconds after which a job that is still queued is no longer normal."""


def watch_job(client: nearbit.Client, job: nearbit.Job, console: Console, every_s: float = 0.25) -> nearbit.Job:
    """Show a job's stage and what its progress holds, as epoch, loss and time left, until it ends, and return it.

    Raises:
        JobFailed: it did not succeed.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, figures="")
        while True:
            done, total, figures = _progress(job.progress)
            stage = job.progress.get("stage", job.state)
            if job.state == "queued" and (bar.tasks[task].elapsed or 0) > _PATIENT_S:
                figures = "nothing takes it yet: does a job runner (`nearbit work`) or a trainer run?"
            bar.update(task, description=f"{safe_text(stage):<10}", completed=done, total=total, figures=figures)
            if job.is_finished:
                break
            time.sleep(every_s)
            job = client.job(job.id)
        bar.update(task, completed=1, total=1, figures=f"after {bar.tasks[task].elapsed or 0:.0f} s")
    if job.state != "succeeded":
        raise nearbit.JobFailed(f"job {job.id} {job.state}: {job.error}")
    for advice in job.progress.get("advice", ()):
        say(console, f"{safe_text(advice['finding'])}: {safe_text(advice['remedy'])}", style="yellow")
    return job


def _progress(progress: dict[str, Any]) -> tuple[float, float | None, str]:
    """For the bar: what is done, the total, and the figures to show, of a job's progress."""
    done, total = progress.get("done"), progress.get("total")
    if "epoch" in progress:
        done, total = progress["epoch"], progress.get("epochs")
    parts = [f"{done:,}/{total:,}"] if total is not None else []
    for name, shown in (("loss", "loss {:.3f}"), ("saturated", "saturated {:.0%}"), ("eta_s", "ETA {:.0f} s")):
        if progress.get(name) is not None:
            parts.append(shown.format(progress[name]))
    return done or 0, total, "  ".join(parts)
