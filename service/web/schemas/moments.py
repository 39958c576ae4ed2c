"""Times in bodies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def _is_text(moment: object) -> object:
    """Refuse numbers, which pydantic would take for seconds of the epoch, and texts that are such numbers."""
    if not isinstance(moment, str | datetime) or (isinstance(moment, str) and "T" not in moment.upper()):
        raise ValueError("must be a time as in RFC 3339, such as 2026-12-31T23:59:59Z")
    return moment


def _in_milliseconds(moment: datetime) -> datetime:
    """The moment as both databases keep it."""
    if not _FIRST <= moment <= _LAST:
        raise ValueError("must lie between the years 1970 and 9999")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_in_milliseconds),
    BeforeValidator(_is_text, json_schema_input_type=datetime),
]
"""A time in a body, as RFC 3339 writes it."""
EXPIRES_AT = "From then on it is not found, and soon deleted: RFC 3339, with an offset. Null for never."
