"""Where a request is answered: one source of codes, one replica of words and metadata, kept to its end."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from service.config import Settings
from service.errors import SeqNotReached
from service.hashing.codes import Codes
from service.hashing.content import Content, Kind
from service.hashing.embedding_models import EmbeddingModels
from service.index.columns.view import ColumnView
from service.index.document_replica import DocumentReplica
from service.index.replicas import Follower
from service.search.bounds import READ_SOON_SEQ
from service.search.kinds import check_kind
from service.search.request import SearchRequest
from service.search.sources import MemorySource, SearchSource, SqlSource
from service.store import codes, collections, documents, embedding_models
from service.store.collections import Collection
from service.store.documents import DocumentRef


@dataclass(frozen=True, slots=True)
class StoredExample:
    """A stored document that asks: its key, its code if it is known, and its content where it is needed."""

    key: int
    code: Codes | None
    content: Content | None


@dataclass(frozen=True, slots=True)
class State:
    """Where a request is answered.

    Attributes:
        collection_id: of which collection.
        last_seq: of its last change.
        kind: of its documents.
        models: of its vectors, where vectors ask.
        needs_words: whether the request asks for words.
        source: where codes are found.
        replica: words and metadata in memory; None where they are not asked for, or not at hand.
        columns: the metadata; None where they are not asked for, or not at hand: then they are read from SQL.
        stored: the stored documents that ask, by id.
        has_expired: whether there may be documents that have expired and are not deleted yet.
    """

    collection_id: int
    last_seq: int
    kind: Kind
    models: EmbeddingModels | None
    needs_words: bool
    source: SearchSource
    replica: DocumentReplica | None
    columns: ColumnView | None
    stored: dict[str, StoredExample]
    has_expired: bool = False


def locate(
    connection: Connection, follower: Follower, settings: Settings, request: SearchRequest, *, is_last: bool
) -> State | None:
    """Where a request is answered; None if a replica is behind, or is being loaded, and is worth a moment's wait.

    Args:
        connection: reads a few short rows.
        follower: has the replicas.
        settings: bounds of what a request may ask for.
        request: is checked against the collection.
        is_last: do not ask for patience: SQL has the codes and the metadata, and words may be missing.

    Raises:
        InvalidInput: an option out of range.
        NotFound: no such collection or document.
        OtherModel: the request names another embedding model than the one that the source has codes of.
        VectorsMissing: a stored document that asks has no vector of that model.
        SeqNotReached: the collection has not reached `at_least_seq`.
    """
    found, collection = _collection(connection, request)
    request.check(found.n_bits, settings)
    check_kind(request, found.kind)
    seq = request.at_least_seq or 0
    if seq > found.last_seq:
        raise SeqNotReached(request.collection, found.last_seq, seq)
    replica = follower.replica(found.collection_id)
    has_codes = replica is not None and replica.applied_seq >= seq
    needs_words = request.needs_words(found.kind)
    needs_documents = needs_words or request.needs_columns or found.has_expired
    of_documents = follower.documents(found.collection_id) if needs_documents else None
    has_words = of_documents is not None and of_documents.read_seq >= seq
    has_columns = of_documents is not None and of_documents.columns_seq >= seq
    lacks = (needs_words and not has_words) or (request.needs_columns and not has_columns)
    is_behind = bool(seq) and (lacks or not has_codes)
    comes_soon = (needs_words or request.needs_columns) and of_documents is None and found.last_seq <= READ_SOON_SEQ
    if (is_behind or comes_soon) and not is_last:
        return None
    source: SearchSource
    source = (
        MemorySource(replica) if replica is not None and has_codes else SqlSource.of(connection, found.collection_id)
    )
    columns = None
    if of_documents is not None and has_columns and (request.needs_columns or found.has_expired):
        columns = of_documents.columns.view()
    return State(
        found.collection_id,
        found.last_seq,
        found.kind,
        _models(connection, collection, source, request),
        needs_words,
        source,
        of_documents if has_words and needs_words else None,
        columns,
        _stored(connection, found, source, request),
        found.has_expired,
    )


def _collection(connection: Connection, request: SearchRequest) -> tuple[DocumentRef, Collection | None]:
    """The collection, with the key of the stored document that asks alone; all of it where more may be needed."""
    if request.document_id is not None and request.model is None:
        return documents.locate(connection, request.collection, request.document_id), None
    found = collections.get(connection, request.collection)
    if request.document_id is not None:
        return documents.locate(connection, request.collection, request.document_id), found
    return DocumentRef(found.id, found.n_bits, found.last_seq, None, found.kind, found.has_expired), found


def _models(
    connection: Connection, collection: Collection | None, source: SearchSource, request: SearchRequest
) -> EmbeddingModels | None:
    """The embedding models of the collection, where the request names one or brings vectors."""
    if collection is None or not (request.model or request.vectors):
        return None
    models = embedding_models.of_collection(connection, collection)
    if models is not None and request.model:
        models.check_active(models.named(request.model), source.space.model)
    return models


def _stored(
    connection: Connection, found: DocumentRef, source: SearchSource, request: SearchRequest
) -> dict[str, StoredExample]:
    """The stored documents that ask; their contents are read only where they are needed."""
    if request.document_id is not None and found.key is not None:
        code = codes.get(connection, source.space.id, found.key)
        content: Content | None = None
        if code is None or request.needs_content(found.kind):  # stored a moment ago, or asked for by its words
            stored = documents.get(connection, found.collection_id, request.document_id).content
            content = embedding_models.hashed(connection, found.collection_id, stored, source.space.model)
        return {request.document_id: StoredExample(found.key, code, content)}
    ids = dict.fromkeys(one.id for one in (*request.positive, *request.negative) if one.id is not None)
    return {id: _example(connection, found.collection_id, source, id) for id in ids}


def _example(connection: Connection, collection_id: int, source: SearchSource, id: str) -> StoredExample:
    document = documents.get(connection, collection_id, id)
    content = embedding_models.hashed(connection, collection_id, document.content, source.space.model)
    return StoredExample(document.key, codes.get(connection, source.space.id, document.key), content)
