"""Maps: have the map of a code space computed."""

from __future__ import annotations

from service.errors import ForbiddenMove, TooFewDocuments
from service.store import collections, documents, jobs, spaces
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.jobs import Job
from service.store.maps import MIN_DOCUMENTS
from service.threads import run_in_thread

_HAS_CODES = ("ready", "active", "retired")


class MapJobs:
    """Has the trainer compute maps."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def start(self, collection: str, version: int | None, conclude: Conclude[Job] | None = None) -> Job:
        """The job, queued now, in which a trainer computes a map.

        Args:
            collection: its name.
            version: of the code space; None: the active one.
            conclude: called with the job before the transaction ends; it may write in it.

        Raises:
            NotFound: there is no such collection or version.
            ForbiddenMove: not all documents have a code in the space.
            TooFewDocuments: the collection has fewer documents than a map needs.
            JobRunning: a map of the collection is being computed already.
        """
        return await run_in_thread(self._start, collection, version, conclude)

    def _start(self, name: str, version: int | None, conclude: Conclude[Job] | None) -> Job:
        with self.database.write() as connection:
            collection = collections.get(connection, name)
            if version is not None:
                space = spaces.get(connection, collection.id, version)
                if space.state not in _HAS_CODES:
                    raise ForbiddenMove("code space", str(version), space.state, "drawn as a map")
            n_documents = documents.count(connection, collection.id)
            if n_documents < MIN_DOCUMENTS:
                raise TooFewDocuments(name, MIN_DOCUMENTS, n_documents, "be drawn as a map")
            job = jobs.enqueue(connection, collection, "map", {} if version is None else {"version": version})
            if conclude is not None:
                conclude(connection, job)
            return job
