import random

import pytest

from service.hashing.analysis import Analyzer
from service.hashing.featurizers.word_parts import parts_of_word, parts_would_help

terms_of = Analyzer().terms


def test_parts_have_three_or_four_characters_and_know_begin_and_end():
    assert parts_of_word("tree") == ["~<tr", "~tre", "~ree", "~ee>", "~<tre", "~tree", "~ree>"]


@pytest.mark.parametrize("term", ["of", "1990", "utf8", "numpy.inv", "a_b", "c++", "机器", "한국어", "ภา", "👍"])
def test_a_term_that_is_no_long_word_has_no_parts(term):
    assert parts_of_word(term) == []


@pytest.mark.parametrize("term", ["हिन्दी", "strasse", "город", "שלום", "كتاب"])
def test_words_of_every_script_with_spaces_have_parts(term):
    assert parts_of_word(term)


def _texts(n_words: int, n_texts: int, alphabet: str = "abcdefghij") -> list[str]:
    rng = random.Random(1)
    words = ["".join(rng.choices(alphabet, k=6)) for _ in range(n_words)]
    return [" ".join(rng.choices(words, k=10)) for _ in range(n_texts)]


def test_parts_help_where_most_words_of_a_half_are_unknown_to_the_other():
    assert parts_would_help(_texts(10_000, 300), terms_of, 2)


def test_parts_do_not_help_where_words_are_known():
    assert not parts_would_help(_texts(200, 300), terms_of, 2)


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["one"], _texts(10_000, 300, "".join(map(chr, range(0x4E00, 0x4F00)))), ["1 2 3"] * 10],
    ids=["none", "empty", "single", "without spaces", "numbers"],
)
def test_parts_do_not_help_where_there_are_hardly_words(texts):
    assert not parts_would_help(texts, terms_of, 2)
