"""Answers as JSON, whatever was stored."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python


def json_answer(content: object, status: int = 200) -> Response:
    """Models, lists and dictionaries as a response."""
    return Response(json_bytes(content), status, media_type="application/json")


def json_bytes(content: object) -> bytes:
    """Models, lists and dictionaries as JSON.

    Metadata that an earlier release stored may be nested deeper than the fast writer goes; the slow one writes it.
    """
    try:
        return to_json(content)
    except PydanticSerializationError:
        return json.dumps(content, ensure_ascii=False, default=_plain).encode("utf-8")


def _plain(value: Any) -> object:
    """A model as its members, anything else as the fast writer writes it."""
    return dict(value) if hasattr(value, "model_fields_set") else to_jsonable_python(value)
