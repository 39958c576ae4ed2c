"""The life of code spaces: retrain, promote, roll back, and cancel the job that does one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anyio import from_thread
from sqlalchemy import Connection

from service.config import Settings
from service.encoding import Encoder
from service.errors import ForbiddenMove, InvalidInput, TooFewDocuments
from service.hashing.codes import Codes
from service.hashing.content import Contents
from service.index.replicas import Follower
from service.ingest.collections import get_collection
from service.store import codes, collections, documents, embedding_models, jobs, pairs, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.jobs import Job
from service.store.promotion import Promotion
from service.store.spaces import CodeSpace
from service.threads import run_in_thread, run_read
from service.training_options import check_kind

# What a promotion encodes while its caller waits: about half a second of a slow core. More is a job.
_PROMOTE_AT_ONCE, _PROMOTE_AT_ONCE_CHARS = 1_000, 1_000_000
_LOAD_AT_ONCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Promoted:
    """A space that is active now; with `force`, how many documents have no vector of its embedding model."""

    space: CodeSpace
    n_uncovered: int | None


class SpaceWriter:
    """Has code spaces made, and says which one is active."""

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def retrain(self, collection: str, params: dict[str, Any], conclude: Conclude[Job] | None = None) -> Job:
        """The job, queued now, in which a trainer makes a new code space.

        Args:
            collection: its name.
            params: the options that were given.
            conclude: called with the job before the transaction ends; it may write in it.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: an option makes features of another kind, or the collection has no such model.
            TooFewDocuments: the collection, or the part that has vectors of the model, is too small to learn from.
            RetrainRunning: a retrain of the collection is queued or running.
        """
        return await run_in_thread(self._enqueue_retrain, collection, params, conclude)

    def _enqueue_retrain(self, name: str, params: dict[str, Any], conclude: Conclude[Job] | None) -> Job:
        with self.database.read() as connection:
            collection = collections.get(connection, name)
            check_kind(params, collection.kind)
            n_documents = self._n_trainable(connection, collection, params.get("model"))
            self._check_supervision(connection, collection, params)
        if n_documents < self.settings.min_train_documents:
            raise TooFewDocuments(name, self.settings.min_train_documents, n_documents)
        return self._enqueue(collection, "retrain", params, conclude)

    def _check_supervision(self, connection: Connection, collection: Collection, params: dict[str, Any]) -> None:
        """Refuse supervision that no training can learn from.

        Raises:
            InvalidInput: the variant does not learn it, or there are no pairs.
        """
        supervise = params.get("supervise")
        if supervise is None:
            return
        variant = params.get("variant", "neighbor")
        if variant != "neighbor":
            raise _invalid_supervise(f"supervise needs variant 'neighbor', got {variant!r}")
        if supervise.get("pairs") and not pairs.count(connection, collection.id):
            raise _invalid_supervise("supervise.pairs needs pairs of the collection, there are none")

    def _n_trainable(self, connection: Connection, collection: Collection, model: str | None) -> int:
        """How many documents a training has to learn from."""
        if collection.kind != "embedding":
            if model is not None:
                raise InvalidInput(f"model is for kind embedding only, got kind {collection.kind}")
            return documents.count(connection, collection.id)
        number = spaces.active(connection, collection.id).model
        if model is not None:
            number = embedding_models.get(connection, collection, model).number
        return embedding_models.covered(connection, collection.id)[1].get(number, 0)

    async def promote(
        self, collection: str, version: int, *, force: bool = False, conclude: Conclude[Promoted | Job] | None = None
    ) -> CodeSpace | Job:
        """Make a ready or retired space the active one, after giving a code to every document that lacks one in it.

        Args:
            collection: its name.
            version: of the space.
            force: even if documents have no vector of its embedding model; they are left out.
            conclude: called with what came of it before the transaction ends; it may write in it.

        Returns:
            The space, which is active now; or, if too many documents lack a code, the job that will make it active.

        Raises:
            NotFound: there is no such collection or version.
            ForbiddenMove: the space is neither ready nor retired.
            VectorsMissing: documents have no vector of its embedding model.
            JobRunning: a job does it already.
        """
        stored = await get_collection(self.database, collection)

        def read_space() -> CodeSpace:
            with self.database.read() as connection:
                return spaces.get(connection, stored.id, version)

        space = await run_read(self.database, read_space)
        return await self._activate("promote", stored, space, None, force, conclude)

    async def roll_back(
        self,
        collection: str,
        version: int | None = None,
        *,
        force: bool = False,
        conclude: Conclude[Promoted | Job] | None = None,
    ) -> CodeSpace | Job:
        """Make the space that was retired last the active one again.

        Args:
            collection: its name.
            version: the version that must be the active one; None for any.
            force, conclude: as of `promote`.

        Returns:
            As `promote`.

        Raises:
            NotFound: there is no such collection or version, or no retired space.
            ForbiddenMove: the named version is not the active one.
            VectorsMissing: as of `promote`.
            JobRunning: a job does it already.
        """
        stored = await get_collection(self.database, collection)

        def read_spaces() -> tuple[CodeSpace, int]:
            """The space to go back to, and the version that it replaces."""
            with self.database.read() as connection:
                active = spaces.active(connection, stored.id)
                if version not in (None, active.version):
                    named = spaces.get(connection, stored.id, version)
                    raise ForbiddenMove("code space", str(version), named.state, "retired")
                return spaces.rollback_target(connection, stored.id), active.version

        space, replaces = await run_read(self.database, read_spaces)
        return await self._activate("rollback", stored, space, replaces, force, conclude)

    async def cancel_job(self, id: str) -> Job:
        """Cancel a queued job at once; ask the worker of a running one to stop.

        Raises:
            NotFound: there is no such job.
            ForbiddenMove: it is finished.
        """

        def cancel() -> Job:
            with self.database.write() as connection:
                return jobs.cancel(connection, id)

        return await run_in_thread(cancel)

    async def _activate(
        self,
        kind: str,
        collection: Collection,
        space: CodeSpace,
        replaces: int | None,
        force: bool,
        conclude: Conclude[Promoted | Job] | None,
    ) -> CodeSpace | Job:
        """Make a space the active one: now if few documents lack a code in it, else by a job of that kind."""
        if "active" not in spaces.MOVES[space.state]:
            raise ForbiddenMove("code space", str(space.version), space.state, "active")
        n_missing, n_chars = await run_in_thread(self._size_of_missing, space, force)
        if n_missing > _PROMOTE_AT_ONCE or n_chars > _PROMOTE_AT_ONCE_CHARS:
            params = {"version": space.version, "replaces": replaces} | ({"force": True} if force else {})
            return await run_in_thread(self._enqueue, collection, kind, params, conclude)

        def encode(contents: Contents) -> Codes:
            return from_thread.run(self.encoder.encode, str(space.digest), contents).codes

        promotion = Promotion(self.database, space, encode, replaces=replaces, n_missing=n_missing, leaves_out=force)
        if conclude is not None:
            promotion.conclude = lambda connection, active: conclude(
                connection, Promoted(active, embedding_models.n_uncovered(connection, active) if force else None)
            )
        promoted = await run_in_thread(promotion.run, min(self.settings.ready_timeout_s, _LOAD_AT_ONCE_S))
        await run_in_thread(
            self.follower.wait_until_answering, collection.id, space.id, self.settings.read_your_writes_s
        )
        return promoted

    def _size_of_missing(self, space: CodeSpace, force: bool) -> tuple[int, int]:
        """How many documents are to be encoded, and their size; counted up to what is encoded at once.

        Raises:
            VectorsMissing: some cannot be, and are not to be left out.
        """
        with self.database.read() as connection:
            if not force:
                embedding_models.check_covered(connection, space)
            limit = _PROMOTE_AT_ONCE + 1
            return codes.size_of_missing(connection, space.collection_id, space.id, limit, space.model)

    def _enqueue(
        self, collection: Collection, kind: str, params: dict[str, Any], conclude: Conclude[Job] | None = None
    ) -> Job:
        with self.database.write() as connection:
            job = jobs.enqueue(connection, collection, kind, params)
            if conclude is not None:
                conclude(connection, job)
            return job


def _invalid_supervise(rule: str) -> InvalidInput:
    return InvalidInput(rule, [{"where": "body.supervise", "rule": rule}])
