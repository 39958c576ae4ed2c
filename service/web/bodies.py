"""Bodies of requests and answers, without holding the event loop: parsing and writing out JSON keep the interpreter's
lock for as long as one call takes, so large bodies are parsed in a thread, and large answers are written in parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import InvalidInput
from service.threads import run_in_large_thread
from service.web.json_answer import json_bytes
from service.web.problems import unreadable

_SMALL_BYTES = 64 << 10
_PART_BYTES = 256 << 10
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")

Model = TypeVar("Model", bound=BaseModel)


async def read_body(
    request: Request, model: type[Model], max_items: int, check: Callable[[Model], None] | None = None
) -> Model:
    """The body of a request, checked against its model, and by `check`.

    Args:
        request: its body may be as long as the installation allows.
        model: what the body must be.
        max_items: most items of a list that is a member of the body.
        check: further rules.

    Raises:
        RequestValidationError: it is no JSON, of another media type, or not as the model says.
        InvalidInput: a list is too long.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await request.body()
    if content and not (media_type.startswith("application/") and media_type.endswith(("/json", "+json"))):
        raise RequestValidationError([], body=content)
    if len(content) <= _SMALL_BYTES:
        return _read(content, model, max_items, check)
    return await run_in_large_thread(_read, content, model, max_items, check)


def _read(content: bytes, model: type[Model], max_items: int, check: Callable[[Model], None] | None) -> Model:
    parsed = None
    if content:
        parsed = _parsed(content) if len(content) <= _SMALL_BYTES else _parsed_by_items(content, max_items)
    if isinstance(parsed, dict):
        for name, value in parsed.items():
            if isinstance(value, list) and len(value) > max_items:
                raise InvalidInput(f"{name} must be at most {max_items} per request, got {len(value)}")
    try:
        found = model.model_validate(parsed)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None
    if check is not None:
        check(found)
    return found


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise _no_json(f"{error.msg} at {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise _no_json(unreadable(error)) from None


def _no_json(reason: str) -> RequestValidationError:
    fault = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error", "input": {}}
    return RequestValidationError([{**fault, "ctx": {"error": reason}}])


def _parsed_by_items(content: bytes, max_items: int) -> Any:
    """The same for a long object: the items of its lists are parsed one by one, and others have their turn between."""
    try:
        return _object_of_lists(content.decode("utf-8"), max_items)
    except (ValueError, IndexError, RecursionError):  # no such object, or no JSON: one call says what is wrong
        return _parsed(content)


def _object_of_lists(text: str, max_items: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = _expected(text, 0, "{")
    while True:
        name, at = _DECODER.raw_decode(text, _after_space(text, at))
        if not isinstance(name, str):
            raise ValueError
        at = _after_space(text, _expected(text, at, ":"))
        found[name], at = _list_at(name, text, at, max_items) if text[at] == "[" else _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == "}":
            break
        at = _expected(text, at, ",")
    if _after_space(text, at + 1) != len(text):
        raise ValueError
    return found


def _list_at(name: str, text: str, at: int, max_items: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    at = _after_space(text, at + 1)
    if text[at] == "]":
        return items, at + 1
    while True:
        item, at = _DECODER.raw_decode(text, at)
        items.append(item)
        if len(items) > max_items:
            raise InvalidInput(f"{name} must be at most {max_items} per request, got more")
        at = _after_space(text, at)
        if text[at] == "]":
            return items, at + 1
        at = _after_space(text, _expected(text, at, ","))


def _expected(text: str, at: int, sign: str) -> int:
    at = _after_space(text, at)
    if text[at] != sign:
        raise ValueError
    return at + 1


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def declared_body(model: type[BaseModel]) -> dict[str, Any]:
    """The body as OpenAPI declares it, for a route's `openapi_extra`; the app adds the model's schema."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {"requestBody": {"required": True, "content": content}}


def object_of(name: str, items: Iterable[Iterable[bytes]], members: dict[str, Any] | None = None) -> Iterator[bytes]:
    """The pieces of a JSON object: a list of that name, each item of it in pieces, before other members."""
    yield f'{{"{name}":['.encode("ascii")
    for place, item in enumerate(items):
        if place:
            yield b","
        yield from item
    yield b"]," + json_bytes(members)[1:] if members else b"]}"


def in_parts(pieces: Iterable[bytes]) -> list[bytes]:
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


class JsonParts(Response):
    """JSON that is there in parts: each is sent when the connection takes it, and others have their turn between."""

    media_type = "application/json"

    def __init__(self, parts: Sequence[bytes], status_code: int = 200) -> None:
        super().__init__(b"", status_code, {"content-length": str(sum(map(len, parts)))})
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts:
            for start in range(0, len(part), _PART_BYTES):
                piece = part[start : start + _PART_BYTES]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
