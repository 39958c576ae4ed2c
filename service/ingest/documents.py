"""Put documents into a collection.

A document is encoded before the commit lane is entered, and written together with its code in one transaction. So the
lane is held for the insert only, and a 2xx means that both are committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.config import Settings
from service.encoding import Encoder
from service.errors import Conflict, InvalidContent, InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Content, Embedding, check_contents, from_wire, of_model
from service.hashing.embedding_models import EmbeddingModels
from service.hashing.encoded import Encoded
from service.hashing.given import GivenContent, check_kind, contents_of
from service.index.replicas import Follower
from service.ingest.collections import get_collection, get_models
from service.ingest.document_changes import refuse_repeated
from service.ingest.duplicates import DuplicateCheck, DuplicatesOf, Lookup, show
from service.ingest.language import decide_language_of, is_new_magnitude
from service.store import codes, documents, embedding_models, expiry, spaces, vectors
from service.store.collections import Collection
from service.store.database import Database, Lane
from service.store.documents import NewDocument, PutResult
from service.store.idempotency import Conclude
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


class DocumentWriter:
    """Puts documents.

    `conclude` is called with the result before the transaction ends, and may write in it.
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
        refuse_repeated([document.id for document in new if document.id is not None])

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
    seqs = [p.seq for p in put]
    codes.append(lane, space.id, [p.key for p in put], encoded, seqs, has_buckets=space.has_buckets)
    return put
