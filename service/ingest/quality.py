"""Quality: have a code space judged on the documents of its collection, and read the report."""

from __future__ import annotations

from sqlalchemy import Connection

from service.config import Settings
from service.errors import ForbiddenMove, NotFound, TooFewDocuments
from service.store import collections, documents, jobs, judgments, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.jobs import Job
from service.store.judgments import Judgment
from service.store.spaces import CodeSpace
from service.threads import run_in_thread


class QualityReports:
    """Has code spaces judged by the trainer, and reads what it found."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    async def start(
        self, collection: str, version: int | None, label: str | None, conclude: Conclude[Job] | None = None
    ) -> Job:
        """The job, queued now, in which a trainer judges a code space.

        Args:
            collection: its name.
            version: of the space; None: the active one.
            label: metadata field whose equal values make documents relevant to one another; None: none.
            conclude: called with the job before the transaction ends; it may write in it.

        Raises:
            NotFound: there is no such collection or version.
            ForbiddenMove: the space has no hash function, as it is not trained yet or failed.
            TooFewDocuments: the collection has fewer documents than a training needs.
            JobRunning: a job judges a space of the collection already.
        """
        return await run_in_thread(self._start, collection, version, label, conclude)

    def _start(self, name: str, version: int | None, label: str | None, conclude: Conclude[Job] | None) -> Job:
        with self.database.write() as connection:
            collection, space = _find(connection, name, version)
            if space.digest is None:
                raise ForbiddenMove("code space", str(space.version), space.state, "judged")
            n_documents, needed = documents.count(connection, collection.id), self.settings.min_train_documents
            if n_documents < needed:
                raise TooFewDocuments(name, needed, n_documents)
            params = {"version": space.version} | ({} if label is None else {"label": label})
            job = jobs.enqueue(connection, collection, "quality", params)
            if conclude is not None:
                conclude(connection, job)
            return job

    async def last(self, collection: str, version: int | None, label: str | None) -> tuple[CodeSpace, Judgment]:
        """The last report on a code space by a label, and the space.

        Args:
            collection, version, label: as of `start`.

        Raises:
            NotFound: there is no such collection or version, or it was never judged by that label.
        """

        def read() -> tuple[CodeSpace, Judgment]:
            with self.database.read() as connection:
                _, space = _find(connection, collection, version)
                judgment = judgments.get(connection, space.id, label)
            if judgment is None:
                by = "" if label is None else f" by {label!r}"
                raise NotFound("report", f"on the quality of code space {space.version}{by}; POST asks for one")
            return space, judgment

        return await run_in_thread(read)


def _find(connection: Connection, name: str, version: int | None) -> tuple[Collection, CodeSpace]:
    collection = collections.get(connection, name)
    if version is None:
        return collection, spaces.active(connection, collection.id)
    return collection, spaces.get(connection, collection.id, version)
