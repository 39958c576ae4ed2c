"""Put vectors of an embedding model beside those that documents have; the first ones make the model known.

So the next code space is filled, in any order and again where a call failed, while the active one answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.config import Settings
from service.encoding import Encoder
from service.errors import Conflict, DuplicateIds, InvalidContent, InvalidInput
from service.hashing.content import Embedding
from service.hashing.embedding_models import EmbeddingModel
from service.hashing.encoded import Encoded
from service.hashing.vector_batches import read_vectors
from service.hashing.vectors import Keep, Vectors
from service.index.replicas import Follower
from service.ingest.collections import get_collection
from service.store import codes, deletion, embedding_models, spaces, vectors
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.spaces import CodeSpace
from service.store.vectors import PutVectors
from service.threads import run_in_large_thread, run_in_thread, run_read

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class GivenVector:
    """A vector as a request brings it, and the id of the document that it is put to."""

    id: str
    vector: object


class VectorWriter:
    """Puts vectors of further embedding models to documents."""

    def __init__(self, database: Database, encoder: Encoder, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.encoder = encoder
        self.follower = follower
        self.settings = settings

    async def put(
        self,
        collection: str,
        name: str,
        dims: int | None,
        given: Sequence[GivenVector],
        conclude: Conclude[PutVectors] | None = None,
    ) -> PutVectors:
        """Give documents a vector of a model, which replaces the one of that model that they have.

        Codes of the active space change only if it encodes that model; in other spaces of the model the documents are
        encoded anew by the next promotion.

        Args:
            collection: its name.
            name: of the model; a new name makes a new model.
            dims: entries of its vectors; a new model needs them.
            given: the vectors.
            conclude: called with the result before the transaction ends; it may write in it.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: it is not of kind embedding, `dims` are missing or not those of the model, or too many
                vectors.
            InvalidContent: a vector that cannot be hashed, with its place; nothing was kept.
            DuplicateIds: an id is named twice; nothing was kept.
        """
        stored = await get_collection(self.database, collection)
        self._check(stored, given)
        model = await run_in_thread(self._model, stored, name, dims, given)
        assert stored.vectors is not None
        keep = stored.vectors.keep
        by_id = await run_in_large_thread(_read, given, model.dims, keep)
        for _ in range(_ATTEMPTS):
            space = await run_read(self.database, self._read_active_space, stored.id)
            encoded = None
            if space.model == model.number:
                contents = [Embedding.of_rounded({model.number: one}, None, None, keep) for one in by_id.values()]
                encoded = await self.encoder.encode(str(space.digest), contents)
            put = await run_in_thread(self._commit, stored.id, model.number, by_id, space, encoded, conclude)
            if put is not None:
                self.follower.wake()
                return put
        raise Conflict(f"{collection!r} changed its code space during one request, {_ATTEMPTS} times")

    async def delete_model(self, collection: str, name: str, *, force: bool = False) -> None:
        """Take a model away: it is gone at once, and a job deletes its vectors.

        Args:
            collection: its name.
            name: of the model.
            force: with it go the retired code spaces that encode it, so that no rollback leads to them.

        Raises:
            NotFound: there is no such collection or model.
            ModelInUse: another code space encodes it, or documents have no other vector.
        """
        stored = await get_collection(self.database, collection)
        await run_in_thread(self._delete_model, stored, name, force)
        self.follower.wake()

    def _delete_model(self, collection: Collection, name: str, force: bool) -> None:
        with self.database.lane(collection.id) as lane:
            embedding_models.mark_deleted(lane, collection, name, force=force)
            deletion.enqueue(lane.connection, collection, "prune")

    def _check(self, collection: Collection, given: Sequence[GivenVector]) -> None:
        if collection.kind != "embedding":
            raise InvalidInput(f"vectors are for kind embedding only, got kind {collection.kind}")
        if not 1 <= len(given) <= self.settings.max_batch:
            raise InvalidInput(f"vectors must be 1 to {self.settings.max_batch} per request, got {len(given)}")
        if repeated := [id for id, n in Counter(one.id for one in given).items() if n > 1]:
            raise DuplicateIds(repeated)

    def _model(
        self, collection: Collection, name: str, dims: int | None, given: Sequence[GivenVector]
    ) -> EmbeddingModel:
        """The model of that name; a new one is stored only if the first of its vectors can be read."""
        with self.database.read() as connection:
            models = embedding_models.of_collection(connection, collection)
        model = None if models is None else models.find(name)
        if model is None:
            if dims is None:
                raise InvalidInput(f"dims must be given with the first vectors of a model, and {name!r} is new")
            _read(given[:1], dims, "float32")
            with self.database.lane(collection.id) as lane:
                models = embedding_models.of_collection(lane.connection, collection)
                model = None if models is None else models.find(name)
                if model is None:
                    model = embedding_models.create(lane.connection, collection.id, name, dims)
        if dims not in (None, model.dims):
            raise InvalidInput(f"dims must be {model.dims}, as the model {name!r} has, got {dims}")
        return model

    def _read_active_space(self, collection_id: int) -> CodeSpace:
        with self.database.read() as connection:
            return spaces.active(connection, collection_id)

    def _commit(
        self,
        collection_id: int,
        model: int,
        by_id: Mapping[str, Vectors],
        space: CodeSpace,
        encoded: Encoded | None,
        conclude: Conclude[PutVectors] | None = None,
    ) -> PutVectors | None:
        """Write the vectors, and the codes if the active space encodes them; None if another has become active."""
        with self.database.lane(collection_id) as lane:
            if spaces.active(lane.connection, collection_id).id != space.id:
                return None
            put = vectors.put(lane, model, by_id)
            if put.written:
                codes.renew(lane, [*put.written.values()], space.id, model)
            if put.written and encoded is not None:
                rows = [row for row, id in enumerate(by_id) if id in put.written]
                keys = [put.written[id] for id in by_id if id in put.written]
                codes.append(lane, space.id, keys, encoded.codes[rows], has_buckets=space.has_buckets)
            put = replace(put, seq=lane.last_seq)
            if conclude is not None:
                conclude(lane.connection, put)
            return put


def _read(given: Sequence[GivenVector], dims: int, keep: Keep) -> dict[str, Vectors]:
    """Vectors `(dims,)` by id, rounded as they will be kept. Blocks while it decodes.

    Raises:
        InvalidContent: one is no vector of that width, with its place.
    """
    try:
        vectors = read_vectors([one.vector for one in given], dims, keep)
    except InvalidContent as error:
        raise InvalidContent(error.reason, error.position, "vectors") from None
    return {one.id: vector for one, vector in zip(given, vectors, strict=True)}
