"""The job that deletes the documents of a collection that pass a filter.

    filtering   which documents pass, by their metadata in SQL
    deleting    them, in short transactions, but for those that changed after the job was asked for

Whatever changes after that is not deleted: so a job whose runner died begins again, finds what is left, and deletes
nothing that the first attempt would have left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.index.columns.from_sql import columns_from_sql
from service.search.filters import fields_of, parse_filter
from service.store import documents, unchanged
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import ReportProgress

_TRANSACTION_S = 0.05
_ROWS = (20, 1_000)


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

        Cost: reads all metadata of the collection; then linear in the documents that pass. It waits between two
        transactions as long as each takes, so that other writers have their turn.
        """
        keys = self._keys()
        total = self.job.params["total"]
        before = max(0, total - len(keys))  # of an attempt that was killed
        n_deleted = start = 0
        n_rows = 100
        while start < len(keys):
            self.report_progress({"stage": "deleting", "deleted": before + n_deleted, "total": total})
            began = time.monotonic()
            with self.database.lane(self.job.collection_id) as lane:
                n_deleted += len(unchanged.delete(lane, keys[start : start + n_rows], self.job.params["seq"]))
            took_s = time.monotonic() - began
            start += n_rows
            pace = min(max(_TRANSACTION_S / max(took_s, 1e-6), 0.5), 2.0)
            n_rows = min(max(int(n_rows * pace), _ROWS[0]), _ROWS[1])
            time.sleep(took_s)
        return {"stage": "done", "deleted": before + n_deleted, "total": total}

    def _keys(self) -> list[int]:
        """The keys of the documents that pass the filter, ascending.

        Raises:
            InvalidInput: a field has no values of the type that a condition asks for.
        """
        filter = parse_filter(self.job.params["filter"])

        def check_cancelled() -> None:
            self.report_progress({"stage": "filtering"})

        check_cancelled()
        with self.database.read() as connection:
            columns = columns_from_sql(connection, self.job.collection_id, fields_of(filter), check_cancelled)
        return documents.integers(columns.view().mask(filter).allowed_keys())
