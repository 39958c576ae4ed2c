"""Word settings: how the texts of a collection become words, and words a rank; kept as JSON beside the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from service.errors import NotFound
from service.store import schema

TABLE = schema.collections


@dataclass(frozen=True, slots=True)
class WordSettings:
    """How words are found and weighed.

    Attributes:
        language: of stems and stop words: a code such as "en", "none", or "auto", which is decided from the documents.
        decided: what "auto" has been decided to be; None before there were documents.
        k1: how soon more occurrences of a word count no more, as in BM25.
        b: how much the length of a document counts, 0 to 1, as in BM25.
        title_weight: how many times an occurrence in the title counts, as in BM25F.
        synonyms: groups of words, or of phrases, of which a query with one finds the others.
    """

    language: str = "auto"
    decided: str | None = None
    k1: float = 1.2
    b: float = 0.75
    title_weight: float = 3.0
    synonyms: tuple[tuple[str, ...], ...] = ()

    @property
    def analyzer_language(self) -> str:
        """The language that words are analyzed by: that of the settings, or what was decided."""
        return (self.decided or "none") if self.language == "auto" else self.language

    @property
    def given(self) -> dict[str, Any]:
        """What a caller sets, as JSON."""
        values = asdict(self)
        del values["decided"]
        return values | {"synonyms": [list(group) for group in self.synonyms]}

    @classmethod
    def of_row(cls, stored: Mapping[str, Any] | None) -> WordSettings:
        """The settings of the column `words`; the defaults where it is null."""
        values = dict(stored or {})
        return cls(**values | {"synonyms": tuple(map(tuple, values.get("synonyms", ())))})

    def to_row(self) -> dict[str, Any]:
        """The settings for the column `words`."""
        return self.given | {"decided": self.decided}


def get(connection: Connection, collection_id: int) -> tuple[WordSettings, int]:
    """The settings of a collection and their version, which grows with each change.

    Raises:
        NotFound: the collection is gone.
    """
    return _of_row(connection.execute(_GET, {"collection": collection_id}).first(), collection_id)


def lock(connection: Connection, collection_id: int) -> tuple[WordSettings, int]:
    """As `get`, in a write transaction; nobody else changes them until it ends.

    Raises:
        NotFound: the collection is gone.
    """
    return _of_row(connection.execute(_LOCK, {"collection": collection_id}).first(), collection_id)


def put(connection: Connection, collection_id: int, settings: WordSettings) -> None:
    """Replace the settings of a collection; what follows it reads them anew."""
    connection.execute(_PUT, {"collection": collection_id, "new": settings.to_row()})


def _of_row(row: Any, collection_id: int) -> tuple[WordSettings, int]:
    if row is None:
        raise NotFound("collection", f"#{collection_id}")
    return WordSettings.of_row(row.words), row.words_version


_GET = select(TABLE.c.words, TABLE.c.words_version).where(
    TABLE.c.id == bindparam("collection"), TABLE.c.dropped_at.is_(None)
)
_LOCK = _GET.with_for_update(key_share=True)
_PUT = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("collection"))
    .values(words=bindparam("new", type_=TABLE.c.words.type), words_version=TABLE.c.words_version + 1)
)
