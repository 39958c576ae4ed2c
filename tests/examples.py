"""How many examples hypothesis draws: the whole number in `make test-long`, a quarter of it in `make test`."""

from __future__ import annotations

from hypothesis import settings

THOROUGH, QUICK = 100, 25
"""Examples of a test that names no number, in the profiles of those names."""


def examples(n: int) -> settings:
    """A test's settings: n examples in the profile `thorough`, fewer in `quick`."""
    return settings(max_examples=max(1, n * settings().max_examples // THOROUGH))
