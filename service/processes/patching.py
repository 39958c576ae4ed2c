"""The job that patches the metadata of the documents of a collection that pass a filter.

Whatever changes after it was asked for stays as it is, patched documents included: so a job whose runner died begins
again, and finds what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from service.errors import InvalidInput
from service.processes import filtered
from service.store import unchanged
from service.store.database import Database, Lane
from service.store.jobs import Job
from service.store.leases import ReportProgress
from service.store.patches import Patch
from service.store.schema import instant
from service.web.metadata import check_stored


class PatchRun:
    """One run of a job of kind patch.

    Args:
        database: where the documents are.
        job: its `params` are the `filter`, the `seq` after which changed documents are left alone, the `total` that was
            counted, the merge patch `metadata` and, if it is to change, `expires_at`.
        max_metadata_bytes: most bytes of a document's metadata; those that would have more stay as they are.
        report_progress: called before each transaction; may raise to stop the run.
    """

    def __init__(self, database: Database, job: Job, max_metadata_bytes: int, report_progress: ReportProgress) -> None:
        self.database, self.job, self.report_progress = database, job, report_progress
        self.max_metadata_bytes = max_metadata_bytes
        self.n_patched = job.progress.get("patched", 0)  # of an attempt that was killed
        self.n_refused = 0  # they are tried again

    def run(self) -> Mapping[str, Any]:
        """Patch them, and return the last progress. Blocks.

        Cost: reads all metadata of the collection; then linear in the documents that pass.
        """
        keys = filtered.passing(self.database, self.job, self.report_progress)

        def report() -> None:
            self.report_progress(self._progress("patching"))

        filtered.change(self.database, self.job, keys, self._patch, report)
        return self._progress("done")

    def _patch(self, lane: Lane, keys: Sequence[int]) -> None:
        """Patch documents, one by one if not all of them can have what they would."""
        try:
            self.n_patched += self._apply(lane, keys)
        except InvalidInput:  # of the first such document; nothing is written yet
            for key in keys:
                try:
                    self.n_patched += self._apply(lane, [key])
                except InvalidInput:
                    self.n_refused += 1

    def _apply(self, lane: Lane, keys: Sequence[int]) -> int:
        check = partial(check_stored, max_bytes=self.max_metadata_bytes)
        return len(unchanged.patch(lane, keys, self.job.params["seq"], self._patch_of, check).documents)

    def _patch_of(self, id: str) -> Patch:
        params = self.job.params
        expires_at = params.get("expires_at")
        moment = None if expires_at is None else instant(expires_at)
        return Patch(id, params["metadata"], "expires_at" in params, moment)

    def _progress(self, stage: str) -> dict[str, Any]:
        counts = {"patched": self.n_patched, "refused": self.n_refused, "total": self.job.params["total"]}
        return {"stage": stage, **counts}
