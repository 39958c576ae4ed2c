"""Summaries of documents, for answers, and their contents: many at a time, bounded in characters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Connection

from service.hashing.content import Content, from_row
from service.store.bounded_reads import bounded, length
from service.store.documents import Keys, integers
from service.store.statements import DriverQuery

_PARSED_TOGETHER, _CHARS_TOGETHER = 1_000, 200_000


class DocumentSummary(NamedTuple):
    """What an answer shows of a stored document: no content, title and metadata where they were not asked for.

    The content is what can be read of it, a text; None where there is none: vectors and pictures are not read.
    `n_chars` is the length of text, title and metadata, as stored, in characters.
    """

    key: int
    id: str
    content: Content | None
    metadata: dict[str, Any]
    title: str | None = None
    n_chars: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """Which of a document's content, metadata and title an answer shows; `text` is the content."""

    text: bool = True
    metadata: bool = True
    title: bool = True


ALL_SHOWN = Shown()


def summaries(
    connection: Connection, keys: Keys, max_chars: int | None = None, shown: Shown = ALL_SHOWN
) -> dict[int, DocumentSummary]:
    """What to show of the documents that still exist among those keys, by key, whatever collection they are in.

    Raises:
        TooMuchToRead: content and metadata have more than `max_chars` characters in all; it stops reading there.
    """
    rows = bounded(_SUMMARIES[shown], connection, integers(keys), max_chars, n_measured=3)
    metadata = parsed([row[-1] for row in rows])
    return {
        key: DocumentSummary(
            key,
            id,
            None if text is None else from_row(text, None, title),
            about,
            title,
            length(text, title, json),
        )
        for (key, id, text, title, json), about in zip(rows, metadata, strict=True)
    }


def contents(connection: Connection, keys: Keys, max_chars: int | None = None) -> dict[int, tuple[int, Content]]:
    """Revision and content of the documents that still exist among those keys, whatever collection they are in.

    Raises:
        TooMuchToRead: the contents have more than `max_chars` characters in all; it stops reading there.
    """
    rows = bounded(_CONTENTS, connection, integers(keys), max_chars, n_measured=3)
    return {key: (revision, from_row(text, data, title)) for key, revision, text, data, title in rows}


def parsed(metadata: list[str]) -> Iterator[dict[str, Any]]:
    """Metadata from JSON; short ones together, in half the time of one by one. Never holds the lock for long."""
    for start in range(0, len(metadata), _PARSED_TOGETHER):
        part = metadata[start : start + _PARSED_TOGETHER]
        if sum(map(len, part)) > _CHARS_TOGETHER:  # parsing holds the interpreter's lock
            yield from map(json.loads, part)
        else:
            yield from json.loads(f"[{','.join(part)}]")


def _summaries(shown: Shown) -> DriverQuery:
    content = "text" if shown.text else "NULL"
    content += ", title" if shown.title else ", NULL"
    metadata = "metadata" if shown.metadata else "'{}'"
    return DriverQuery(
        sqlite=f"SELECT key, id, {content}, {metadata} FROM documents WHERE key IN (SELECT value FROM json_each(?))",  # noqa: S608
        postgresql=f"SELECT key, id, {content}, {metadata}::text FROM documents WHERE key = ANY(%s)",  # noqa: S608
    )


_SUMMARIES = {Shown(*chosen): _summaries(Shown(*chosen)) for chosen in product((True, False), repeat=3)}
_CONTENTS = DriverQuery(
    sqlite="SELECT key, revision, text, content, title FROM documents WHERE key IN (SELECT value FROM json_each(?))",
    postgresql="SELECT key, revision, text, content, title FROM documents WHERE key = ANY(%s)",
)
