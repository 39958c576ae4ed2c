from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.hashing.featurizers.text import TextFeaturizer
from training.data.batches import Dataset
from training.fit.run import TrainingRun, annealed
from training.neighbors.graph import Graph


def test_a_fit_stops_early_when_it_gets_no_better_and_keeps_the_best(corpus, quick):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    config = quick(variant="semantic_hashing", noise=0.0, epochs=30, patience=2)
    # What is learned from one half of the words is wrong about the other half, and more so after each epoch.
    half = np.arange(features.shape[1]) % 2 == 0
    train, validation = (Dataset(features, csr_matrix(features.multiply(side)), None) for side in (half, ~half))
    run = TrainingRun(train, validation, config.plan(300), config)
    run.run(None, lambda: None, None)
    losses = [epoch.validation_loss for epoch in run.history]
    assert len(losses) == 3
    assert losses == sorted(losses)
    assert run.validate(validation)[0] == losses[0]


def test_a_diverging_loss_is_an_error_that_says_what_to_change(corpus, quick):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    config = quick(variant="semantic_hashing")
    rows = Dataset(features, features, None)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        TrainingRun(rows, rows, replace(config.plan(300), learning_rate=1e38), config).run(None, lambda: None, None)


def test_the_step_size_rises_then_falls_to_zero():
    sizes = [annealed(progress) for progress in np.linspace(0, 1, 41)]
    peak = int(np.argmax(sizes))
    assert 0 < peak < 8
    assert sizes[: peak + 1] == sorted(sizes[: peak + 1])
    assert sizes[peak:] == sorted(sizes[peak:], reverse=True)
    assert sizes[-1] == 0


def test_a_network_starts_with_balanced_bits_that_are_a_rotation_of_the_first_ones(corpus, quick):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    config = quick(first_bits=24)
    plan = config.plan(300)
    graph = Graph.of(features, plan, config.seed)
    train = graph.dataset(features, lambda: None, same=True)
    first = TrainingRun(train, train, plan.first(), config, graph=graph)
    logits = first.logits(features)
    started = TrainingRun(train, train, plan, config, first).logits(features)
    assert started.std() == pytest.approx(2, rel=1e-3)
    np.testing.assert_allclose(started.mean(axis=0), 0, atol=1e-3)
    residual = np.linalg.lstsq(np.c_[logits, np.ones(300)], started, rcond=None)[1]
    assert residual.max() < 1e-3 * np.square(started).sum()
    wider = TrainingRun(train, train, replace(plan, n_bits=32), config, first)
    assert wider.model.encoder.rest[-1].bias.abs().max() == 0
