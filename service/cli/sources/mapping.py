"""Columns of a table as parts of documents: as a person names them, or as their names and values suggest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from service.errors import InvalidInput

_IDS = ("id", "_id", "doc_id", "docid", "document_id", "uuid", "key", "sku")
_TITLES = ("title", "name", "headline", "subject")
_TEXTS = ("text", "content", "body", "document", "abstract", "description", "summary", "message", "question", "comment")
_VECTORS = ("vector", "embedding")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_BOOLEANS = {"true": True, "false": False}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What a person says of the columns of a table; None leaves it to `ColumnMapping.guess`.

    Attributes:
        id: the one with ids.
        text: those that make the text; one named like a title becomes the title, where there is another.
        metadata: those that become fields of the metadata.
    """

    id: str | None = None
    text: Sequence[str] | None = None
    metadata: Sequence[str] | None = None

    @property
    def given(self) -> list[str]:
        """The options with which they were given."""
        return [f"--{name}" for name in ("id", "text", "metadata") if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which columns make which part of a document.

    Attributes:
        id: None: the service gives ids.
        title: None: documents have none.
        texts: joined by blank lines.
        vector: of numbers; None: documents are texts.
        metadata: each becomes the field of its name.
        numbers: those of the metadata whose texts are numbers, or true and false.
    """

    id: str | None
    title: str | None
    texts: tuple[str, ...]
    vector: str | None
    metadata: tuple[str, ...]
    numbers: frozenset[str]

    @classmethod
    def of(cls, columns: Sequence[str], sample: Sequence[Row], said: ColumnNames, name: str) -> ColumnMapping:
        """The mapping for a table: what was said, and for the rest a guess.

        Args:
            columns: their names, in order.
            sample: the first rows.
            said: what a person said.
            name: of the table.

        Raises:
            InvalidInput: there is no such column, or none that could be the text.
        """
        for column in (said.id, *(said.text or ()), *(said.metadata or ())):
            if column is not None and column not in columns:
                raise InvalidInput(f"{name} has no column {column!r}, it has: {', '.join(columns)}")
        id = said.id or _first(columns, _IDS)
        vector = _vector(columns, sample)
        left = [column for column in columns if column not in (id, vector)]
        texts = [*said.text] if said.text is not None else _guess_texts(left, sample, vector is not None)
        title = _first(texts, _TITLES) if len(texts) > 1 else None
        texts = [column for column in texts if column != title]
        if not texts and vector is None:
            raise InvalidInput(f"{name} must have a column of texts: name it with --text, it has: {', '.join(columns)}")
        used = {id, title, vector, *texts}
        metadata = tuple(said.metadata if said.metadata is not None else (c for c in columns if c not in used))
        numbers = frozenset(column for column in metadata if _are_numbers(row[column] for row in sample))
        return cls(id, title, tuple(texts), vector, metadata, numbers)

    def described(self) -> str:
        """The mapping in words."""
        parts = [f"id from {self.id}" if self.id else "ids made by the service"]
        parts += [f"title from {self.title}"] if self.title else []
        parts += [f"text from {', '.join(self.texts)}"] if self.texts else []
        parts += [f"vector from {self.vector}"] if self.vector else []
        parts.append(f"metadata from {', '.join(self.metadata)}" if self.metadata else "no metadata")
        return "; ".join(parts)

    def document(self, row: Row) -> dict[str, Any]:
        """The document of a row; empty values are left out."""
        document: dict[str, Any] = {}
        if self.id and not _is_empty(row[self.id]):
            document["id"] = str(row[self.id])
        title = "" if self.title is None or _is_empty(row[self.title]) else str(row[self.title])
        text = "\n\n".join(str(row[column]) for column in self.texts if not _is_empty(row[column]))
        if title and text:
            document["title"] = title
        if text or title:
            document["text"] = text or title
        if self.vector is not None and row[self.vector] is not None:
            document["vector"] = row[self.vector]
        metadata = {name: self._value(name, row[name]) for name in self.metadata if not _is_empty(row[name])}
        return document | ({"metadata": metadata} if metadata else {})

    def _value(self, column: str, value: Any) -> Any:
        if isinstance(value, str):
            return _typed(value) if column in self.numbers else value
        return _plain(value)


def _guess_texts(columns: Sequence[str], sample: Sequence[Row], has_vector: bool) -> list[str]:
    """The columns that are texts by their names; else the one with the longest texts."""
    text, title = _first(columns, _TEXTS), _first(columns, _TITLES)
    if text is not None:
        return [text] if title is None else [title, text]
    lengths = {column: _mean_length(row[column] for row in sample) for column in columns}
    longest = max(lengths, key=lambda column: lengths[column], default=None)
    if longest is None or lengths[longest] == 0 or has_vector:
        return []
    return [longest]


def _mean_length(values: Iterable[Any]) -> float:
    lengths = [len(value) for value in values if isinstance(value, str) and not _NUMBER.fullmatch(value)]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column whose name, in lower case, comes first among the names."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _vector(columns: Sequence[str], sample: Sequence[Row]) -> str | None:
    named = _first(columns, _VECTORS)
    is_list = named is not None and any(isinstance(row[named], list) for row in sample)
    return named if is_list else None


def _are_numbers(values: Iterable[Any]) -> bool:
    given = [value for value in values if isinstance(value, str) and value != ""]
    return bool(given) and all(_NUMBER.fullmatch(value) or value.lower() in _BOOLEANS for value in given)


def _typed(value: str) -> int | float | bool | str:
    if _INTEGER.fullmatch(value):
        return int(value)
    if _NUMBER.fullmatch(value):
        return float(value)
    return _BOOLEANS.get(value.lower(), value)


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return str(value)
