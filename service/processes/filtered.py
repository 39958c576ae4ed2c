"""What the jobs share that change the documents of a collection that pass a filter.

filtering   which documents pass, by their metadata in SQL
changing    them, in short transactions, but for those that changed after the job was asked for
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from service.index.columns.from_sql import columns_from_sql
from service.search.filters import fields_of, parse_filter
from service.store import documents
from service.store.database import Database, Lane
from service.store.jobs import Job
from service.store.leases import ReportProgress

_TRANSACTION_S = 0.05
_ROWS = (20, 1_000)


def passing(database: Database, job: Job, report_progress: ReportProgress) -> list[int]:
    """The keys of the documents that pass the `filter` of a job, ascending. Blocks.

    Raises:
        InvalidInput: a field has no values of the type that a condition asks for.

    Cost: reads all metadata of the collection.
    """
    filter = parse_filter(job.params["filter"])

    def check_cancelled() -> None:
        report_progress({"stage": "filtering"})

    check_cancelled()
    with database.read() as connection:
        columns = columns_from_sql(connection, job.collection_id, fields_of(filter), check_cancelled)
    return documents.integers(columns.view().mask(filter).allowed_keys())


def change(
    database: Database,
    job: Job,
    keys: Sequence[int],
    step: Callable[[Lane, Sequence[int]], None],
    report: Callable[[], None],
) -> None:
    """Call `step` with some of the keys at a time, each time in a transaction of the job's collection, and before that
    `report`, which may raise to stop. Blocks.

    It waits between two transactions as long as each takes, so that other writers have their turn.
    """
    start, n_rows = 0, 100
    while start < len(keys):
        report()
        began = time.monotonic()
        with database.lane(job.collection_id) as lane:
            step(lane, keys[start : start + n_rows])
        took_s = time.monotonic() - began
        start += n_rows
        pace = min(max(_TRANSACTION_S / max(took_s, 1e-6), 0.5), 2.0)
        n_rows = min(max(int(n_rows * pace), _ROWS[0]), _ROWS[1])
        time.sleep(took_s)
