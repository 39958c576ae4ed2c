"""Request bodies: JSON, parsed and checked against a model without holding the event loop.

Parsing JSON keeps the interpreter's lock for as long as one call takes, so a large body is parsed in a thread, and
there item by item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from service.errors import InvalidInput
from service.threads import run_in_large_thread
from service.web.problems import unreadable

_SMALL_BYTES = 64 << 10
_DECODER = json.JSONDecoder()
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")

Model = TypeVar("Model", bound=BaseModel)


async def read_json_body(
    request: Request, model: type[Model], max_items: int, check: Callable[[Model], None] | None = None
) -> Model:
    """The body of a request as a model.

    Args:
        request: its body may be as long as the installation allows.
        model: what the body must be.
        max_items: greatest length of each list that is a member of the body.
        check: raises if the model breaks a further rule; it runs where the body is parsed, so it may take long.

    Raises:
        RequestValidationError: the body is not JSON, has another media type, or breaks a rule of the model.
        InvalidInput: a list is too long.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await request.body()
    if content and not (media_type.startswith("application/") and media_type.endswith(("/json", "+json"))):
        raise RequestValidationError([], body=content)
    if len(content) <= _SMALL_BYTES:
        return parse_model(content, model, max_items, check)
    return await run_in_large_thread(parse_model, content, model, max_items, check)


def openapi_body(model: type[BaseModel]) -> dict[str, Any]:
    """The body as OpenAPI declares it, for a route's `openapi_extra`; the app adds the model's schema."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {"requestBody": {"required": True, "content": content}}


def parse_model(content: bytes, model: type[Model], max_items: int, check: Callable[[Model], None] | None) -> Model:
    """JSON as a model; see `read_json_body`. Blocks."""
    parsed = None
    if content:
        parsed = _parse(content) if len(content) <= _SMALL_BYTES else _parse_by_items(content, max_items)
    if isinstance(parsed, dict):
        for name, value in parsed.items():
            if isinstance(value, list) and len(value) > max_items:
                raise InvalidInput(f"{name} must be at most {max_items} per request, got {len(value)}")
    try:
        body = model.model_validate(parsed)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None
    if check is not None:
        check(body)
    return body


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise _not_json(unreadable(error)) from None


def _not_json(reason: str) -> RequestValidationError:
    fault = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error", "input": {}}
    return RequestValidationError([{**fault, "ctx": {"error": reason}}])


def _parse_by_items(content: bytes, max_items: int) -> Any:
    """Parse a large object; the items of its lists are parsed one by one, so that other threads run in between."""
    try:
        return _parse_object(content.decode("utf-8"), max_items)
    except (ValueError, IndexError, RecursionError):  # not such an object, or not JSON: the parser says what is wrong
        return _parse(content)


def _parse_object(text: str, max_items: int) -> dict[str, Any]:
    members: dict[str, Any] = {}
    position = _skip_sign(text, 0, "{")
    while True:
        name, position = _DECODER.raw_decode(text, _skip_white_space(text, position))
        if not isinstance(name, str):
            raise ValueError
        position = _skip_white_space(text, _skip_sign(text, position, ":"))
        if text[position] == "[":
            members[name], position = _parse_list(name, text, position, max_items)
        else:
            members[name], position = _DECODER.raw_decode(text, position)
        position = _skip_white_space(text, position)
        if text[position] == "}":
            break
        position = _skip_sign(text, position, ",")
    if _skip_white_space(text, position + 1) != len(text):
        raise ValueError
    return members


def _parse_list(name: str, text: str, position: int, max_items: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    position = _skip_white_space(text, position + 1)
    if text[position] == "]":
        return items, position + 1
    while True:
        item, position = _DECODER.raw_decode(text, position)
        items.append(item)
        if len(items) > max_items:
            raise InvalidInput(f"{name} must be at most {max_items} per request, got more")
        position = _skip_white_space(text, position)
        if text[position] == "]":
            return items, position + 1
        position = _skip_white_space(text, _skip_sign(text, position, ","))


def _skip_sign(text: str, position: int, sign: str) -> int:
    """The position after that sign, which must be the next but for white space; ValueError otherwise."""
    position = _skip_white_space(text, position)
    if text[position] != sign:
        raise ValueError
    return position + 1


def _skip_white_space(text: str, position: int) -> int:
    white_space = _WHITE_SPACE.match(text, position)
    return position if white_space is None else white_space.end()
