"""Response bodies: JSON, written without holding the event loop.

Writing JSON keeps the interpreter's lock for as long as one call takes, so a large body is written and sent in parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi import Response
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python
from starlette.types import Receive, Scope, Send

from service.store.document_summaries import DocumentSummary
from service.threads import run_in_large_thread

_PART_BYTES = 256 << 10
_SHORT_MATCHES, _SHORT_CHARS = 1_000, 1_000_000


def json_response(content: object, status: int = 200) -> Response:
    """Models, lists and dictionaries as a response."""
    return Response(json_bytes(content), status, media_type="application/json")


def json_bytes(content: object) -> bytes:
    """Models, lists and dictionaries as JSON.

    The fast writer refuses deep nesting, which metadata stored by an earlier release may have: then `json` writes it.
    """
    try:
        return to_json(content)
    except PydanticSerializationError:
        return json.dumps(content, ensure_ascii=False, default=_to_plain).encode("utf-8")


def _to_plain(value: Any) -> object:
    """A model as its members, anything else as the fast writer writes it."""
    return dict(value) if hasattr(value, "model_fields_set") else to_jsonable_python(value)


def object_pieces(
    name: str, items: Iterable[Iterable[bytes]], members: dict[str, Any] | None = None
) -> Iterator[bytes]:
    """The pieces of a JSON object whose first member is a long list, each item of it in pieces.

    Args:
        name: of the list.
        items: the pieces of each item.
        members: further members, which follow the list.
    """
    yield f'{{"{name}":['.encode("ascii")
    for position, item in enumerate(items):
        if position:
            yield b","
        yield from item
    yield b"]," + json_bytes(members)[1:] if members else b"]}"


def are_short(results: Sequence[Sequence[DocumentSummary]]) -> bool:
    """Whether writing the documents of results takes a few milliseconds at most."""
    if sum(map(len, results)) > _SHORT_MATCHES:
        return False
    return sum(document.n_chars for documents in results for document in documents) <= _SHORT_CHARS


def join_pieces(pieces: Iterable[bytes]) -> list[bytes]:
    """The pieces joined into parts of a few hundred kilobytes, which can be sent one by one."""
    parts: list[bytes] = []
    part: list[bytes] = []
    n_bytes = 0
    for piece in pieces:
        part.append(piece)
        n_bytes += len(piece)
        if n_bytes >= _PART_BYTES:
            parts.append(b"".join(part))
            part, n_bytes = [], 0
    return [*parts, b"".join(part)]


class JsonPartsResponse(Response):
    """JSON in parts; each is sent when the connection can take it, and other requests run in between."""

    media_type = "application/json"

    def __init__(self, parts: Sequence[bytes], status_code: int = 200) -> None:
        super().__init__(b"", status_code, {"content-length": str(sum(map(len, parts)))})
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts:
            for start in range(0, len(part), _PART_BYTES):
                piece = part[start : start + _PART_BYTES]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def pieces_response(pieces: Iterable[bytes], results: Sequence[Sequence[DocumentSummary]]) -> Response:
    """Pieces of JSON as a response; where the documents of the results are long, they are written in a thread."""
    if are_short(results):
        return Response(b"".join(pieces), media_type="application/json")
    return JsonPartsResponse(await run_in_large_thread(lambda: join_pieces(pieces)))
