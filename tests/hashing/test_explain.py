"""What a word contributes to a bit is what the bit's logit loses without the word."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.hashing import explain as explain_module
from service.hashing.analysis import Analyzer
from service.hashing.content import Embedding, Text
from service.hashing.explain import explain
from service.hashing.featurizers.embedding import EmbeddingFeaturizer
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import EncoderNetwork

WORDS = ["sorting", "lists", "numbers", "tree", "walks", "matrix", "inverse", "café", "numpy.linalg.inv"]
CORPUS = [Text(" ".join(WORDS[i % 9 : i % 9 + 4] + WORDS[: i % 5])) for i in range(20)]


def function_of(kind: str) -> HashFunction:
    featurizer: TextFeaturizer | HashedTextFeaturizer
    match kind:
        case "words":
            featurizer = TextFeaturizer(analyzer=Analyzer("en")).fit(CORPUS)
        case "parts":
            featurizer = TextFeaturizer(analyzer=Analyzer("en"), parts="on").fit(CORPUS)
        case "first":
            featurizer = TextFeaturizer(analyzer=None).fit(CORPUS)
        case _:
            featurizer = HashedTextFeaturizer(64)
    network = EncoderNetwork(featurizer.n_features, (12, 9), 16, "tanh")
    network.initialize(torch.Generator().manual_seed(0))
    thresholds = np.linspace(-0.1, 0.1, 16).astype(np.float32)
    return HashFunction(featurizer, network.eval(), thresholds)


FUNCTIONS = {kind: function_of(kind) for kind in ("words", "parts", "first", "hashed")}
ONE_TERM = [word for word in WORDS if "." not in word]


@pytest.mark.parametrize("kind", FUNCTIONS)
@given(st.lists(st.sampled_from(ONE_TERM), min_size=1, max_size=12))
def test_a_contribution_is_what_the_logit_loses_in_the_text_without_the_word(kind: str, written: list[str]) -> None:
    function = FUNCTIONS[kind]
    text = " ".join(written)
    (explained,) = explain(function, [Text(text)])
    whole = function.logits(function.features([Text(text)]))[0]
    np.testing.assert_allclose(explained.margins, whole - function.thresholds, atol=1e-5)
    assert set(explained.words) <= set(written)
    for word, lost in zip(explained.words, explained.logits, strict=True):
        without = Text(re.sub(rf"\b{word}\b", " ", text) + ".")
        np.testing.assert_allclose(lost, whole - function.logits(function.features([without]))[0], atol=1e-5)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_texts_explained_together_are_explained_as_alone_for_any_bits(kind: str) -> None:
    texts = [*CORPUS, Text("?"), Text("unheard of")]
    together = explain(FUNCTIONS[kind], texts, [7, 0])
    for text, one in zip(texts, together, strict=True):
        (alone,) = explain(FUNCTIONS[kind], [text])
        assert one.words == alone.words
        np.testing.assert_allclose(one.logits, alone.logits[:, [7, 0]], atol=1e-5)
        np.testing.assert_allclose(one.margins, alone.margins, atol=1e-5)


def test_code_and_confidence_are_those_of_the_hash_function() -> None:
    for function in FUNCTIONS.values():
        encoded = function.encode(CORPUS)
        explained = explain(function, CORPUS)
        np.testing.assert_array_equal(encoded.codes, [one.code for one in explained])
        np.testing.assert_allclose(encoded.confidence, [one.confidence for one in explained], atol=1)


def test_words_are_named_as_they_are_written_and_an_identifier_by_its_whole_and_its_parts() -> None:
    (explained,) = explain(FUNCTIONS["words"], [Text("Walks to NumPy.linalg.inv", title="LISTS")])
    assert set(explained.words) == {"lists", "walks", "numpy.linalg.inv", "numpy", "linalg", "inv"}


def test_the_weightiest_words_of_a_long_text_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Text("matrix matrix matrix " + " ".join(ONE_TERM))
    (whole,) = explain(FUNCTIONS["words"], [text])
    monkeypatch.setattr(explain_module, "MOST_WORDS", 3)
    (some,) = explain(FUNCTIONS["words"], [text])
    assert some.words == whole.words[:3]
    assert some.words[0] == "matrix"
    np.testing.assert_allclose(some.logits, whole.logits[:3], atol=1e-6)


def test_a_word_speaks_for_the_side_to_which_it_moves_the_logit() -> None:
    (explained,) = explain(FUNCTIONS["words"], [CORPUS[3]], [5])
    ones, zeros = explained.speaking_for(0, True, 99), explained.speaking_for(0, False, 99)
    assert len(ones) + len(zeros) == len(explained.words)
    for value, words in ((1, ones), (-1, zeros)):
        assert [gain for _, gain in words] == sorted((gain for _, gain in words), reverse=True)
        for word, gain in words:
            assert explained.logits[explained.words.index(word), 0] * value == pytest.approx(gain)


def test_a_content_that_is_no_text_has_no_words() -> None:
    featurizer = EmbeddingFeaturizer()
    contents = [Embedding(row) for row in np.random.default_rng(0).normal(size=(9, 4))]
    network = EncoderNetwork(featurizer.fit(contents).n_features, (), 8)
    network.initialize(torch.Generator().manual_seed(0))
    function = HashFunction(featurizer, network, np.zeros(8, np.float32))
    explained = explain(function, contents)
    assert {one.words for one in explained} == {()}
    np.testing.assert_array_equal(function.encode(contents).codes, [one.code for one in explained])


def test_nothing_is_explained_by_nothing_and_an_unknown_bit_is_refused() -> None:
    assert explain(FUNCTIONS["words"], []) == []
    with pytest.raises(InvalidInput, match="bits must be between 0 and 15, got 16"):
        explain(FUNCTIONS["words"], CORPUS, [3, 16])
