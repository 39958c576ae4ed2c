"""Change documents of a collection, and delete them: by their ids, or those that pass a filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.errors import DuplicateIds
from service.index.replicas import Follower
from service.ingest.collections import get_collection
from service.store import codes, documents, expiry, jobs, unchanged
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.if_match import IfMatch
from service.store.jobs import Job
from service.store.patches import CheckMetadata, Patch, Patched, apply
from service.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion found: the ids that existed, in the order of the call, and its seq if there were any."""

    ids: list[str]
    seq: int | None


class DocumentChanger:
    """Patches and deletes documents.

    `conclude` is called with the result before the transaction ends, and may write in it.
    """

    def __init__(self, database: Database, follower: Follower) -> None:
        self.database = database
        self.follower = follower

    async def patch(
        self,
        collection: str,
        patches: Sequence[Patch],
        check_metadata: CheckMetadata,
        conclude: Conclude[Patched] | None = None,
        if_match: IfMatch | None = None,
    ) -> Patched:
        """Change metadata of documents, and when they expire; nothing is encoded.

        Args:
            collection: its name.
            patches: of documents with distinct ids.
            check_metadata: called with the metadata that a document is to have.
            conclude: see the class.
            if_match: what documents that exist must be.

        Raises:
            NotFound: there is no such collection.
            DuplicateIds: an id is named twice.
            InvalidInput: metadata that break a rule once they are merged; nothing was changed.
            RevisionDiffers: a document has another revision than its patch asks for; nothing was changed.
        """
        refuse_repeated([patch.id for patch in patches])
        stored = await get_collection(self.database, collection)
        patched = await run_in_thread(self._patch, stored.id, patches, check_metadata, conclude, if_match)
        self.follower.wake()
        return patched

    def _patch(
        self,
        collection_id: int,
        patches: Sequence[Patch],
        check_metadata: CheckMetadata,
        conclude: Conclude[Patched] | None,
        if_match: IfMatch | None,
    ) -> Patched:
        with self.database.lane(collection_id) as lane:
            patched = apply(lane, patches, check_metadata, if_match)
            if conclude is not None:
                conclude(lane.connection, patched)
            return patched

    async def delete(
        self,
        collection: str,
        ids: Sequence[str],
        if_match: IfMatch | None = None,
        conclude: Conclude[Deleted] | None = None,
    ) -> Deleted:
        """Delete documents by id; ids that do not exist are no error.

        Args:
            collection: its name.
            ids: of the documents.
            if_match: what all of them must be.
            conclude: see the class.

        Raises:
            NotFound: there is no such collection.
            RevisionDiffers: a document is another, or gone; nothing was deleted.
        """
        stored = await get_collection(self.database, collection)
        deleted = await run_in_thread(self._delete, stored.id, ids, if_match, conclude)
        self.follower.wake()
        return deleted

    def _delete(
        self,
        collection_id: int,
        ids: Sequence[str],
        if_match: IfMatch | None,
        conclude: Conclude[Deleted] | None,
    ) -> Deleted:
        with self.database.lane(collection_id) as lane:
            expiry.settle(lane, ids)
            found = documents.revisions_of(lane, ids)
            if if_match is not None:
                for id in ids:
                    if_match.check(id, found.get(id))
            keys = sorted(one.key for one in found.values())
            documents.delete_keys(lane, keys)
            if keys:
                codes.discard(lane, keys)
            present = [id for id in dict.fromkeys(ids) if id in found]
            deleted = Deleted(present, lane.last_seq if keys else None)
            if conclude is not None:
                conclude(lane.connection, deleted)
            return deleted

    async def delete_unchanged(
        self,
        collection: Collection,
        keys: Sequence[int],
        conclude: Conclude[Deleted] | None = None,
    ) -> Deleted:
        """Delete documents by key, but for those that changed since the collection was read.

        Args:
            collection: as it was when the documents were chosen: of its `last_seq`.
            keys: of the documents, a thousand at most.
            conclude: see the class.

        Raises:
            NotFound: the collection is gone.
        """

        def commit() -> Deleted:
            with self.database.lane(collection.id) as lane:
                ids = unchanged.delete(lane, keys, collection.last_seq)
                deleted = Deleted(ids, lane.last_seq if ids else None)
                if conclude is not None:
                    conclude(lane.connection, deleted)
                return deleted

        deleted = await run_in_thread(commit)
        self.follower.wake()
        return deleted

    async def patch_unchanged(
        self,
        collection: Collection,
        keys: Sequence[int],
        patch_of: Callable[[str], Patch],
        check_metadata: CheckMetadata,
        conclude: Conclude[Patched] | None = None,
    ) -> Patched:
        """Patch documents by key, but for those that changed since the collection was read.

        Args:
            collection: as it was when the documents were chosen: of its `last_seq`.
            keys: of the documents, a thousand at most.
            patch_of: gives the patch of the document of an id.
            check_metadata: called with the metadata that a document is to have.
            conclude: see the class.

        Raises:
            NotFound: the collection is gone.
            InvalidInput: metadata that break a rule once they are merged; nothing was changed.
        """

        def commit() -> Patched:
            with self.database.lane(collection.id) as lane:
                patched = unchanged.patch(lane, keys, collection.last_seq, patch_of, check_metadata)
                if conclude is not None:
                    conclude(lane.connection, patched)
                return patched

        patched = await run_in_thread(commit)
        self.follower.wake()
        return patched

    async def start(
        self,
        collection: Collection,
        kind: Literal["delete", "patch"],
        filter: dict[str, Any],
        n: int,
        change: Mapping[str, Any],
        conclude: Conclude[Job] | None = None,
    ) -> Job:
        """The job, queued now, that changes the documents that pass a filter, but for those that change from now on.

        Args:
            collection: as it was when they were counted: of its `last_seq`.
            kind: whether they are deleted or patched.
            filter: JSON that passed `service.search.filters.parse_filter`.
            n: how many there are.
            change: what is to change of them, as JSON.
            conclude: see the class.

        Raises:
            NotFound: the collection is gone.
            JobRunning: such a job is queued or running for the collection.
        """

        def commit() -> Job:
            with self.database.write() as connection:
                params = {"filter": filter, "seq": collection.last_seq, "total": n, **change}
                job = jobs.enqueue(connection, collection, kind, params)
                if conclude is not None:
                    conclude(connection, job)
                return job

        return await run_in_thread(commit)


def refuse_repeated(ids: Sequence[str]) -> None:
    """Raise DuplicateIds if an id is among them twice."""
    if repeated := [id for id, n in Counter(ids).items() if n > 1]:
        raise DuplicateIds(repeated)
