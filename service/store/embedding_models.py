"""The embedding models of a collection: create, list, delete, and how many documents have a vector of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, update

from service.errors import InvalidInput, ModelInUse, NotFound, VectorsMissing
from service.hashing.content import Content, of_model
from service.hashing.embedding_models import FIRST, MAX_MODELS, EmbeddingModel, EmbeddingModels
from service.store import documents, schema, spaces
from service.store.collections import Collection
from service.store.database import Lane
from service.store.schema import now
from service.store.spaces import CodeSpace
from service.store.statements import DriverQuery, insert

TABLE = schema.embedding_models
DOCUMENTS = schema.documents


def create(connection: Connection, collection_id: int, name: str, dims: int) -> EmbeddingModel:
    """A new model of a collection, whose row the transaction has written or locked.

    Raises:
        InvalidInput: the collection has had as many models as it may.
    """
    last = connection.execute(_LAST, {"collection": collection_id}).scalar()
    number = FIRST if last is None else last + 1
    if number >= MAX_MODELS:
        raise InvalidInput(f"model must be one of the collection's: it has had {MAX_MODELS}, got {name!r}")
    values = {"collection_id": collection_id, "number": number, "name": name, "dims": dims, "created_at": now()}
    connection.execute(insert(connection, TABLE).values(values))
    return EmbeddingModel(number, name, dims)


def of_collection(connection: Connection, collection: Collection) -> EmbeddingModels | None:
    """The models of a collection; None of other kinds than embedding."""
    if collection.vectors is None:
        return None
    rows = _LIST.rows(connection, collection.id)
    return EmbeddingModels(tuple(EmbeddingModel(*row) for row in rows), collection.vectors.keep)


def are_several(connection: Connection, collection_id: int) -> bool:
    """Whether a collection has, or has had, more than one model."""
    last = connection.execute(_LAST, {"collection": collection_id}).scalar()
    return last is not None and last > FIRST


def mark_deleted(lane: Lane, collection: Collection, name: str, *, force: bool) -> None:
    """Take a model away from every caller; `deletion.prune` deletes its vectors: the caller enqueues that job.

    Args:
        lane: of the collection.
        collection: the same.
        name: of the model, which is free at once.
        force: with it goes every retired space that encodes the model.

    Raises:
        NotFound: there is no such model.
        ModelInUse: a space encodes it, or documents have no other vector.
    """
    connection = lane.connection
    model = get(connection, collection, name)
    used = [space for space in spaces.list(connection, collection.id) if space.model == model.number]
    needed = [space.version for space in used if space.state not in ("failed", *(("retired",) if force else ()))]
    only = {"collection": collection.id, "models": 1 << model.number}
    n_documents = connection.execute(_ONLY, only).scalar_one()
    if needed or n_documents:
        raise ModelInUse(name, needed, n_documents)
    for space in used:
        spaces.give_up(connection, space.id)
    of_model = (TABLE.c.collection_id == collection.id, TABLE.c.number == model.number)
    connection.execute(update(TABLE).where(*of_model).values(name=f"#{model.number}", deleted_at=now()))


def deleted(connection: Connection, collection_id: int) -> list[int]:
    """Numbers of the models whose vectors are to be deleted."""
    return [*connection.scalars(_DELETED.where(TABLE.c.collection_id == collection_id))]


def with_deleted(connection: Connection) -> set[int]:
    """Ids of the collections that have such models."""
    return {*connection.scalars(select(TABLE.c.collection_id).where(TABLE.c.deleted_at.is_not(None)))}


def remove(connection: Connection, collection_id: int, number: int) -> None:
    """Delete the row of a model of which no vector is left."""
    connection.execute(delete(TABLE).where(TABLE.c.collection_id == collection_id, TABLE.c.number == number))


def get(connection: Connection, collection: Collection, name: str) -> EmbeddingModel:
    """The model of that name.

    Raises:
        NotFound: the collection has none.
    """
    models = of_collection(connection, collection)
    found = None if models is None else models.find(name)
    if found is None:
        raise NotFound("embedding model", name)
    return found


def name_of(connection: Connection, collection_id: int, number: int) -> str:
    """The name of a model, which must be there."""
    name: str = connection.execute(_NAME, {"collection": collection_id, "number": number}).scalar_one()
    return name


def covered(connection: Connection, collection_id: int) -> tuple[int, dict[int, int]]:
    """The number of documents, and by the number of a model how many have a vector of it, those above 0.

    Cost: linear in the documents, from indexes.
    """
    n_documents = documents.count(connection, collection_id)
    masks = connection.execute(_MASKS, {"collection": collection_id}).all()
    counts = {FIRST: n_documents - sum(n for _, n in masks)}
    for mask, n in masks:
        for number in range(MAX_MODELS):
            if mask >> number & 1:
                counts[number] = counts.get(number, 0) + n
    return n_documents, counts


def n_uncovered(connection: Connection, space: CodeSpace) -> int:
    """How many documents have no vector of the model that a space encodes.

    Cost: as of `covered`; next to nothing in a collection that never had a second model.
    """
    if space.model == FIRST and connection.execute(_IS_MIXED, {"collection": space.collection_id}).first() is None:
        return 0
    n_documents, counts = covered(connection, space.collection_id)
    return n_documents - counts.get(space.model, 0)


@dataclass(frozen=True, slots=True)
class ModelCoverage:
    """A model with how far it is in use.

    Attributes:
        n_covered: documents that have a vector of it.
        n_documents: all documents.
        versions: of the code spaces that encode it, newest first.
        is_active: whether the active one is among them.
    """

    model: EmbeddingModel
    created_at: datetime
    n_covered: int
    n_documents: int
    versions: list[int]
    is_active: bool

    @property
    def share(self) -> float:
        """Share of the documents that have a vector of it."""
        return self.n_covered / self.n_documents if self.n_documents else 1.0


def coverage(connection: Connection, collection_id: int) -> list[ModelCoverage]:
    """Every model of a collection, oldest first. Cost: as of `covered`."""
    n_documents, counts = covered(connection, collection_id)
    built = [space for space in spaces.list(connection, collection_id) if space.state != "failed"]
    found = []
    for number, name, dims, created_at in connection.execute(_OVERVIEW, {"collection": collection_id}):
        encoding = [space for space in built if space.model == number]
        found.append(
            ModelCoverage(
                EmbeddingModel(number, name, dims),
                created_at,
                counts.get(number, 0),
                n_documents,
                [space.version for space in encoding],
                any(space.state == "active" for space in encoding),
            )
        )
    return found


def hashed(connection: Connection, collection_id: int, content: Content, number: int) -> Content:
    """What a code space of a model encodes of a stored content.

    Raises:
        VectorsMissing: it has no vector of that model.
    """
    found = of_model(content, number)
    if found is None:
        raise VectorsMissing(name_of(connection, collection_id, number), 1)
    return found


def check_covered(connection: Connection, space: CodeSpace) -> None:
    """Refuse a space while documents have no vector of the model that it encodes.

    Raises:
        VectorsMissing: some have none.

    Cost: as of `n_uncovered`.
    """
    n = n_uncovered(connection, space)
    if n:
        raise VectorsMissing(name_of(connection, space.collection_id, space.model), n)


_OF_COLLECTION = DOCUMENTS.c.collection_id == bindparam("collection")
_SEVERAL = DOCUMENTS.c.models != 1
_LIST = DriverQuery(
    sqlite="SELECT number, name, dims FROM embedding_models WHERE collection_id = ? AND deleted_at IS NULL"
    " ORDER BY number",
    postgresql="SELECT number, name, dims FROM embedding_models WHERE collection_id = %s AND deleted_at IS NULL"
    " ORDER BY number",
)
_OVERVIEW = (
    select(TABLE.c.number, TABLE.c.name, TABLE.c.dims, TABLE.c.created_at)
    .where(TABLE.c.collection_id == bindparam("collection"), TABLE.c.deleted_at.is_(None))
    .order_by(TABLE.c.number)
)
_DELETED = select(TABLE.c.number).where(TABLE.c.deleted_at.is_not(None)).order_by(TABLE.c.number)
_ONLY = select(func.count()).where(_OF_COLLECTION, DOCUMENTS.c.models == bindparam("models"))
_LAST = select(func.max(TABLE.c.number)).where(TABLE.c.collection_id == bindparam("collection"))
_NAME = select(TABLE.c.name).where(
    TABLE.c.collection_id == bindparam("collection"), TABLE.c.number == bindparam("number")
)
_MASKS = select(DOCUMENTS.c.models, func.count()).where(_OF_COLLECTION, _SEVERAL).group_by(DOCUMENTS.c.models)
_IS_MIXED = select(DOCUMENTS.c.models).where(_OF_COLLECTION, _SEVERAL).limit(1)
