"""Entity tags: `ETag` of a document or of a whole answer, and the conditions `If-Match` and `If-None-Match`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Header

from service.errors import InvalidInput
from service.store.if_match import IfMatch, tag_of

IfMatchHeader = Annotated[
    str | None,
    Header(
        description="Refuse the call (412) unless the document has this `ETag`, or this revision in quotation marks; "
        "several with commas between them; `*`: unless it exists.",
        max_length=1_000,
    ),
]
ETAG_HEADER: dict[str, Any] = {"ETag": {"description": "For `If-Match`.", "schema": {"type": "string"}}}
"""The `headers` of a response with the tag of a document."""
IfNoneMatchHeader = Annotated[
    str | None,
    Header(description="Answer 304 without a body if the answer has one of these `ETag`s.", max_length=1_000),
]
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAGS = re.compile(rf"[ \t]*(?:{_TAG.pattern})(?:[ \t]*,[ \t]*(?:{_TAG.pattern}))*[ \t]*")


def etag(key: int, revision: int) -> str:
    """The `ETag` of a document at a revision."""
    return f'"{tag_of(key, revision)}"'


def is_among(header: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header, if there is one, has a tag, given without its quotation marks."""
    if header is None:
        return False
    return header.strip() == "*" or f'"{tag}"' in (one.removeprefix("W/") for one in _TAG.findall(header))


def read_if_match(header: str | None) -> IfMatch | None:
    """The condition of an `If-Match` header; None without one. Weak tags never match, as RFC 9110 says.

    Raises:
        InvalidInput: it is no list of tags.
    """
    if header is None:
        return None
    if header.strip() == "*":
        return IfMatch(None)
    if _TAGS.fullmatch(header) is None:
        raise InvalidInput(f'If-Match must be * or tags in quotation marks, as in "12-3", got {header[:80]!r}')
    tags = _TAG.findall(header)
    return IfMatch(frozenset(tag[1:-1] for tag in tags if not tag.startswith("W/")))
