"""Vectors of an embedding model: put beside those that documents have, and deleted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import BigInteger, bindparam, select

from service.hashing.content import Content, Embedding, models_of, to_rows
from service.hashing.vectors import Vectors
from service.store import documents
from service.store.database import Lane
from service.store.documents import NewDocument
from service.store.statements import BulkStatement


@dataclass(frozen=True, slots=True)
class PutVectors:
    """What became of vectors, up to a seq.

    Attributes:
        written: the keys of the documents that have another vector now, by id.
        missing: the ids that no document has.
        seq: the last one.
    """

    written: dict[str, int]
    missing: list[str]
    seq: int


def put(lane: Lane, model: int, vectors: Mapping[str, Vectors]) -> PutVectors:
    """Give documents a vector of a model, in place of the one of that model that they have.

    Their revision grows only where a vector is replaced by another: what was encoded before is then of no use. Codes
    are for the caller to renew.

    Args:
        lane: of their collection.
        model: number of the model.
        vectors: `(dims,)` each, by the id of the document.

    Cost: reads and writes the content of each document: two statements, however many.
    """
    found, missing, _ = documents.by_ids(lane.connection, lane.collection_id, [*vectors], math.inf)
    changed: list[tuple[int, Embedding, bool]] = []
    written = {}
    for document in found:
        content = document.content
        assert isinstance(content, Embedding)
        before, after = content.vectors, _with(content, model, vectors[document.id])
        if after != content:
            changed.append((document.key, after, model in before))
            written[document.id] = document.key
    _UPDATE.run(
        lane.connection,
        [data for _, data, _ in to_rows([content for _, content, _ in changed])],
        [models_of(content) for _, content, _ in changed],
        [int(is_replaced) for _, _, is_replaced in changed],
        [key for key, _, _ in changed],
    )
    return PutVectors(written, missing, lane.last_seq)


def clear(lane: Lane, model: int, after_key: int, limit: int) -> int | None:
    """Delete the vectors of a model of up to `limit` documents after a key; the last key, or None if there were none.

    These documents have other vectors; nothing else of them changes.
    """
    parameters = {"collection": lane.collection_id, "models": 1 << model, "after": after_key, "limit": limit}
    found = [documents.of_row(row) for row in lane.connection.execute(_WITH_VECTOR, parameters)]
    contents = {document.key: _without(document.content, model) for document in found}
    _UPDATE.run(
        lane.connection,
        [data for _, data, _ in to_rows([*contents.values()])],
        [models_of(content) for content in contents.values()],
        [0] * len(contents),
        [*contents],
    )
    return found[-1].key if found else None


def _without(content: Content, model: int) -> Content:
    assert isinstance(content, Embedding)
    vectors = {of: vector for of, vector in content.vectors.items() if of != model}
    return Embedding.of_rounded(vectors, content.text, content.title, content.keep)


def kept_beside(lane: Lane, new: Sequence[NewDocument]) -> list[NewDocument]:
    """Documents to put, with the vectors of other models that stored documents of the same content have.

    A document that is put with its vector of one model, to change its metadata, say, keeps those of the others. Where
    the text, the title or a vector is another, they are of what it was before, and are not kept.
    """
    ids = [document.id for document in new if document.id is not None]
    stored, _, _ = documents.by_ids(lane.connection, lane.collection_id, ids, math.inf)
    before = {document.id: document.content for document in stored}
    return [replace(document, content=_kept(document.content, before.get(document.id or ""))) for document in new]


def _kept(content: Content, before: Content | None) -> Content:
    if not isinstance(content, Embedding) or not isinstance(before, Embedding):
        return content
    whole = Embedding.of_rounded({**before.vectors, **content.vectors}, content.text, content.title, content.keep)
    shared = content.vectors.keys() & before.vectors.keys()
    is_same = (content.text, content.title) == (before.text, before.title) and all(
        np.array_equal(content.vectors[model], before.vectors[model]) for model in shared
    )
    return whole if is_same and shared else content


def _with(content: Embedding, model: int, vector: Vectors) -> Embedding:
    return Embedding.of_rounded({**content.vectors, model: vector}, content.text, content.title, content.keep)


_WITH_VECTOR = (
    select(*documents.COLUMNS)
    .where(
        documents.TABLE.c.collection_id == bindparam("collection"),
        documents.TABLE.c.models.bitwise_and(bindparam("models", type_=BigInteger)) != 0,
        documents.TABLE.c.key > bindparam("after"),
    )
    .order_by(documents.TABLE.c.key)
    .limit(bindparam("limit"))
)
_UPDATE = BulkStatement(
    sqlite="UPDATE documents SET content = ?, models = ?, revision = revision + ? WHERE key = ?",
    postgresql="""
        UPDATE documents
        SET content = rows.content, models = rows.models, revision = revision + rows.n_more
        FROM unnest(%b::bytea[], %b::bigint[], %b::integer[], %b::bigint[]) AS rows (content, models, n_more, key)
        WHERE documents.key = rows.key
    """,
)
