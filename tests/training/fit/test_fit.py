from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from service.errors import InvalidInput
from service.hashing.content import Text
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from training.data.batches import Dataset
from training.evaluate import evaluate
from training.fit.fit import Cancelled, TrainingRun, annealed, fit
from training.models.base import imbalance, unlikeness
from training.neighbors.approximate import InvertedFile
from training.neighbors.graph import Graph


def untimed(history):
    return [astuple(epoch)[:-2] for epoch in history]


def test_equal_seeds_give_equal_functions_bit_for_bit_and_others_others(corpus, quick):
    first, again, other = (fit(corpus.contents, corpus.ids, quick(seed=seed)) for seed in (3, 3, 4))
    assert first.function.to_bytes() == again.function.to_bytes()
    assert untimed(first.history) == untimed(again.history)
    assert first.function.to_bytes() != other.function.to_bytes()


def test_training_lowers_the_loss_and_tells_each_epoch(corpus, quick):
    told = []
    result = fit(corpus.contents, corpus.ids, quick(), progress=told.append)
    assert told == result.history
    assert [epoch.epoch for epoch in told] == list(range(1, 7))
    assert told[-1].validation_loss < told[0].validation_loss
    assert told[-1].loss == pytest.approx(sum(told[-1].parts.values()))
    assert (told[-1].eta_s, told[-1].epochs) == (0, 6)
    assert result.n_documents.keys() == {"train", "validation", "held_out"}
    assert sum(result.n_documents.values()) == 300


def test_growing_noise_drives_the_units_into_saturation(corpus, quick):
    still, noisy = (
        fit(corpus.contents, corpus.ids, quick(variant="semantic_hashing", epochs=100, noise=noise)).history[-1]
        for noise in (0.0, 10.0)
    )
    assert noisy.saturated > 0.75
    assert still.saturated < 0.6


class Killed(Exception):
    pass


def kill_after(n_epochs):
    def progress(epoch):
        if epoch.epoch == n_epochs:
            raise Killed

    return progress


def test_a_killed_fit_goes_on_from_its_last_epoch_bit_for_bit(corpus, quick, tmp_path):
    whole = fit(corpus.contents, corpus.ids, quick())
    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), progress=kill_after(3), checkpoint_dir=tmp_path)
    told = []
    resumed = fit(corpus.contents, corpus.ids, quick(), progress=told.append, checkpoint_dir=tmp_path)
    assert [epoch.epoch for epoch in told] == [4, 5, 6]
    assert resumed.function.to_bytes() == whole.function.to_bytes()
    assert untimed(resumed.history) == untimed(whole.history)


@pytest.mark.parametrize("change", ["another configuration", "other documents", "a torn file"])
def test_a_checkpoint_of_another_run_is_left_alone(corpus, quick, tmp_path, change):
    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), progress=kill_after(3), checkpoint_dir=tmp_path)
    config, n = quick(), 300
    if change == "another configuration":
        config = quick(balance=0.7)
    elif change == "other documents":
        n = 280
    else:
        for file in tmp_path.rglob("*.safetensors"):
            file.write_bytes(file.read_bytes()[:1000])
    told = []
    fit(corpus.contents[:n], corpus.ids[:n], config, progress=told.append, checkpoint_dir=tmp_path)
    assert [epoch.epoch for epoch in told] == list(range(1, 7))


def test_a_fit_stops_between_batches_when_it_is_cancelled(corpus, quick):
    answers = iter([False] * 12)
    with pytest.raises(Cancelled):
        fit(corpus.contents, corpus.ids, quick(), cancelled=lambda: next(answers, True))


def test_what_cancelled_raises_passes_through(corpus, quick):
    def lost():
        raise Killed

    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), cancelled=lost)


def test_a_fit_stops_early_when_it_gets_no_better_and_keeps_the_best(corpus, quick):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    config = quick(variant="semantic_hashing", noise=0.0, epochs=30, patience=2)
    # What is learned from one half of the words is wrong about the other half, and more so after each epoch.
    half = np.arange(features.shape[1]) % 2 == 0
    train, validation = (Dataset(features, csr_matrix(features.multiply(side)), None) for side in (half, ~half))
    learning = TrainingRun(train, validation, config.plan(300), config)
    learning.run(None, lambda: None, None)
    losses = [epoch.validation_loss for epoch in learning.history]
    assert len(losses) == 3
    assert losses == sorted(losses)
    assert learning.validate(validation)[0] == losses[0]


