from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.supervision import Supervision
from training.models.losses import NAMED

N = 8
LABELS = st.lists(st.lists(st.sampled_from("abc"), max_size=2), min_size=N, max_size=N)
PAIRS = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1), st.booleans()), max_size=6)
ROWS = st.lists(st.integers(0, N - 1), min_size=1, max_size=10)


def said(labels: list[list[str]], pairs: list[tuple[int, int, bool]], a: int, b: int) -> int:
    """What is known of two documents, by the definition."""
    if a == b:
        return 0
    named = [alike for *ends, alike in pairs if sorted(ends) == sorted((a, b))]
    if named:
        return round(NAMED) if named[-1] else -round(NAMED)
    if not labels[a] or not labels[b]:
        return 0
    return 1 if set(labels[a]) & set(labels[b]) else -1


@given(LABELS, PAIRS, ROWS)
def test_known_pairs_are_those_that_share_a_label_or_were_named(
    labels: list[list[str]], pairs: list[tuple[int, int, bool]], rows: list[int]
) -> None:
    known = Supervision.of(labels, pairs).known(np.array(rows))
    assert known.tolist() == [[said(labels, pairs, a, b) for b in rows] for a in rows]


@given(LABELS, PAIRS, st.lists(st.integers(0, N - 1), min_size=1, unique=True))
def test_what_is_known_of_some_documents_is_what_is_known_of_them_among_all(
    labels: list[list[str]], pairs: list[tuple[int, int, bool]], kept: list[int]
) -> None:
    whole, rows = Supervision.of(labels, pairs), np.array(kept)
    assert np.array_equal(whole.among(rows).known(np.arange(len(rows))), whole.known(rows))


@given(LABELS, PAIRS, st.integers(4, 40))
def test_drawn_documents_are_ones_of_which_something_is_known(
    labels: list[list[str]], pairs: list[tuple[int, int, bool]], n: int
) -> None:
    whole = Supervision.of(labels, pairs)
    if not whole.n_labelled and not whole.n_pairs:
        return
    drawn = whole.drawn(n, np.random.default_rng(1))
    named = {row for a, b, _ in pairs if a != b for row in (a, b)}
    assert n - 1 <= len(drawn) <= n
    assert {*drawn.tolist()} <= named | {row for row in range(N) if labels[row]}


def test_supervision_says_something_if_two_documents_share_a_label_or_a_pair_was_named() -> None:
    assert not Supervision.of([["a"], ["b"], []]).says_something
    assert Supervision.of([["a"], ["b"], ["a", "c"]]).says_something
    assert Supervision.of([[], []], [(0, 1, False)]).says_something
