"""The battery: what every registered variant must do, each its own test."""

import numpy as np
import pytest
import torch

from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from service.training_options import VARIANTS
from training.config import TrainingConfig
from training.fit.fit import fit
from training.models import MODELS
from training.neighbors.graph import Graph

pytestmark = pytest.mark.parametrize("variant", sorted(MODELS))


def test_a_variant_is_configured_by_its_name_alone(variant):
    plan = TrainingConfig(variant=variant).plan(10_000)
    model = MODELS[variant](50, plan)
    assert model.encoder.n_bits == plan.n_bits == 64


@pytest.fixture
def small(variant, quick):
    """A small configuration of the variant; one without hidden layers keeps to that."""

    def small(**options):
        preset = VARIANTS[variant].preset
        return quick(variant=variant, **({"hidden": preset["hidden"]} if "hidden" in preset else {}), **options)

    return small


LONG = {"rbm": {"epochs": 100, "learning_rate": 0.1, "patience": 100}}
"""Steps as small as other variants' leave contrastive divergence on 300 short texts where it began."""


def test_it_learns_codes_without_a_dead_bit_that_survive_save_and_load(variant, corpus, small):
    result = fit(corpus.contents, corpus.ids, small(**LONG.get(variant, {"epochs": 40})))
    assert result.history[-1].validation_loss < 0.99 * result.history[0].validation_loss
    codes = result.function.encode(corpus.contents).codes
    restored = HashFunction.from_bytes(result.function.to_bytes())
    np.testing.assert_array_equal(restored.encode(corpus.contents).codes, codes)
    ones = np.unpackbits(codes, axis=1).mean(axis=0)
    assert ones.min() > 0.005
    assert ones.max() < 0.995


def test_it_is_reproducible_bit_for_bit_from_a_seed(variant, corpus, small):
    config = small(epochs=3)
    first, again = (fit(corpus.contents, corpus.ids, config).function.to_bytes() for _ in range(2))
    assert first == again


def test_it_leaves_its_input_alone(variant, corpus, small):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    before = features.copy()
    config = small()
    dataset = Graph.of(features, config.plan(300), 1).dataset(features, lambda: None, same=True)
    dataset.targets(np.arange(40), np.random.default_rng(0))
    for batch in dataset.batches(32, 0.5, (0.0, 1.0), np.random.default_rng(0), torch.device("cpu")):
        assert len(batch.input) == len(batch.target)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(features, name), getattr(before, name))