def test_a_diverging_loss_is_said(corpus, quick):
    features = TextFeaturizer().fit(corpus.contents).transform(corpus.contents)
    config = quick(variant="semantic_hashing")
    rows = Dataset(features, features, None)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        TrainingRun(rows, rows, replace(config.plan(300), learning_rate=1e38), config).run(None, lambda: None, None)


def test_documents_that_share_no_word_cannot_be_learned_from(quick):
    contents = [Text(f"word{i}") for i in range(40)]
    with pytest.raises(InvalidInput, match="share words"):
        fit(contents, [str(i) for i in range(40)], quick())


def test_a_handful_of_documents_is_enough_to_run(quick):
    contents = [Text("alpha beta"), Text("alpha beta gamma"), Text("gamma alpha beta"), Text("beta gamma")]
    result = fit(contents, ["a", "b", "c", "d"], quick(epochs=2))
    assert len(result.function.encode(contents).codes) == 4


def test_the_step_size_rises_then_falls_to_nothing():
    sizes = [annealed(progress) for progress in np.linspace(0, 1, 41)]
    peak = int(np.argmax(sizes))
    assert 0 < peak < 8
    assert sizes[: peak + 1] == sorted(sizes[: peak + 1])
    assert sizes[peak:] == sorted(sizes[peak:], reverse=True)
    assert sizes[-1] == 0


def test_a_hash_function_survives_its_file(corpus, quick):
    function = fit(corpus.contents, corpus.ids, quick()).function
    restored = HashFunction.from_bytes(function.to_bytes())
    np.testing.assert_array_equal(restored.encode(corpus.contents).codes, function.encode(corpus.contents).codes)


def test_imbalance_is_none_for_independent_fair_bits_and_one_for_one_repeated_dead_bit():
    every = torch.tensor([[i >> j & 1 for j in range(3)] for i in range(8)], dtype=torch.float32)
    assert float(imbalance(every)) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(torch.ones(8, 3))) == pytest.approx(1, abs=1e-6)
    assert float(imbalance(0.5 + 0.01 * (every - 0.5))) == pytest.approx(0, abs=1e-6)


class ShortLists(InvertedFile):
    """A look into 80 of 255 documents."""

    n_made = 0

    @classmethod
    def of(cls, database, seed, **options):
        cls.n_made += 1
        return super().of(database, seed, mean_length=10, n_probes=8, **options)


def test_a_fit_beyond_the_exact_search_learns_as_well(corpus, quick, monkeypatch):
    exact = fit(corpus.contents, corpus.ids, quick(epochs=60))
    monkeypatch.setattr("training.neighbors.graph.EXACT_UP_TO", 100)
    monkeypatch.setattr("training.neighbors.graph.InvertedFile", ShortLists)
    monkeypatch.setattr(ShortLists, "n_made", 0)
    found = fit(corpus.contents, corpus.ids, quick(epochs=60))
    assert ShortLists.n_made == 2  # of the first graph and of the refined one
    recalls = [evaluate(result.function, corpus.contents, corpus.ids).recall for result in (found, exact)]
    assert recalls[0]["this"] > recalls[0]["untrained"] + 0.05
    assert recalls[0]["this"] > recalls[1]["this"] - 0.15


def test_the_stages_take_the_time_of_the_whole(corpus, quick):
    seconds = fit(corpus.contents, corpus.ids, quick(epochs=4)).seconds
    assert set(seconds) == {"features", "graph", "first network", "network"}
    assert min(seconds.values()) > 0


def test_unlikeness_is_least_where_units_are_near_as_places_are():
    torch.manual_seed(0)
    bits = torch.randint(2, (40, 16)).float()
    similarities = (2 * bits - 1) @ (2 * bits - 1).T / 32
    matching, shuffled, same = (float(unlikeness(u, similarities)) for u in (bits, bits[torch.randperm(40)], 0 * bits))
    assert matching < same < shuffled
    assert same == pytest.approx(np.log(39), rel=1e-5)


def test_unlikeness_does_not_see_where_a_document_is_from_itself():
    units = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(unlikeness(units, torch.ones(2, 2))) == pytest.approx(0, abs=1e-6)


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


def test_only_the_network_of_n_bits_learns_likeness(corpus, quick):
    history = fit(corpus.contents, corpus.ids, quick()).history
    assert ["likeness" in epoch.parts for epoch in history] == [False] * 3 + [True] * 3
    assert "likeness" not in fit(corpus.contents, corpus.ids, quick(likeness=0.0)).history[-1].parts
