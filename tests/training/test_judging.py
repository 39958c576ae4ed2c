from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.codes import pack
from training.data.split import Split
from training.data.supervision import Supervision
from training.judging import LEAST, Questions

N, N_BITS = 40, 8
TRAIN, VALIDATION, HELD_OUT = np.arange(20), np.arange(20, 25), np.arange(25, 40)
PARTS = Split(TRAIN, VALIDATION, HELD_OUT)


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int((a != b).sum())


@given(seed=st.integers(0, 1_000), shortlist=st.integers(1, 30))
def test_precision_by_label_is_that_of_all_orders_in_which_ties_may_come(seed: int, shortlist: int) -> None:
    rng = np.random.default_rng(seed)
    bits, labels = rng.integers(2, size=(N, N_BITS)).astype(bool), rng.integers(3, size=N)
    database = np.concatenate([TRAIN, VALIDATION])
    questions = Questions.of(Supervision.of([[str(label)] for label in labels]), PARTS, HELD_OUT, database)
    found = questions.answers(pack(bits[HELD_OUT]), pack(bits[database]), pack(bits[:0]), shortlist)["label"]
    assert len(found) == len(questions.queries)
    for share, place in zip(found, questions.queries, strict=True):
        query = HELD_OUT[place]
        far = np.array([distance(bits[query], bits[row]) for row in database])
        expected = 0.0
        for row, own in zip(database, far, strict=True):
            nearer, level = (far < own).sum(), (far == own).sum()
            expected += (labels[row] == labels[query]) * min(max((shortlist - nearer) / level, 0), 1)
        assert share == pytest.approx(expected / min(shortlist, len(database)))


@given(seed=st.integers(0, 1_000))
def test_pairs_are_judged_by_how_many_documents_are_on_their_right_side(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.integers(2, size=(N, N_BITS)).astype(bool)
    said = {(int(min(ends)), int(max(ends))): bool(rng.integers(2)) for ends in rng.integers(N, size=(60, 2))}
    pairs = [(a, b, similar) for (a, b), similar in said.items() if a != b]
    database = np.concatenate([TRAIN, VALIDATION])
    questions = Questions.of(Supervision.of([[] for _ in range(N)], pairs), PARTS, HELD_OUT, database)
    asked = {(a, b): similar for a, b, similar in pairs if b >= len(TRAIN)}  # at least one is no training document
    assert {tuple(ends) for ends in questions.pairs.tolist()} == set(asked)
    found = questions.answers(pack(bits[HELD_OUT]), pack(bits[database]), pack(bits[questions.named]), 10)
    assert len(asked) >= LEAST
    for (a, b), share in zip(questions.pairs.tolist(), found["pairs"], strict=True):
        own = distance(bits[a], bits[b])
        far = np.array([distance(bits[a], bits[row]) for row in database])
        farther, level = (far > own).mean(), (far == own).mean()
        assert share == pytest.approx(farther + level / 2 if asked[a, b] else 1 - farther - level / 2)


def test_too_few_questions_are_not_asked() -> None:
    labels = [["a"] if row < 25 or row >= N - LEAST + 1 else [] for row in range(N)]
    said = Supervision.of(labels, [(0, 39, True)])
    questions = Questions.of(said, PARTS, HELD_OUT, TRAIN)
    codes = pack(np.zeros((N, N_BITS), dtype=bool))
    assert questions.answers(codes[HELD_OUT], codes[TRAIN], codes[questions.named], 10) == {}
