"""Corpora made so that the extra idf helps, or hurts."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.hashing.content import Text
from service.hashing.featurizers.text import TextFeaturizer
from training.config import TrainingConfig
from training.fit.fit import plan_for
from training.neighbors.rarity_choice import CANDIDATES, choose_rarity


def features(texts: list[str]) -> csr_matrix:
    contents = [Text(text) for text in texts]
    return TextFeaturizer().fit(contents).transform(contents)


def corpus_of_rare_words(n: int = 900) -> csr_matrix:
    """Topics are told by rare words; common words come in moods that have nothing to do with them."""
    rng = np.random.default_rng(5)
    texts = []
    for _ in range(n):
        topic, mood = rng.integers(30), rng.integers(4)
        rare = [f"topic{topic}x{i}" for i in rng.integers(12, size=4)]
        common = [f"mood{mood}x{i}" for i in rng.integers(10, size=10)]
        texts.append(" ".join([*rare, *common]))
    return features(texts)


def corpus_of_common_words(n: int = 700) -> csr_matrix:
    """Topics are told by common words; rare words come in turns of phrase that have nothing to do with them."""
    rng = np.random.default_rng(6)
    texts = []
    for _ in range(n):
        topic = rng.integers(8)
        own = rng.random(12) < 0.6
        common = [
            f"topic{topic if mine else rng.integers(8)}x{i}"
            for mine, i in zip(own, rng.integers(15, size=12), strict=True)
        ]
        rare = [f"phrase{i}x{j}" for i in rng.integers(80, size=2) for j in range(5)]
        texts.append(" ".join([*common, *rare]))
    return features(texts)


def test_a_corpus_whose_topics_are_rare_words_gets_more_idf():
    choice = choose_rarity(corpus_of_rare_words(), 32, seed=1)
    assert choice.rarity > 1
    assert set(choice.scores) == set(CANDIDATES)


def test_a_corpus_whose_topics_are_common_words_gets_less_idf():
    choice = choose_rarity(corpus_of_common_words(), 32, seed=1)
    assert choice.rarity < 1
    assert choice.agreement is not None
    assert choice.agreement > 0.1


def test_a_corpus_too_small_to_tell_keeps_the_default():
    choice = choose_rarity(corpus_of_common_words(60), 32, seed=1)
    assert (choice.rarity, choice.scores, choice.agreement) == (1.0, {}, None)


def test_texts_of_one_word_keep_the_default():
    assert choose_rarity(features([f"word{i % 40}" for i in range(500)]), 32, seed=1).rarity == 1.0


def test_equal_seeds_choose_alike():
    rows = corpus_of_rare_words(400)
    assert choose_rarity(rows, 8, seed=3) == choose_rarity(rows, 8, seed=3)


@pytest.mark.parametrize(
    "options", [{"rarity": 0.25}, {"variant": "semantic_hashing"}, {"lsa_weight": 0, "lsa_dims": None}]
)
def test_a_given_rarity_and_trainings_without_a_graph_ask_nothing_of_the_corpus(options):
    plan, choice = plan_for(corpus_of_common_words(300), "counts", TrainingConfig.parse({"n_bits": 16, **options}))
    assert choice is None
    assert plan.rarity == options.get("rarity", plan.rarity)


def test_the_choice_is_in_the_plan():
    plan, choice = plan_for(corpus_of_common_words(), "counts", TrainingConfig.parse({"n_bits": 16}))
    assert choice is not None
    assert plan.rarity == choice.rarity < 1
