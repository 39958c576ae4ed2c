"""Which texts are dates, and which instants they stand for."""

from __future__ import annotations

import pytest

from service.index.columns.dates import NO_DATE, instant_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-30", "2026-11-30T00:00:00Z"),
        ("2026-11-30T14:05", "2026-11-30 14:05:00+00:00"),
        ("2026-11-30T16:05:00+02:00", "2026-11-30T14:05:00Z"),
        ("2026-11-30T16:05:00+0200", "2026-11-30T14:05:00z"),
        ("2026-11-30T16:05:00+02", "2026-11-30t14:05:00.000"),
        ("2026-11-30T14:05:00.5Z", "2026-11-30T14:05:00,500000999Z"),
    ],
)
def test_texts_of_one_instant(one: str, other: str) -> None:
    assert instant_of(one) == instant_of(other) != NO_DATE


def test_instants_are_microseconds_since_1970() -> None:
    assert instant_of("1970-01-01") == 0
    assert instant_of("1970-01-01T00:00:00.000001Z") == 1
    assert instant_of("1969-12-31") == -86_400_000_000
    assert instant_of("0001-01-01") < instant_of("9999-12-31T23:59:59.999999Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-11",
        "20261130",
        "2026-02-30",
        "2026-11-30T25:00",
        "2026-W48-1",
        "2026-11-30T",
        "2026-11-30Z",
        "x2026-11-30",
        "2026-11-30 ",
        "\u0662026-11-30",
        "0001-01-01T00:00:00+23:59x",
        "2026-11-30T14:05:00+99:00",
    ],
)
def test_other_texts_are_no_dates(text: str) -> None:
    assert instant_of(text) == NO_DATE
