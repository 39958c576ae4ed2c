"""What a caller of the inverted index can rely on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from service.errors import InvalidInput
from service.index.key_mask import KeyMask
from service.index.words import Clause, WordIndex
from service.index.words import index as index_module


def words(*terms: str, **options: bool) -> list[Clause]:
    return [Clause(((term, 1.0),), **options) for term in terms]


def index_of(bodies: Sequence[str], titles: Sequence[str] | None = None) -> WordIndex:
    index = WordIndex()
    split = None if titles is None else [title.split() for title in titles]
    index.put(np.arange(len(bodies)), [body.split() for body in bodies], split)
    return index


def test_a_score_is_that_of_the_textbook() -> None:
    index = index_of(["a a b", "b c", "c c c c c c c"])
    found = index.search(words("a"), 10)
    tf, norm = 2, 0.25 + 0.75 * 3 / 4
    assert found.keys.tolist() == [0]
    assert found.scores[0] == pytest.approx(np.log(1 + 2.5 / 1.5) * 2.2 * tf / (tf + 1.2 * norm))


def test_a_word_in_the_title_counts_more() -> None:
    index = index_of(["inverse of a matrix", "inverse of a matrix"], ["other", "inverse"])
    assert index.search(words("inverse"), 2).keys.tolist() == [1, 0]


def test_a_title_of_few_documents_is_measured_against_titles() -> None:
    index = index_of(["a", "b", "c", "d"], ["x y", "", "", ""])
    other = index_of(["a", "b", "c", "d"], ["x y", "p q", "r s", "t u"])
    assert index.search(words("x"), 1).scores[0] == other.search(words("x"), 1).scores[0]


def test_a_concept_counts_once_however_many_of_its_words_occur() -> None:
    index = index_of(["car auto", "car"])
    found = index.search([Clause((("car", 1.0), ("auto", 0.1)))], 2)
    assert found.n_matching == 2
    assert found.scores[0] == index.scores(words("car"), np.array([found.keys[0]]))[0]


def test_excluded_words_alone_find_nothing() -> None:
    index = index_of(["a", "b"])
    assert index.search(words("a", is_excluded=True), 5).n_matching == 0
    assert index.search([], 5).n_matching == 0
    assert index.search([Clause(())], 5).n_matching == 0


def test_a_required_word_that_no_document_has_finds_nothing() -> None:
    assert index_of(["a", "b"]).search([*words("a"), *words("z", is_required=True)], 5).n_matching == 0


def test_of_very_many_words_the_rarest_count() -> None:
    bodies = [" ".join(f"w{j}" for j in range(i, 200)) for i in range(200)]
    index = index_of(bodies)
    found = index.search(words(*(f"w{j}" for j in reversed(range(200))), "unknown"), 200)
    assert found.n_dropped == 200 - 64
    assert found.n_matching == 64
    assert found.keys[0] == 0


def test_required_words_are_never_dropped() -> None:
    index = index_of([" ".join(f"w{j}" for j in range(200))] * 3 + ["w0"])
    found = index.search([*words(*(f"w{j}" for j in range(1, 200))), *words("w0", is_required=True)], 9)
    assert found.n_matching == 4


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    index = index_of(["a"])
    with pytest.raises(InvalidInput, match="weight"):
        index.search([Clause((("a", weight),))], 1)
    with pytest.raises(InvalidInput, match="weight"):
        index.search([Clause((("a", 1.0),), weight=weight)], 1)


def test_arguments_that_do_not_fit_are_refused() -> None:
    index = index_of(["a"])
    with pytest.raises(InvalidInput, match="k must be"):
        index.search(words("a"), 0)
    with pytest.raises(InvalidInput, match="one length"):
        index.put(np.arange(2), [["a"]])
    with pytest.raises(InvalidInput, match="b between"):
        WordIndex(b=2.0)
    with pytest.raises(InvalidInput, match="bits"):
        KeyMask(0, np.zeros(3, bool))  # type: ignore[arg-type]


def test_more_occurrences_than_are_counted_are_no_fault() -> None:
    index = index_of([" ".join(["a"] * 70_000), "a b"], ["", " ".join(["b"] * 300)])
    assert index.search(words("a"), 2).keys.tolist() == [0, 1]
    assert index.search(words("b"), 2).keys.tolist() == [1]


def test_a_query_gives_the_same_bits_however_the_documents_came() -> None:
    rng = np.random.default_rng(0)
    bodies = [[f"w{i}" for i in rng.zipf(1.3, 20).tolist() if i < 500] for _ in range(1500)]
    at_once, one_by_one, rewritten = WordIndex(), WordIndex(), WordIndex()
    at_once.put(np.arange(1500), bodies)
    for key, body in enumerate(bodies):
        one_by_one.put(np.array([key]), [body])
    for first in range(0, 1500, 100):
        rewritten.put(np.arange(first, first + 100), [["other"]] * 100)
        rewritten.put(np.arange(first, first + 100)[::-1], bodies[first : first + 100][::-1])
    for query in (words("w1", "w2", "w7"), words("w3"), words("w400", "w1")):
        expected = at_once.search(query, 100)
        for index in (one_by_one, rewritten):
            found = index.search(query, 100)
            assert found.keys.tolist() == expected.keys.tolist()
            assert found.scores.tobytes() == expected.scores.tobytes()
            assert found.n_matching == expected.n_matching


def test_a_mask_of_a_range_of_keys_hides_the_rest() -> None:
    index = index_of(["a"] * 100)
    bits = np.packbits(np.arange(40) % 3 == 0, bitorder="little")
    found = index.search(words("a"), 100, allowed=KeyMask(70, bits))
    assert found.keys.tolist() == list(range(70, 100, 3))
    assert index.search(words("a"), 100, allowed=KeyMask(-(2**62), bits)).n_matching == 0
    assert index.search(words("a"), 100, allowed=[]).n_matching == 0
    assert index.search(words("a"), 1, allowed=[99], leave_out=[99]).n_matching == 0


def test_a_merge_in_a_thread_keeps_what_was_written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "IN_A_THREAD", 0)
    index = WordIndex()
    merged, go_on = index_module.build.merged, threading.Event()

    def slowly(*arguments: object) -> object:
        assert go_on.wait(60)
        return merged(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(index_module.build, "merged", slowly)
    for first in (0, 100, 200):
        index.put(np.arange(first, first + 100), [["a"]] * 100)
    index.delete(np.arange(50, 150))
    index.put(np.array([60]), [["b", "a"]])
    index.put(np.arange(300, 400), [["a"]] * 100)
    go_on.set()
    index.wait()
    assert index.n_segments < 4
    assert len(index) == 301
    assert index.document_frequency("a") == 301
    assert index.search(words("a"), 500).n_matching == 301
    assert index.search(words("b"), 500).keys.tolist() == [60]


def test_each_answer_beside_a_writer_is_that_of_some_moment() -> None:
    """Document i says "all" and, if it is the newest, "newest": in every state exactly one does."""
    index = WordIndex()
    index.put(np.array([0]), [["all", "newest"]])
    faults: list[str] = []
    stop = threading.Event()

    def read() -> None:
        seen = 0
        while not stop.is_set():
            found = index.search([*words("all"), *words("newest")], 10_000)
            both = index.search([*words("all", is_required=True), *words("newest", is_required=True)], 5)
            if found.n_matching < seen or set(found.keys.tolist()) != set(range(found.n_matching)):
                faults.append(f"{found.n_matching} after {seen}: {found.keys}")
            if both.n_matching != 1 or both.keys[0] + 1 < found.n_matching or found.keys[0] != found.n_matching - 1:
                faults.append(f"{both} beside {found.n_matching}")
            seen = found.n_matching

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for key in range(1, 1500):
        index.put(np.array([key, key - 1]), [["all", "newest"], ["all"]])
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(index) == 1500
