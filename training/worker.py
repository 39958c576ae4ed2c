"""The trainer process: runs the kinds of jobs that train. `python -m training.worker` ends with its parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from service.config import Settings
from service.logs import configure_logging
from service.store import embedding_models, leases
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import ReportProgress, Run
from service.store.migrations import check_schema
from training.auto_retrain import AutoRetrain
from training.reconstruction import ReconstructionWatch


def work(settings: Settings, *, exit_with_parent: bool = False, once: bool = False) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a job running at that time is released and resumed later.

    Args:
        settings: database, lease, threads, sample size.
        exit_with_parent: stop when standard input closes, which happens whenever the parent process ends.
        once: return when no job is waiting.
    """
    stopping = leases.stop_signals(exit_with_parent=exit_with_parent)
    database = Database.open(settings.database_url, creates=False)
    try:
        check_schema(database)
        upkeep, reconstruction = AutoRetrain(database, settings.min_train_documents), ReconstructionWatch(database)

        def look() -> None:
            reconstruction.look()
            upkeep.look()

        leases.work(database, settings.lease_s, kinds(database, settings), stopping, once=once, when_idle=look)
    finally:
        database.close()


def kinds(database: Database, settings: Settings) -> dict[str, Run]:
    """The function that runs a job, for each kind of job that the trainer claims."""

    def retrain(job: Job, report: ReportProgress) -> Mapping[str, Any]:
        # Only now, as it takes seconds and hundreds of megabytes, which a trainer without a job does not need.
        import torch

        from training.retrain import Retrain

        torch.set_num_threads(settings.train_threads or os.cpu_count() or 1)
        space = Retrain(database, settings, job, report).run()
        advice = (space.report or {}).get("advice", [])
        with database.read() as connection:
            uncovered = embedding_models.n_uncovered(connection, space)
        ended = {"stage": space.state, "advice": advice} | ({"uncovered": uncovered} if uncovered else {})
        return ended | ({"version": space.version} if space.state == "active" else {})

    def quality(job: Job, report: ReportProgress) -> Mapping[str, Any]:
        import torch

        from training.quality import judge

        torch.set_num_threads(settings.train_threads or os.cpu_count() or 1)
        found = judge(database, settings, job, report)
        return {"stage": "done", "advice": [asdict(one) for one in found.advice]}

    def map(job: Job, report: ReportProgress) -> Mapping[str, Any]:
        import torch

        from training.map import MapRun

        torch.set_num_threads(settings.train_threads or os.cpu_count() or 1)
        return MapRun(database, job, report).run()

    return {"retrain": retrain, "quality": quality, "map": map}


def run_job(database: Database, settings: Settings, job: Job, worker: str, stopping: threading.Event) -> None:
    """Run a claimed job to its end and record the result."""
    leases.run_job(database, settings.lease_s, job, worker, kinds(database, settings)[job.kind], stopping)


if __name__ == "__main__":
    of_environment = Settings()
    configure_logging(of_environment)
    work(of_environment, exit_with_parent=True)
