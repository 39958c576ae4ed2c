"""Bodies of several parts, multipart/form-data (RFC 7578), which are in memory already: size and parts are bounded."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value
from typing import NamedTuple

from service.errors import InvalidInput

MULTIPART = "multipart/form-data"
_MAX_HEAD_BYTES = 8_192
_MAX_BOUNDARY_CHARS = 70
_END_OF_HEAD = b"\r\n\r\n"


class Part(NamedTuple):
    """A part of a body: the name of its field, and what it holds."""

    name: str
    content: bytes


def read_parts(content_type: str, body: bytes, max_parts: int) -> list[Part]:
    """The parts of a body, in their order.

    Args:
        content_type: of the request, which names the boundary between parts.
        body: all of it.
        max_parts: most parts that it may have.

    Raises:
        InvalidInput: it is no such body, or has too many parts.

    Cost: linear in the body, which is copied once.
    """
    boundary = b"\r\n--" + _boundary_of(content_type)
    body = b"\r\n" + body
    start = body.find(boundary)
    parts: list[Part] = []
    while start >= 0:
        begin = start + len(boundary)
        if body.startswith(b"--", begin):
            return parts
        if len(parts) == max_parts:
            raise InvalidInput(f"the body must have at most {max_parts} parts, got more")
        start = body.find(boundary, begin)
        if start >= 0:
            parts.append(_part(body, begin, start, len(parts)))
    raise InvalidInput(f"the body must be {MULTIPART} that ends with its boundary")


def without_boundary(content_type: str, body: bytes) -> bytes:
    """A body without the boundary between its parts, which clients draw anew each time that they send the same parts.

    Raises:
        InvalidInput: the type names no boundary.

    Cost: linear in the body, which is copied.
    """
    return body.replace(b"--" + _boundary_of(content_type), b"--")


def _boundary_of(content_type: str) -> bytes:
    head = Message()
    head["Content-Type"] = content_type
    boundary = head.get_boundary()
    if not boundary or len(boundary) > _MAX_BOUNDARY_CHARS or not boundary.isascii():
        raise InvalidInput(f"Content-Type {MULTIPART} must name a boundary of 1 to {_MAX_BOUNDARY_CHARS} characters")
    return boundary.encode("ascii")


def _part(body: bytes, begin: int, end: int, position: int) -> Part:
    head_end = body.find(_END_OF_HEAD, begin, min(end, begin + _MAX_HEAD_BYTES))
    if head_end < 0:
        raise InvalidInput(f"part {position} of the body must begin with a head of at most {_MAX_HEAD_BYTES} bytes")
    head = BytesHeaderParser().parsebytes(body[begin:head_end].lstrip())
    name = head.get_param("name", header="Content-Disposition")
    if name is None:
        raise InvalidInput(f"part {position} of the body must have a Content-Disposition with a name")
    return Part(collapse_rfc2231_value(name), body[head_end + len(_END_OF_HEAD) : end])
