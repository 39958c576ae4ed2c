"""Dates: which texts are dates, and the instant that each stands for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NO_DATE = -(1 << 63)
"""Stands for an instant where a text is no date."""

_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII | re.IGNORECASE
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant_of(text: str) -> int:
    """Microseconds since 1970 UTC of a date or a date with time (ISO 8601); `NO_DATE` if the text is none.

    A text without zone is one of UTC; what is finer than a microsecond is cut off.
    """
    if not text[:1].isdigit() or _DATE.fullmatch(text) is None:
        return NO_DATE
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:  # the 30th of February
        return NO_DATE
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND
