"""The job that deletes the documents of a collection that pass a filter.

Whatever changes after it was asked for is not deleted: so a job whose runner died begins again, finds what is left, and
deletes nothing that the first attempt would have left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.processes import filtered
from service.store import unchanged
from service.store.database import Database, Lane
from service.store.jobs import Job
from service.store.leases import ReportProgress


@dataclass
class DeletionRun:
    """One run of a job of kind delete.

    Args:
        database: where the documents are.
        job: its `params` are the `filter`, the `seq` after which changed documents are left alone, and the `total`
            that was counted.
        report_progress: called before each transaction; may raise to stop the run.
    """

    database: Database
    job: Job
    report_progress: ReportProgress

    def run(self) -> Mapping[str, Any]:
        """Delete them, and return the last progress. Blocks.

        Cost: reads all metadata of the collection; then linear in the documents that pass.
        """
        keys = filtered.passing(self.database, self.job, self.report_progress)
        total = self.job.params["total"]
        n_deleted = max(0, total - len(keys))  # of an attempt that was killed

        def delete(lane: Lane, part: Sequence[int]) -> None:
            nonlocal n_deleted
            n_deleted += len(unchanged.delete(lane, part, self.job.params["seq"]))

        def report() -> None:
            self.report_progress({"stage": "deleting", "deleted": n_deleted, "total": total})

        filtered.change(self.database, self.job, keys, delete, report)
        return {"stage": "done", "deleted": n_deleted, "total": total}
