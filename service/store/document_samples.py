"""Samples of a collection: documents chosen at random, the same ones each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, bindparam, select

from service.store import schema
from service.store.bounded_reads import ROWS_AT_ONCE
from service.store.documents import Document, by_keys

TABLE = schema.documents
_OF_COLLECTION = TABLE.c.collection_id == bindparam("collection")


def sample(connection: Connection, collection_id: int, n: int, seed: int, model: int | None = None) -> list[Document]:
    """`n` documents chosen uniformly at random, in the order of their keys; all documents if there are no more.

    With `model`, of those that have a vector of that embedding model. The same collection and seed give the same
    documents. Holds `n` documents and a few thousand keys at a time.
    """
    chosen = sample_keys(connection, collection_id, n, seed, model)
    found: dict[int, Document] = {}
    for start in range(0, len(chosen), ROWS_AT_ONCE):
        found |= by_keys(connection, chosen[start : start + ROWS_AT_ONCE])
    return [found[key] for key in sorted(found)]


def sample_keys(
    connection: Connection, collection_id: int, n: int, seed: int, model: int | None = None
) -> NDArray[np.int64]:
    """The keys of the documents that `sample` chooses, ascending. Cost: linear in the collection's documents."""
    generator = np.random.default_rng(seed)
    kept = np.empty(
        (2, 0)
    )  # priorities and keys of the n least priorities so far; keys are exact in float64 up to 2^53
    stream = {"yield_per": ROWS_AT_ONCE}
    statement = _KEYS if model is None else _KEYS_OF_MODEL
    parameters = {"collection": collection_id} | ({} if model is None else {"models": 1 << model})
    for keys in connection.execute(statement, parameters, execution_options=stream).scalars().partitions():
        kept = np.hstack([kept, [generator.random(len(keys)), keys]])
        if kept.shape[1] > n:
            kept = kept[:, np.argpartition(kept[0], n - 1)[:n]]
    return np.sort(kept[1]).astype(np.int64)


_KEYS = select(TABLE.c.key).where(_OF_COLLECTION).order_by(TABLE.c.key)
_KEYS_OF_MODEL = _KEYS.where(TABLE.c.models.bitwise_and(bindparam("models", type_=BigInteger)) != 0)
