"""Changes of documents, for what is made of them in memory: their texts, their metadata, and which are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, bindparam, cast, select
from sqlalchemy import Text as SqlText

from service.store import schema
from service.store.bounded_reads import FIRST_KEYS, length

TABLE = schema.documents
_OF_COLLECTION = TABLE.c.collection_id == bindparam("collection")


@dataclass(frozen=True, slots=True)
class ChangedText:
    """The text of a document with its title, as of a seq; both None where its content is no text.

    `metadata` is JSON, or None where it was not asked for.
    """

    key: int
    seq: int
    text: str | None
    title: str | None
    metadata: str | None = None

    @property
    def n_chars(self) -> int:
        """What it counts where the characters that are read at once are bounded."""
        return length(self.text, self.title, self.metadata) + 1


@dataclass(frozen=True, slots=True)
class ChangedMetadata:
    """The metadata of a document as of a seq, as JSON."""

    key: int
    seq: int
    metadata: str

    @property
    def n_chars(self) -> int:
        """What it counts where the characters that are read at once are bounded."""
        return len(self.metadata) + 1


def texts(connection: Connection, collection_id: int, after_key: int, max_chars: int) -> list[ChangedText]:
    """Texts and metadata of the documents after a key, in the order of their keys; an empty list only at their end.

    The list ends with the document with which texts and metadata pass `max_chars`.
    """
    parameters = {"collection": collection_id, "after": after_key}
    return list(_bounded_rows(connection, _TEXTS, parameters, max_chars, ChangedText))


def changed_texts(connection: Connection, collection_id: int, after_seq: int, max_chars: int) -> list[ChangedText]:
    """Texts of the documents whose last change came after a seq, in the order of their seqs, without metadata.

    The list ends as that of `texts`.
    """
    parameters = {"collection": collection_id, "after": after_seq}
    return list(_bounded_rows(connection, _CHANGED_TEXTS, parameters, max_chars, ChangedText))


def changed_metadata(
    connection: Connection, collection_id: int, after_seq: int, max_chars: int
) -> list[ChangedMetadata]:
    """Metadata of the documents whose last change came after a seq, in the order of their seqs.

    The list ends as that of `texts`.
    """
    parameters = {"collection": collection_id, "after": after_seq}
    return list(_bounded_rows(connection, _CHANGED_METADATA, parameters, max_chars, ChangedMetadata))


def all_metadata(connection: Connection, collection_id: int, after_key: int, max_chars: int) -> list[ChangedMetadata]:
    """Metadata of the documents after a key, in the order of their keys; an empty list only at their end.

    The list ends as that of `texts`.
    """
    parameters = {"collection": collection_id, "after": after_key}
    return list(_bounded_rows(connection, _ALL_METADATA, parameters, max_chars, ChangedMetadata))


_Changed = TypeVar("_Changed", ChangedText, ChangedMetadata)


def _bounded_rows(
    connection: Connection,
    statement: Select[Any],
    parameters: dict[str, int],
    max_chars: int,
    made_of: type[_Changed],
) -> Iterator[_Changed]:
    """What the rows hold, ended by the one with which they pass `max_chars`."""
    n_chars = 0
    with connection.execute(statement, parameters, execution_options={"yield_per": FIRST_KEYS}) as rows:
        for row in rows:
            one = made_of(*row)
            yield one
            n_chars += one.n_chars
            if n_chars > max_chars:
                break


def deleted_keys(connection: Connection, collection_id: int, after_seq: int) -> list[int]:
    """Keys of the documents that were deleted after a seq, as far back as the collection's `compacted_seq`."""
    return [*connection.scalars(_DELETED, {"collection": collection_id, "after": after_seq})]


def compacted_seq(connection: Connection, collection_id: int) -> int:
    """The seq up to which deletions of documents may be noted no more; read after `deleted_keys`, of those read."""
    return connection.execute(_COMPACTED, {"collection": collection_id}).scalar() or 0


_TEXT_COLUMNS = (TABLE.c.key, TABLE.c.seq, TABLE.c.text, TABLE.c.title)
_METADATA_JSON = cast(TABLE.c.metadata, SqlText)
_METADATA_COLUMNS = (TABLE.c.key, TABLE.c.seq, _METADATA_JSON)


def _after_key(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(_OF_COLLECTION, TABLE.c.key > bindparam("after")).order_by(TABLE.c.key)


def _after_seq(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns).where(_OF_COLLECTION, TABLE.c.seq > bindparam("after")).order_by(TABLE.c.seq)


_TEXTS, _ALL_METADATA = _after_key(*_TEXT_COLUMNS, _METADATA_JSON), _after_key(*_METADATA_COLUMNS)
_CHANGED_TEXTS, _CHANGED_METADATA = _after_seq(*_TEXT_COLUMNS), _after_seq(*_METADATA_COLUMNS)
_DELETED = (
    select(schema.deletions.c.document_key)
    .where(schema.deletions.c.collection_id == bindparam("collection"), schema.deletions.c.seq > bindparam("after"))
    .order_by(schema.deletions.c.seq)
)
_COMPACTED = select(schema.collections.c.compacted_seq).where(schema.collections.c.id == bindparam("collection"))
