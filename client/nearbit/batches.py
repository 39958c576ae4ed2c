"""Documents cut into requests, by number and by bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from nearbit.errors import InvalidInput

MOST_DOCUMENTS = 500
MOST_BYTES = 4 << 20

NewDocument = str | Mapping[str, Any]
"""A text, or the members of a document: `id`, `text`, `title`, `metadata`, `vector`, `image`, `expires_at`."""


class Batch(NamedTuple):
    """Documents of one request, as JSON."""

    body: bytes
    n_documents: int


def batches_of(
    documents: Iterable[NewDocument], most_documents: int = MOST_DOCUMENTS, most_bytes: int = MOST_BYTES
) -> Iterator[Batch]:
    """The bodies of the requests that put documents, in their order.

    A document that is longer than `most_bytes` has a request of its own. It reads no further than one document ahead.

    Raises:
        InvalidInput: a document is not valid JSON, or of another type.
    """
    lines: list[bytes] = []
    n_bytes = 0
    for document in documents:
        line = to_json(document_of(document))
        if lines and (len(lines) >= most_documents or n_bytes + len(line) > most_bytes):
            yield _batch(lines)
            lines, n_bytes = [], 0
        lines.append(line)
        n_bytes += len(line) + 1
    if lines:
        yield _batch(lines)


def document_of(document: NewDocument) -> Mapping[str, Any]:
    """The members of a document; a text is a document without an id.

    Raises:
        InvalidInput: it is something else.
    """
    if isinstance(document, str):
        return {"text": document}
    if isinstance(document, Mapping):
        return document
    raise InvalidInput(f"a document must be a text or a mapping, got {type(document).__name__}")


def to_json(value: object) -> bytes:
    """A value as JSON in UTF-8.

    Raises:
        InvalidInput: JSON cannot represent it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:  # lone surrogates too: UnicodeEncodeError
        raise InvalidInput(f"cannot be sent as JSON: {error}") from None


def _batch(lines: list[bytes]) -> Batch:
    return Batch(b'{"documents":[' + b",".join(lines) + b"]}", len(lines))
