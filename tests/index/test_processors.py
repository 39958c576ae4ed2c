"""The loops compiled for processors of other kinds, as far as this one runs them, answer as numpy does."""

from __future__ import annotations

WITHOUT_AVX512 = ("haswell", "znver3")
TESTS = ("tests/index/words", "tests/index/columns")
