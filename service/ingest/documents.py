"""Put documents in: create and drop collections, add, replace and delete documents, promote code spaces.

A code is made before the commit lane is entered and written with its document in one transaction, so the lane is held
for the insert only, and a 2xx means that both are committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from anyio import from_thread
from numpy.typing import NDArray

from service.config import Settings
from service.encoding import Encoder
from service.errors import Conflict, DuplicateIds, ForbiddenMove, InvalidInput
from service.hashing.codes import Codes, check_n_bits
from service.hashing.content import Contents, check_contents
from service.hashing.function import Encoded, digest_of
from service.hashing.untrained import untrained_hash_function
from service.index.replicas import Follower
from service.store import codes, collections, deletion, documents, jobs, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument, PutResult
from service.store.jobs import Job
from service.store.promotion import Promotion
from service.store.spaces import CodeSpace
from service.threads import run_in_large_thread, run_in_thread, run_read

_ATTEMPTS = 5
_CHECKED_INLINE = 32
# What a promotion encodes while its caller waits: about half a second of a slow core. More is a job.
_PROMOTE_AT_ONCE, _PROMOTE_AT_ONCE_CHARS = 1_000, 1_000_000
_LOAD_AT_ONCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Added:
    """What an accepted batch became: one entry per document in the order they came, in one code space, at one seq.

    `n_known[i]` is the number of distinct known features of document i: 0 says that its code means little.
    """

    documents: list[PutResult]
    n_known: NDArray[np.int64]
    space: CodeSpace
    seq: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a deletion found: the ids that existed, in the order in which they were named, and its seq if any did."""

    ids: list[str]
    seq: int | None


