"""How many examples hypothesis draws: two fifths of the number in `make test-long`, a fifth in `make test`."""

from __future__ import annotations

from hypothesis import settings

ALL, THOROUGH, QUICK = 100, 40, 20
"""Examples of a test that names no number: all that it might, and in the profiles of those names."""


def examples(n: int) -> settings:
    """A test's settings: a part of n examples, which part the profile says."""
    return settings(max_examples=max(1, n * settings().max_examples // ALL))
