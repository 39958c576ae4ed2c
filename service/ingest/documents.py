"""Put documents into a collection, change their metadata, and delete them.

A document is encoded before the commit lane is entered, and written together with its code in one transaction. So the
lane is held for the insert only, and a 2xx means that both are committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.config import Settings
from service.encoding import Encoder
from service.errors import Conflict, DuplicateIds, InvalidContent, InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Content, Embedding, check_contents, from_wire, of_model
from service.hashing.embedding_models import EmbeddingModels
from service.hashing.encoded import Encoded
from service.hashing.given import GivenContent, check_kind, contents_of
from service.index.replicas import Follower
from service.ingest.collections import get_collection, get_models
from service.ingest.duplicates import DuplicateCheck, DuplicatesOf, Lookup, show
from service.ingest.language import decide_language_of, is_new_magnitude
from service.store import codes, documents, embedding_models, expiry, jobs, spaces, unchanged, vectors
from service.store.collections import Collection
from service.store.database import Database, Lane
from service.store.documents import NewDocument, PutResult
from service.store.idempotency import Conclude
from service.store.if_match import IfMatch
from service.store.jobs import Job
from service.store.patches import CheckMetadata, Patch, Patched, apply
from service.store.spaces import CodeSpace
from service.store.usage import UsageCounter
from service.threads import run_in_large_thread, run_in_thread, run_read

_ATTEMPTS = 5
_CHECKED_INLINE = 32


@dataclass(frozen=True, slots=True)
class Added:
    """What an accepted batch became, in one code space, at one seq: one entry per document in the order they came.

    Attributes:
        documents: None for a document that was skipped, because it is a near duplicate of another.
        n_known: `(n,)`, the number of distinct known features of each: 0 says that its code means little.
        space: whose codes they got.
        seq: the last one.
        duplicates: what each nearly equals, where that was asked for.
        n_existing: how many were skipped because their id exists, where those were to be left alone.
    """

    documents: list[PutResult | None]
    n_known: NDArray[np.int64]
    space: CodeSpace
    seq: int
    duplicates: list[DuplicatesOf] | None = None
    n_existing: int | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion found: the ids that existed, in the order of the call, and its seq if there were any."""

    ids: list[str]
    seq: int | None


class DocumentWriter:
    """Puts, patches and deletes documents.

    `conclude`, of the methods that write, is called with the result before the transaction ends, and may write in it.
    """

    def __init__(
        self, database: Database, encoder: Encoder, follower: Follower, settings: Settings, usage: UsageCounter
    ) -> None:
        self.database = database
        self.usage = usage
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def contents_of(self, collection: str, given: Sequence[GivenContent]) -> list[Content]:
        """The contents of a request, which the kind of the collection says how to read: many in a thread.

        Raises:
            NotFound: there is no such collection.
            InvalidContent: one is not of that kind, or cannot be hashed; with its place.
        """
        if all(map(GivenContent.is_text, given)):  # texts need not know
            return [from_wire(text=one.text or "", title=one.title) for one in given]
        stored = await get_collection(self.database, collection)
        models = await get_models(self.database, stored)
        return await run_in_large_thread(contents_of, given, stored.kind, models)

    async def add(
        self,
        collection: str,
        new: Sequence[NewDocument],
        duplicates: DuplicateCheck | None = None,
        *,
        if_absent: bool = False,
        conclude: Conclude[Added] | None = None,
    ) -> Added:
        """Put documents into a collection, replacing those whose id exists, with codes in the active space.

        Args:
            collection: its name.
            new: the documents.
            duplicates: look for near duplicates of them.
            if_absent: leave documents whose id exists as they are.
            conclude: see the class.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: too many documents, the radius of a near duplicate is too great, or `duplicates` with
                `if_absent`.
            InvalidContent: a content that cannot be hashed, is not of the collection's kind, or has no vector of the
                active embedding model, with its place in the batch; nothing was kept.
            DuplicateIds: the batch names an id twice; nothing was kept.
            RevisionDiffers: a document is to replace another revision than the stored one; nothing was kept.
        """
        if duplicates is not None and if_absent:
            raise InvalidInput("if_absent must not be given with check_duplicates or skip_duplicates")
        stored = await get_collection(self.database, collection)
        models = await get_models(self.database, stored)
        if len(new) <= _CHECKED_INLINE:
            self._check(stored, models, new)
        else:
            await run_in_large_thread(self._check, stored, models, new)
        if duplicates is not None:
            duplicates.check(stored.n_bits)
        contents = [document.content for document in new]
        for _ in range(_ATTEMPTS):
            space, models = await run_read(self.database, self._read_active, stored)
            encoded = await self.encoder.encode(str(space.digest), contents_for(space, contents, models))
            lookup = None
            if duplicates is not None:
                replica = self.follower.replica(stored.id)
                lookup = await run_in_large_thread(Lookup.of, self.database, replica, space, duplicates, encoded.codes)
            added = await run_in_thread(self._commit, stored.id, new, space, encoded, lookup, if_absent, conclude)
            if added is not None:
                self.usage.add_documents(space.id, len(new), int((encoded.n_known_features == 0).sum()))
                if stored.kind != "image" and is_new_magnitude(stored.last_seq, added.seq):
                    await run_in_thread(decide_language_of, self.database, stored.id)
                self.follower.wake()
                return added
        raise Conflict(
            f"{collection!r} changed too much during one request, {_ATTEMPTS} times: its code space or codes"
        )

    def _check(self, collection: Collection, models: EmbeddingModels | None, new: Sequence[NewDocument]) -> None:
        if not 1 <= len(new) <= self.settings.max_batch:
            raise InvalidInput(f"documents must be 1 to {self.settings.max_batch} per request, got {len(new)}")
        contents = [document.content for document in new]
        check_kind(contents, collection.kind, models)
        check_contents(contents, self.settings.max_text_chars, "documents")
        _refuse_repeated([document.id for document in new if document.id is not None])

    def _read_active(self, collection: Collection) -> tuple[CodeSpace, EmbeddingModels | None]:
        """The active space, and the embedding models, one of which it encodes."""
        with self.database.read() as connection:
            models = embedding_models.of_collection(connection, collection)
            return spaces.active(connection, collection.id), models

    def _commit(
        self,
        collection_id: int,
        new: Sequence[NewDocument],
        space: CodeSpace,
        encoded: Encoded,
        lookup: Lookup | None = None,
        if_absent: bool = False,
        conclude: Conclude[Added] | None = None,
    ) -> Added | None:
        """Write documents and codes in one transaction.

        None if another space became active since the encoding, or too many documents came since the lookup.
        """
        with self.database.lane(collection_id) as lane:
            if spaces.active(lane.connection, collection_id).id != space.id:
                return None
            if lookup is not None:
                added = _put_judged(lane, new, space, encoded, lookup)
            elif if_absent:
                added = _put_absent(lane, new, space, encoded)
            else:
                put: list[PutResult | None] = [*put_with_codes(lane, new, space, encoded.codes)]
                added = Added(put, encoded.n_known_features, space, lane.last_seq)
            if added is not None and conclude is not None:
                conclude(lane.connection, added)
            return added

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
        _refuse_repeated([patch.id for patch in patches])
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


