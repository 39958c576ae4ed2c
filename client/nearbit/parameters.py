"""Parameters of a search as the query of a URL has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def in_query(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as texts: a filter as JSON, lists with commas, `where` once for each condition, without None."""
    return {name: _text(name, value) for name, value in parameters.items() if value is not None}


def _text(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value) if name == "where" else ",".join(map(str, value))
    return value
