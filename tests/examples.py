"""How many examples hypothesis draws: three fifths of the number in `make test-long`, a quarter in `make test`."""

from __future__ import annotations

from hypothesis import settings

ALL, THOROUGH, QUICK = 100, 60, 25
"""Examples of a test that names no number: all that it might, and in the profiles of those names."""


def examples(n: int) -> settings:
    """A test's settings: a part of n examples, which part the profile says."""
    return settings(max_examples=max(1, n * settings().max_examples // ALL))