def _put_judged(
    lane: Lane, new: Sequence[NewDocument], space: CodeSpace, encoded: Encoded, lookup: Lookup
) -> Added | None:
    """Put those documents that near duplicates let in; None if too many documents came since the lookup."""
    expiry.settle(lane, [document.id for document in new if document.id is not None])
    verdicts = lookup.judge(lane, [document.id for document in new])
    if verdicts is None:
        return None
    kept = [position for position, verdict in enumerate(verdicts) if not verdict.skip]
    put = dict(zip(kept, put_with_codes(lane, [new[i] for i in kept], space, encoded.codes[kept]), strict=True))
    found = show(lane.connection, verdicts, {position: result.id for position, result in put.items()})
    results = [put.get(position) for position in range(len(new))]
    return Added(results, encoded.n_known_features, space, lane.last_seq, found)


def _put_absent(lane: Lane, new: Sequence[NewDocument], space: CodeSpace, encoded: Encoded) -> Added:
    """Put those documents whose id does not exist."""
    ids = [document.id for document in new if document.id is not None]
    expiry.settle(lane, ids)
    existing = documents.revisions_of(lane, ids)
    kept = [position for position, document in enumerate(new) if document.id not in existing]
    put = dict(zip(kept, put_with_codes(lane, [new[i] for i in kept], space, encoded.codes[kept]), strict=True))
    results = [put.get(position) for position in range(len(new))]
    n_existing = len(new) - len(kept)
    return Added(results, encoded.n_known_features, space, lane.last_seq, n_existing=n_existing)


def _refuse_repeated(ids: Sequence[str]) -> None:
    """Raise DuplicateIds if an id is among them twice."""
    if repeated := [id for id, n in Counter(ids).items() if n > 1]:
        raise DuplicateIds(repeated)


def contents_for(space: CodeSpace, contents: Sequence[Content], models: EmbeddingModels | None) -> list[Content]:
    """What a space encodes of contents.

    Raises:
        InvalidContent: one has no vector of the space's embedding model, with its place.
    """
    hashed = []
    for position, content in enumerate(contents):
        found = of_model(content, space.model)
        if found is None:
            assert models is not None
            name = models[space.model].name
            raise InvalidContent(f"vector of model {name} is missing: the active code space encodes it", position)
        hashed.append(found)
    return hashed


def put_with_codes(lane: Lane, new: Sequence[NewDocument], space: CodeSpace, encoded: Codes) -> list[PutResult]:
    """Write documents with their codes `(n, n_bytes)` in a space; changed ones lose those that they had in others.

    Those of several embedding models lie in more than one kind of space: a promotion must look at them again.
    """
    is_of_several = any(isinstance(document.content, Embedding) for document in new) and embedding_models.are_several(
        lane.connection, lane.collection_id
    )
    if not new:
        return []
    expiry.settle(lane, [document.id for document in new if document.id is not None])
    put = documents.put(lane, vectors.kept_beside(lane, new) if is_of_several else new)
    expiry.note(lane, [document.expires_at for document in new])
    changed = [p.key for p in put if p.changed and not p.created]
    if changed and is_of_several:
        codes.renew(lane, changed, space.id)
    elif changed:
        codes.discard(lane, changed, keep_space_id=space.id)
    codes.append(lane, space.id, [p.key for p in put], encoded, [p.seq for p in put])
    return put
