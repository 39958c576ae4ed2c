"""Lines of JSON, one value each."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from service.errors import InvalidInput

_JSON_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}


def parse_object(number: int, raw: bytes) -> dict[str, Any]:
    """A line as a JSON object.

    Args:
        number: of the line; the first one may begin with a byte order mark.
        raw: its bytes.

    Raises:
        InvalidInput: it is not one JSON object in UTF-8.
    """
    document = parse_json(number, raw)
    if not isinstance(document, dict):
        raise InvalidInput(f"must be a JSON object, got {_JSON_NAMES.get(type(document), 'null')}")
    return document


def parse_json(number: int, raw: bytes) -> Any:
    """A line as JSON; see `parse_object`."""
    try:
        return _DECODER.decode(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"must be UTF-8, got byte {raw[error.start]:#04x} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"must be JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise InvalidInput(f"must be JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("must be JSON that is not nested so deeply") from None


def _refuse_number(name: str) -> NoReturn:
    raise InvalidInput(f"must be JSON, which has no number {name}")


_DECODER = json.JSONDecoder(parse_constant=_refuse_number)  # json.loads would make one for each line
