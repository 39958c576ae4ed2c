"""The index equals a slow oracle, whatever was written, merged, saved and loaded, by whichever loops."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from service.index.key_mask import KeyMask
from service.index.words import Clause, WordIndex, delta, index, snapshot
from tests.examples import examples
from tests.index.words.oracle import Oracle

ALPHABET = ["a", "b", "c", "d", "e", "ä", "学", "ab", "abc", "x😀"]
TERMS = st.sampled_from(ALPHABET)
KEYS = st.integers(-20, 60)
DOCUMENTS = st.dictionaries(
    KEYS, st.tuples(st.lists(TERMS, max_size=8), st.lists(TERMS, max_size=3), st.none()), min_size=1, max_size=20
)
WEIGHTS = st.sampled_from([0.5, 1.0, 2.0])
CLAUSES = st.lists(
    st.builds(
        Clause,
        st.lists(st.tuples(st.one_of(TERMS, st.just("none")), WEIGHTS), max_size=3).map(tuple),
        is_required=st.sampled_from([False, False, True]),
        is_excluded=st.sampled_from([False, False, False, True]),
        weight=WEIGHTS,
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(autouse=True, scope="module")
def _small_parts() -> Iterator[None]:
    """Deltas of five documents, so that a few writes make segments and merges."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delta, "MOST_DOCS", 5)
        patch.setattr(index, "MOST_DOCS", 16)
        yield


class Histories(RuleBasedStateMachine):
    """Any order of writes, merges and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = 1.2, 0.75, 3.0
        self.index, self.oracle = WordIndex(), Oracle()

    @initialize(documents=DOCUMENTS)
    def begin(self, documents: dict[int, tuple[list[str], list[str], None]]) -> None:
        self.put(documents)

    @rule(documents=DOCUMENTS)
    def put(self, documents: dict[int, tuple[list[str], list[str], None]]) -> None:
        bodies, titles, _ = zip(*documents.values(), strict=True)
        self.index.put(np.array(list(documents)), bodies, titles)
        for key, (body, title, length) in documents.items():
            self.oracle.put(key, body, title, length)

    @rule(key=KEYS, body=st.lists(TERMS, max_size=8), title=st.lists(TERMS, max_size=3), length=st.integers(0, 30))
    def put_one(self, key: int, body: list[str], title: list[str], length: int) -> None:
        self.index.put(np.array([key]), [body], [title], np.array([length]))
        self.oracle.put(key, body, title, length)

    @rule(keys=st.lists(KEYS, max_size=10))
    def delete(self, keys: list[int]) -> None:
        self.index.delete(keys)
        for key in keys:
            self.oracle.delete(key)

    @rule()
    def restart(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            snapshot.save(self.index, Path(folder), "words", 3)
            loaded = snapshot.load(Path(folder), "words")
        assert loaded is not None
        self.index = loaded[0]
        self.index.configure(*self.settings)

    @rule(k1=st.floats(0, 3), b=st.floats(0, 1), title_weight=st.floats(0, 5))
    def configure(self, k1: float, b: float, title_weight: float) -> None:
        self.settings = k1, b, title_weight
        self.index.configure(k1, b, title_weight)
        self.oracle.k1, self.oracle.b, self.oracle.title_weight = self.settings

    @rule(clauses=CLAUSES, k=st.integers(1, 50))
    def search(self, clauses: list[Clause], k: int) -> None:
        self.agrees(clauses, k)

    @rule(clauses=CLAUSES, k=st.integers(1, 50), keys=st.sets(KEYS, max_size=30), far=st.booleans())
    def search_among(self, clauses: list[Clause], k: int, keys: set[int], far: bool) -> None:
        wanted = keys | {-(10**9), 10**9} if far else keys
        mask = KeyMask.of_keys(wanted)
        assert (mask.keys is not None) == far
        self.agrees(clauses, k, keys, allowed=mask)

    @rule(clauses=CLAUSES, k=st.integers(1, 50), keys=st.sets(KEYS, max_size=5))
    def search_without(self, clauses: list[Clause], k: int, keys: set[int]) -> None:
        self.agrees(clauses, k, set(self.oracle.documents) - keys, leave_out=keys)

    def agrees(self, clauses: list[Clause], k: int, shown: set[int] | None = None, **options: object) -> None:
        expected = self.oracle.search(clauses, shown)
        found = self.index.search(clauses, k, **options)  # type: ignore[arg-type]
        assert found.n_matching == len(expected)
        assert self.index.matching(clauses, **options).allowed_keys().tolist() == sorted(key for _, key in expected)  # type: ignore[arg-type]
        assert len(found.keys) == min(k, len(expected))
        assert found.scores.dtype == np.float32
        all_scores = {key: -score for score, key in expected}
        np.testing.assert_allclose(found.scores, [all_scores[key] for key in found.keys.tolist()], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(found.scores, [-score for score, _ in expected[:k]], rtol=1e-6, atol=1e-7)
        order = list(zip((-found.scores).tolist(), found.keys.tolist(), strict=True))
        assert order == sorted(order)
        everything = np.arange(-25, 70)
        scores = self.index.scores(clauses, everything)
        unfiltered = {key: -score for score, key in self.oracle.search(clauses)}
        np.testing.assert_allclose(scores, [unfiltered.get(key, 0) for key in range(-25, 70)], rtol=1e-6, atol=1e-7)
        assert (
            dict(zip(everything.tolist(), scores.tolist(), strict=True)).items()
            >= dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True)).items()
        )

    @invariant()
    def counts_are_those_of_the_live(self) -> None:
        assert len(self.index) == len(self.oracle.documents)
        expected = [self.oracle.frequency(term) for term in ALPHABET]
        assert [self.index.document_frequency(term) for term in ALPHABET] == expected
        assert self.index.document_frequencies([*ALPHABET, "none"]) == [*expected, 0]
        ranked = sorted((-self.oracle.frequency(term), term) for term in ALPHABET if term.startswith("a"))
        assert self.index.completions("a", 2) == [term for n, term in ranked if n][:2]
        assert self.index.n_terms >= sum(self.oracle.frequency(term) > 0 for term in ALPHABET)


TestHistories = Histories.TestCase
TestHistories.settings = settings(examples(60), stateful_step_count=20)
