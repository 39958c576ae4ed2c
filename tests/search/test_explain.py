"""An explanation adds up to the score, and what it says of a word or a bit is what happens without it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.hashing.analysis import Analyzer
from service.hashing.codes import hamming_distance, pack, unpack
from service.hashing.content import Text
from service.hashing.explain import explain
from service.hashing.untrained import untrained_hash_function
from service.index.columns import ColumnIndex
from service.index.document_replica import DocumentReplica
from service.index.words import Clause, WordIndex
from service.search import fuse
from service.search.bits import BitDescription, BitSide, SpaceBits
from service.search.explain import (
    BitReasons,
    Explanation,
    Matched,
    Scoring,
    explanations,
    strongest_bits,
    typed_words,
)
from service.search.word_query import text_clauses, word_query
from service.store.overviews import SpaceReference
from service.store.words import WordSettings

TEXTS = [
    "The black cats sleep",
    "a black dog and a cat: blacker dogs",
    "numbers in order",
    "sorting the numbers of a list",
    "white cat, black cat",
    "nothing of the kind",
]
N = len(TEXTS)
KEYS = np.arange(N, dtype=np.int64)
CONTENTS = [Text(text) for text in TEXTS]
FUNCTION = untrained_hash_function(32, seed=7)
WORDS = ["black", "cat", "dogs", "number", "sort", "zebra"]
queries = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


@pytest.fixture(scope="module")
def replica() -> DocumentReplica:
    made = DocumentReplica(1, WordSettings("en"), 1, Analyzer("en"), WordIndex(), ColumnIndex(), 5)
    made.words.put(KEYS, [made.analyzer.all_terms(text) for text in TEXTS])
    return made


class Ranked:
    """The documents by the formula of docs/search.md."""

    def __init__(self, replica: DocumentReplica, query: str, seed: int, word_clauses: tuple[Clause, ...] = ()) -> None:
        rng = np.random.default_rng(seed)
        self.clauses = word_clauses or text_clauses(query, replica)
        self.bm25 = replica.words.scores(self.clauses, KEYS)
        self.best = float(self.bm25.max(initial=0))
        self.direction = rng.standard_normal(32).astype(np.float32)
        self.codes = rng.integers(0, 256, (N, 4), dtype=np.uint8)
        self.has_code = np.arange(N) != 3
        self.weight = 0.35 if self.best else 1.0
        typed = typed_words(query, self.clauses, replica.analyzer, {})
        self.scoring = Scoring(self.clauses, typed, 1 / self.best if self.best else 0.0, self.direction, self.weight)

    def scores(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        agreement = np.where(self.has_code, fuse.agreement(self.direction, codes), -1)
        return np.asarray(self.bm25 * self.scoring.word_factor + self.weight * agreement, dtype=np.float64)

    def explained(self, replica: DocumentReplica) -> list[Explanation]:
        return explanations(self.scoring, Matched(KEYS, CONTENTS, self.codes, self.has_code), replica)


@given(queries, st.integers(0, 99))
def test_the_parts_and_the_shares_add_up_to_the_score(replica: DocumentReplica, query: str, seed: int) -> None:
    ranked = Ranked(replica, query, seed)
    scores = ranked.scores(ranked.codes)
    for row, one in enumerate(ranked.explained(replica)):
        assert sum(one.parts.values()) == pytest.approx(scores[row], abs=1e-5)
        assert sum(share.score for share in one.words) == pytest.approx(one.parts["words"], abs=1e-6)
        assert sum(share.bm25 for share in one.words) == pytest.approx(ranked.bm25[row], abs=1e-5)
        bits = [*one.agreeing, *one.differing]
        if row == 3:
            assert bits == []
            assert one.parts["code"] == -ranked.weight
            continue
        assert sorted(share.bit for share in bits) == list(range(32))
        assert sum(share.score or 0 for share in bits) == pytest.approx(one.parts["code"], abs=1e-6)
        assert all((share.score or 0) >= 0 for share in one.agreeing)
        assert all((share.score or 0) <= 0 for share in one.differing)
        wanted = ranked.direction > 0
        assert [share.bit for share in one.agreeing if bool(share.value) != wanted[share.bit]] == []
        for side in (one.agreeing, one.differing):
            assert [share.confidence for share in side] == sorted((s.confidence for s in side), reverse=True)


@given(queries, st.integers(0, 99))
def test_a_bit_that_is_flipped_moves_score_and_rank_by_twice_its_share(
    replica: DocumentReplica, query: str, seed: int
) -> None:
    ranked = Ranked(replica, query, seed)
    before = ranked.scores(ranked.codes)
    for row, one in enumerate(ranked.explained(replica)):
        for share in (*one.agreeing[:2], *one.differing[:2]):
            bits = unpack(ranked.codes)
            bits[row, share.bit] ^= 1
            after = ranked.scores(pack(bits))
            assert after[row] - before[row] == pytest.approx(-2 * (share.score or 0), abs=1e-5)
            rank = int((before > before[row]).sum()), int((after > after[row]).sum())
            assert rank[0] <= rank[1] if share in one.agreeing else rank[0] >= rank[1]


@given(queries)
def test_a_word_that_is_taken_out_of_the_query_takes_its_share_along(replica: DocumentReplica, query: str) -> None:
    ranked = Ranked(replica, query, 0)
    clause_of = dict(zip(ranked.scoring.typed, ranked.clauses, strict=True))
    for row, one in enumerate(ranked.explained(replica)):
        for share in one.words:
            rest = [clause for clause in ranked.clauses if clause is not clause_of[share.typed]]
            without = replica.words.scores(rest, KEYS)
            assert ranked.bm25[row] - without[row] == pytest.approx(share.bm25, abs=1e-5)
            assert share.score == pytest.approx(share.bm25 / ranked.best, abs=1e-6)


def test_words_are_named_as_typed_and_as_the_document_writes_them(replica: DocumentReplica) -> None:
    query = word_query("Cat +blacks sleeeps", replica, is_prefix=False, with_typos=True)
    typed = typed_words("Cat +blacks sleeeps", query.clauses, replica.analyzer, query.corrected)
    assert sorted(typed) == ["blacks", "cat", "sleeeps"]
    ranked = Ranked(replica, "", 0, query.clauses)
    scoring = Scoring(query.clauses, typed, 1.0, None, None)
    (one,) = explanations(scoring, Matched(KEYS[:1], CONTENTS[:1]), replica)
    assert {(share.typed, share.found) for share in one.words} == {
        ("cat", "cats"),
        ("blacks", "black"),
        ("sleeeps", "sleep"),
    }
    assert one.parts == {"words": pytest.approx(ranked.bm25[0], abs=1e-5)}
    assert [*one.agreeing, *one.differing, *one.strongest] == []


def test_of_a_distance_the_differing_bits_are_told_without_a_score() -> None:
    encoded = FUNCTION.encode(CONTENTS)
    direction = fuse.direction_of(encoded.codes[0], encoded.confidence[0])
    found = explanations(Scoring(direction=direction), Matched(KEYS, CONTENTS, encoded.codes), None)
    distances = hamming_distance(encoded.codes, encoded.codes[0])
    for one, distance in zip(found, distances.tolist(), strict=True):
        assert one.parts == {}
        assert len(one.differing) == distance
        assert {share.score for share in (*one.agreeing, *one.differing)} == {None}


def test_the_strongest_bits_come_with_the_words_that_speak_for_them(replica: DocumentReplica) -> None:
    query = Text("black cats and numbers")
    ranked = Ranked(replica, query.text, 1)
    encoded = FUNCTION.encode([query])
    direction = fuse.direction_of(encoded.codes[0], encoded.confidence[0])
    bits = strongest_bits(direction, 5)
    assert [abs(float(direction[bit])) for bit in bits] == sorted(np.abs(direction).tolist(), reverse=True)[:5]
    of_query, *of_documents = explain(FUNCTION, [query, *CONTENTS], bits)
    sides = BitSide(("ones",)), BitSide(("zeros",))
    described = [BitDescription(bit, 0.5, *sides, ()) for bit in range(32)]
    space = SpaceBits(SpaceReference(1, 2, 32, "d"), N, N, 5, described)
    scoring = Scoring(ranked.clauses, ranked.scoring.typed, 1.0, direction, 0.5)
    matched = Matched(KEYS, CONTENTS, FUNCTION.encode(CONTENTS).codes)
    found = explanations(scoring, matched, replica, BitReasons(bits, of_query, of_documents, space))
    for row, one in enumerate(found):
        assert [bit.bit for bit in one.strongest] == bits
        for place, bit in enumerate(one.strongest):
            wanted = bool(direction[bit.bit] > 0)
            assert bit.agrees == (bool(bit.value) == wanted)
            assert [word for word, _ in bit.query] == [w for w, _ in of_query.speaking_for(place, wanted, 3)]
            mine = of_documents[row].speaking_for(place, bool(bit.value), 3)
            assert [word for word, _ in bit.document] == [word for word, _ in mine]
            assert (bit.ones, bit.zeros) == (("ones",), ("zeros",))
            for word, gain in bit.document:  # without the word the logit is that much nearer to the other side
                rest = Text(
                    " ".join(w for w in TEXTS[row].replace(":", "").replace(",", "").split() if w.lower() != word)
                )
                logits = FUNCTION.logits(FUNCTION.features([Text(TEXTS[row]), rest]))[:, bit.bit]
                assert (logits[0] - logits[1]) * (1 if bit.value else -1) == pytest.approx(gain, abs=2e-4)
