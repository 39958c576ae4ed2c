"""The job that looks for near duplicates: read the codes, join those that are near, store the groups.

    filtering   which documents pass the filter, by their metadata in SQL, if there is one
    reading     the codes of these, by words or of the active space (`service.processes.duplicate_codes`)
    joining     groups, in memory
    storing     members that still are as they were read, the representative first, in short transactions

The last transaction makes the search the one that callers see. A job whose runner died begins again; what the dead one
stored, and the search before, is deleted after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.index.columns.from_sql import columns_from_sql
from service.index.hamming.duplicates import DuplicateGroup
from service.index.key_mask import KeyMask
from service.processes.duplicate_codes import CodesRead, read_space_codes, read_word_codes
from service.search.filters import fields_of, parse_filter
from service.store import duplicates, spaces
from service.store.database import Database
from service.store.deletion import Deletion
from service.store.duplicates import Candidate, DuplicateSearch, Group
from service.store.jobs import Job
from service.store.leases import ReportProgress
from service.store.spaces import CodeSpace

_MEMBERS_AT_ONCE = 2_000
_MAX_SIZE = 1_000
"""Most documents of a group; a larger one is cut into several, which are marked as capped."""


@dataclass
class DuplicateRun:
    """One run of a job of kind duplicates.

    Args:
        database: where the codes are.
        job: its `params` are those of `service.search.duplicates.DuplicateOptions`.
        report_progress: called between the steps of a stage; may raise to stop the run.
    """

    database: Database
    job: Job
    report_progress: ReportProgress

    def run(self) -> Mapping[str, Any]:
        """Find and store the groups, and return the last progress. Blocks.

        Cost: a radius search for each distinct code of the space, all of which are in memory; then linear in the
        members of groups.
        """
        deletion = Deletion(self.database, self._report_deletion)
        with self.database.read() as connection:
            search = duplicates.of_job(connection, self.job.id)
            space = spaces.active(connection, self.job.collection_id)
        if search is not None and search.finished_at is None:
            deletion.delete_duplicates([search.id])
            search = None
        if search is None:
            search = self._search(space)
        deletion.delete_outdated_duplicates(self.job.collection_id)
        return {"stage": "done", "groups": search.n_groups, "documents": search.n_documents}

    def _search(self, space: CodeSpace) -> DuplicateSearch:
        codes = self._read_codes(space)
        self.report_progress({"stage": "joining", "total": len(codes.table)})
        params = self.job.params
        found = codes.table.near_duplicates(params["radius"], params["linkage"], _MAX_SIZE)
        self._store(space, codes, sorted(found, key=lambda group: (-len(group.keys), int(group.keys[0]))))
        with self.database.read() as connection:
            search = duplicates.of_job(connection, self.job.id)
        assert search is not None
        return search

    def _read_codes(self, space: CodeSpace) -> CodesRead:
        passing = self._passing()
        if self.job.params["by"] == "words":
            return read_word_codes(self.database, self.job.collection_id, passing, self.report_progress)
        return read_space_codes(self.database, space, passing, self.report_progress)

    def _passing(self) -> KeyMask | None:
        """The documents that pass the filter; None if there is none.

        Raises:
            InvalidInput: a field has no values of the type that a condition asks for.
        """
        if self.job.params["filter"] is None:
            return None
        filter = parse_filter(self.job.params["filter"])

        def check_cancelled() -> None:
            self.report_progress({"stage": "filtering"})

        check_cancelled()
        with self.database.read() as connection:
            columns = columns_from_sql(connection, self.job.collection_id, fields_of(filter), check_cancelled)
        return columns.view().mask(filter)

    def _store(self, space: CodeSpace, codes: CodesRead, found: Sequence[DuplicateGroup]) -> None:
        version = space.version if self.job.params["by"] == "code" else None
        with self.database.write() as connection:
            id = duplicates.start(connection, self.job.collection_id, self.job.id, version, self.job.params)
        n_groups = n_documents = n_capped = n_done = 0
        for part in _in_parts(found):
            groups = self._still_near(codes, part)
            with self.database.write() as connection:
                duplicates.add(connection, id, n_groups + 1, groups)
            n_groups += len(groups)
            n_documents += sum(len(group.members) for group in groups)
            n_capped += sum(group.is_capped for group in groups)
            n_done += len(part)
            self.report_progress({"stage": "storing", "done": n_done, "total": len(found)})
        with self.database.write() as connection:
            duplicates.finish(connection, id, n_groups, n_documents, n_capped)

    def _still_near(self, codes: CodesRead, part: Sequence[DuplicateGroup]) -> list[Group]:
        """The groups without the documents that were deleted or changed since the codes were read."""
        keys = np.concatenate([group.keys for group in part])
        read = dict(zip(keys.tolist(), map(bytes, codes.table.get(keys)[0]), strict=True))
        with self.database.read() as connection:
            same = codes.still_so(connection, duplicates.candidates(connection, read))
        order = _ORDERS[self.job.params["keep"]]
        groups = [
            Group(sorted((same[key] for key in group.keys.tolist() if key in same), key=order), group.is_capped)
            for group in part
        ]
        return [group for group in groups if len(group.members) > 1]

    def _report_deletion(self, progress: Mapping[str, Any]) -> None:
        self.report_progress({"stage": "deleting", "done": progress["deleted"]})


def _in_parts(found: Sequence[DuplicateGroup]) -> Iterator[list[DuplicateGroup]]:
    """The groups, so many at a time that they have about `_MEMBERS_AT_ONCE` members."""
    part: list[DuplicateGroup] = []
    n = 0
    for group in found:
        part.append(group)
        n += len(group.keys)
        if n >= _MEMBERS_AT_ONCE:
            yield part
            part, n = [], 0
    if part:
        yield part


_ORDERS: Mapping[str, Callable[[Candidate], tuple[int, ...]]] = {
    "first": lambda candidate: (candidate.key,),
    "longest": lambda candidate: (-candidate.n_chars, candidate.key),
    "newest": lambda candidate: (-candidate.seq, -candidate.key),
}
"""By policy, what the members of a group are sorted by: the first one becomes its representative."""
