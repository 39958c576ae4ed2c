"""Diverse matches are chosen one by one, each as the definition says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.search.diversity import diverse_order


def chosen_slowly(relevance: list[Fraction], codes: list[bytes | None], diversity: Fraction, n: int) -> list[int]:
    """Maximal marginal relevance in fractions, which are never rounded."""
    chosen: list[int] = []
    while len(chosen) < min(n, len(relevance)):
        gains = {
            place: (1 - diversity) * relevance[place]
            - diversity * max((like(codes, place, it) for it in chosen), default=0)
            for place in range(len(relevance))
            if place not in chosen
        }
        chosen.append(max(gains, key=lambda place: (gains[place], -place)))
    return chosen + [place for place in range(len(relevance)) if place not in chosen]


def like(codes: list[bytes | None], one: int, other: int) -> Fraction:
    mine, theirs = codes[one], codes[other]
    if mine is None or theirs is None:
        return Fraction(0)
    differ = (int.from_bytes(mine) ^ int.from_bytes(theirs)).bit_count()
    return 1 - Fraction(differ, 8 * len(mine))


@given(
    st.integers(0, 30),
    st.sampled_from([1, 3, 8, 9, 16, 32, 64]),
    st.sampled_from([0, 1, 3, 5, 9, 10]),
    st.integers(0, 35),
    st.integers(0, 2**32 - 1),
)
def test_each_next_match_is_the_best_beside_those_chosen(
    n_candidates: int, n_bytes: int, tenths: int, n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.choice(rng.integers(0, 256, (4, n_bytes), dtype=np.uint8), n_candidates)
    codes[:, -1] ^= rng.integers(0, 8, n_candidates, dtype=np.uint8)
    has_code = rng.random(n_candidates) < 0.8
    shares = -np.sort(-rng.integers(0, 65, n_candidates))
    held = [code.tobytes() if is_held else None for code, is_held in zip(codes, has_code, strict=True)]
    expected = chosen_slowly([Fraction(int(one), 64) for one in shares], held, Fraction(tenths, 10), n)
    assert diverse_order(shares / 64, codes, has_code, tenths / 10, n).tolist() == expected