class Ingest:
    """The use-cases that write."""

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def create_collection(self, name: str, kind: str, n_bits: int) -> tuple[Collection, bool]:
        """The collection of that name, and whether it is new; a new one answers at once from the untrained space.

        Raises:
            CollectionDiffers: it exists with another kind or n_bits.
            InvalidInput: no such width of codes.
        """
        check_n_bits(n_bits)
        collection, created = await run_in_thread(self._create_collection, name, kind, n_bits)
        if created:
            self.follower.wake()
        return collection, created

    def _create_collection(self, name: str, kind: str, n_bits: int) -> tuple[Collection, bool]:
        content = untrained_hash_function(n_bits).to_bytes()
        with self.database.write() as connection:
            collection = collections.create(connection, name, kind, n_bits)
            created = not spaces.list(connection, collection.id)
            if created:
                spaces.put_function(connection, content, digest_of(content))
                spaces.create_untrained(connection, collection, digest_of(content))
        return collection, created

    async def drop_collection(self, name: str) -> bool:
        """Take a collection away, and have everything of it deleted; False if there was none. Its name is free then."""

        def drop() -> bool:
            with self.database.write() as connection:
                dropped = collections.drop(connection, name)
                if dropped is not None:
                    deletion.enqueue(connection, dropped, "drop_collection")
            return dropped is not None

        was_there = await run_in_thread(drop)
        self.follower.wake()
        return was_there

    async def collection(self, name: str) -> Collection:
        """The collection of that name.

        Raises:
            NotFound: there is none.
        """

        def get() -> Collection:
            with self.database.read() as connection:
                return collections.get(connection, name)

        return await run_read(self.database, get)

    async def add(self, collection: Collection, new: Sequence[NewDocument]) -> Added:
        """Put documents into a collection, replacing those whose id exists, with codes in the active space.

        Raises:
            InvalidContent: a text that cannot be hashed, with its place in the batch; nothing was kept.
            DuplicateIds: the batch names an id twice; nothing was kept.
        """
        if len(new) <= _CHECKED_INLINE:
            self._check(new)
        else:
            await run_in_large_thread(self._check, new)
        contents = [document.content for document in new]
        for _ in range(_ATTEMPTS):
            space = await run_read(self.database, self._active, collection.id)
            encoded = await self.encoder.encode(str(space.digest), contents)
            added = await run_in_thread(self._commit, collection.id, new, space, encoded)
            if added is not None:
                self.follower.wake()
                return added
        raise Conflict(f"the active code space of {collection.name!r} changed {_ATTEMPTS} times during one request")

    def _check(self, new: Sequence[NewDocument]) -> None:
        if not 1 <= len(new) <= self.settings.max_batch:
            raise InvalidInput(f"documents must be 1 to {self.settings.max_batch} per request, got {len(new)}")
        check_contents((document.content for document in new), self.settings.max_text_chars, "documents")
        times = Counter(document.id for document in new if document.id is not None)
        if repeated := [id for id, n in times.items() if n > 1]:
            raise DuplicateIds(repeated)

    def _active(self, collection_id: int) -> CodeSpace:
        with self.database.read() as connection:
            return spaces.active(connection, collection_id)

    def _commit(
        self, collection_id: int, new: Sequence[NewDocument], space: CodeSpace, encoded: Encoded
    ) -> Added | None:
        """Write documents and codes in one transaction; None if another space became active since the encoding."""
        with self.database.lane(collection_id) as lane:
            if spaces.active(lane.connection, collection_id).id != space.id:
                return None
            put = documents.put(lane, new)
            changed = [p.key for p in put if p.changed and not p.created]
            if changed:
                codes.discard(lane, changed, keep_space_id=space.id)
            seq = codes.append(lane, space.id, [p.key for p in put], encoded.codes)
        return Added(put, encoded.n_known, space, seq)

    async def delete(self, collection: Collection, ids: Sequence[str]) -> Deletion:
        """Delete documents by id; ids that do not exist are no error."""

        def commit() -> Deletion:
            with self.database.lane(collection.id) as lane:
                present = documents.present(lane, ids)
                keys = documents.delete(lane, present)
                return Deletion(present, codes.discard(lane, keys, keep_space_id=None) if keys else None)

        deletion = await run_in_thread(commit)
        self.follower.wake()
        return deletion

    async def promote(self, collection: Collection, space: CodeSpace) -> CodeSpace | Job:
        """Make a ready or retired space the active one, after giving a code to every document that lacks one in it.

        Returns:
            The space, active now; where too many documents lack a code for that, the job that does it.

        Raises:
            ForbiddenMove: the space is neither ready nor retired.
            JobRunning: a job does it already.
        """
        return await self._promote("promote", collection, space, None)

    async def roll_back(self, collection: Collection, version: int | None = None) -> CodeSpace | Job:
        """Make the most recently retired space the active one again, in place of `version` if that is named.

        Returns:
            As `promote`.

        Raises:
            NotFound: there is no retired space, or none of that version.
            ForbiddenMove: the named version is not the active one.
            JobRunning: a job does it already.
        """

        def target() -> tuple[CodeSpace, int]:
            with self.database.read() as connection:
                leaving = spaces.active(connection, collection.id)
                if version not in (None, leaving.version):
                    named = spaces.get(connection, collection.id, version)
                    raise ForbiddenMove("code space", str(version), named.state, "retired")
                return spaces.rollback_target(connection, collection.id), leaving.version

        space, leaving = await run_read(self.database, target)
        return await self._promote("rollback", collection, space, leaving)

    async def _promote(
        self, kind: str, collection: Collection, space: CodeSpace, replaces: int | None
    ) -> CodeSpace | Job:
        """Promote a space now, or have the job runner do it if more lacks than half a second gives codes to."""
        if "active" not in spaces.MOVES[space.state]:
            raise ForbiddenMove("code space", str(space.version), space.state, "active")
        n_missing, n_chars = await run_in_thread(self._size_of_missing, collection.id, space.id)
        if n_missing > _PROMOTE_AT_ONCE or n_chars > _PROMOTE_AT_ONCE_CHARS:
            return await run_in_thread(
                self._enqueue, collection, kind, {"version": space.version, "replaces": replaces}
            )

        def encode(contents: Contents) -> Codes:
            return from_thread.run(self.encoder.encode, str(space.digest), contents).codes

        promotion = Promotion(self.database, space, encode, replaces=replaces, n_missing=n_missing)
        promoted = await run_in_thread(promotion.run, min(self.settings.ready_timeout_s, _LOAD_AT_ONCE_S))
        await run_in_thread(
            self.follower.wait_until_answering, collection.id, space.id, self.settings.read_your_writes_s
        )
        return promoted

    def _size_of_missing(self, collection_id: int, space_id: int) -> tuple[int, int]:
        with self.database.read() as connection:
            return codes.size_of_missing(connection, collection_id, space_id, _PROMOTE_AT_ONCE + 1)

    def _enqueue(self, collection: Collection, kind: str, params: dict[str, Any]) -> Job:
        with self.database.write() as connection:
            return jobs.enqueue(connection, collection, kind, params)
