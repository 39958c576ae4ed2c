import io
from dataclasses import astuple

import numpy as np
import pytest
from PIL import Image as PillowImage
from sklearn.datasets import load_digits

from service.errors import InvalidInput
from service.hashing.content import Image, Text
from service.hashing.function import HashFunction
from training.config import TrainingConfig
from training.evaluate import evaluate
from training.fit.fit import Cancelled, fit
from training.neighbors.approximate import InvertedFile

COLORS = ("red", "green", "blue", "black")


def untimed(history):
    return [astuple(epoch)[:-2] for epoch in history]


def test_equal_seeds_give_equal_functions_bit_for_bit_and_others_others(corpus, quick):
    first, again, other = (fit(corpus.contents, corpus.ids, quick(seed=seed)) for seed in (3, 3, 4))
    assert first.function.to_bytes() == again.function.to_bytes()
    assert untimed(first.history) == untimed(again.history)
    assert first.function.to_bytes() != other.function.to_bytes()


def test_training_lowers_the_loss_and_reports_each_epoch(corpus, quick):
    reported = []
    result = fit(corpus.contents, corpus.ids, quick(), progress=reported.append)
    assert reported == result.history
    assert [epoch.epoch for epoch in reported] == list(range(1, 7))
    assert reported[-1].validation_loss < reported[0].validation_loss
    assert reported[-1].loss == pytest.approx(sum(reported[-1].parts.values()))
    assert (reported[-1].eta_s, reported[-1].epochs) == (0, 6)
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


@pytest.fixture
def kept_each_epoch(monkeypatch):
    monkeypatch.setattr("training.fit.run.CHECKPOINT_EVERY_S", 0.0)


def test_short_epochs_write_no_checkpoint_and_a_killed_fit_still_ends_with_the_same_function(
    corpus, quick, tmp_path, monkeypatch
):
    monkeypatch.setattr("training.fit.run.CHECKPOINT_EVERY_S", 3600.0)
    whole = fit(corpus.contents, corpus.ids, quick())
    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), progress=kill_after(5), checkpoint_dir=tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
    again = fit(corpus.contents, corpus.ids, quick(), checkpoint_dir=tmp_path)
    assert again.function.to_bytes() == whole.function.to_bytes()


@pytest.mark.usefixtures("kept_each_epoch")
def test_a_killed_fit_resumes_from_its_last_checkpoint_bit_for_bit(corpus, quick, tmp_path):
    whole = fit(corpus.contents, corpus.ids, quick())
    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), progress=kill_after(3), checkpoint_dir=tmp_path)
    reported = []
    resumed = fit(corpus.contents, corpus.ids, quick(), progress=reported.append, checkpoint_dir=tmp_path)
    assert [epoch.epoch for epoch in reported] == [4, 5, 6]
    assert resumed.function.to_bytes() == whole.function.to_bytes()
    assert untimed(resumed.history) == untimed(whole.history)


@pytest.mark.usefixtures("kept_each_epoch")
@pytest.mark.parametrize("change", ["another configuration", "other documents", "a torn file"])
def test_a_checkpoint_of_another_run_is_ignored(corpus, quick, tmp_path, change):
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
    reported = []
    fit(corpus.contents[:n], corpus.ids[:n], config, progress=reported.append, checkpoint_dir=tmp_path)
    assert [epoch.epoch for epoch in reported] == list(range(1, 7))


def test_a_fit_stops_between_batches_when_it_is_cancelled(corpus, quick):
    answers = iter([False] * 12)
    with pytest.raises(Cancelled):
        fit(corpus.contents, corpus.ids, quick(), cancelled=lambda: next(answers, True))


def test_an_error_raised_by_cancelled_is_passed_on(corpus, quick):
    def lost():
        raise Killed

    with pytest.raises(Killed):
        fit(corpus.contents, corpus.ids, quick(), cancelled=lost)


def test_documents_that_share_no_word_cannot_be_learned_from(quick):
    contents = [Text(f"word{i}") for i in range(40)]
    with pytest.raises(InvalidInput, match="share words"):
        fit(contents, [str(i) for i in range(40)], quick())


def test_a_handful_of_documents_is_enough_to_run(quick):
    contents = [Text("alpha beta"), Text("alpha beta gamma"), Text("gamma alpha beta"), Text("beta gamma")]
    result = fit(contents, ["a", "b", "c", "d"], quick(epochs=2))
    assert len(result.function.encode(contents).codes) == 4


def test_a_hash_function_survives_its_file(corpus, quick):
    function = fit(corpus.contents, corpus.ids, quick()).function
    restored = HashFunction.from_bytes(function.to_bytes())
    np.testing.assert_array_equal(restored.encode(corpus.contents).codes, function.encode(corpus.contents).codes)


class ShortLists(InvertedFile):
    """A look into 80 of 255 documents."""

    n_made = 0

    @classmethod
    def of(cls, database, seed, **options):
        cls.n_made += 1
        return super().of(database, seed, mean_length=10, n_probes=8, **options)


@pytest.mark.long
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


def test_only_the_network_of_n_bits_learns_likeness(corpus, quick):
    history = fit(corpus.contents, corpus.ids, quick()).history
    assert ["likeness" in epoch.parts for epoch in history] == [False] * 3 + [True] * 3
    assert "likeness" not in fit(corpus.contents, corpus.ids, quick(likeness=0.0)).history[-1].parts


def test_codes_for_both_aims_learn_two_kinds_of_likeness_in_bits_of_their_own(corpus, quick):
    history = fit(corpus.contents, corpus.ids, quick(aim="both")).history
    assert ["nearest_likeness" in epoch.parts for epoch in history] == [False] * 3 + [True] * 3
    alone = fit(corpus.contents, corpus.ids, quick(aim="both", likeness=0.0)).history[-1].parts
    assert "nearest_likeness" in alone
    assert "likeness" not in alone


@pytest.mark.long
def test_codes_for_the_nearest_find_more_of_them_than_codes_for_topics(corpus, quick):
    found = {}
    for aim in ("topics", "nearest"):
        function = fit(corpus.contents, corpus.ids, quick(aim=aim, epochs=60, n_bits=32)).function
        found[aim] = evaluate(function, corpus.contents, corpus.ids).recall["this"]
    assert found["nearest"] > found["topics"]


@pytest.mark.parametrize(
    ("options", "language", "has_parts"),
    [({}, "en", False), ({"language": "none"}, "none", False), ({"language": "de", "word_parts": "on"}, "de", True)],
)
def test_the_language_and_parts_of_words_are_options_and_reported(quick, options, language, has_parts):
    contents = [Text(f"the {a} of the {b} and its {c}") for a in COLORS for b in COLORS for c in COLORS]
    ids = [str(i) for i in range(len(contents))]
    function = fit(contents, ids, quick(epochs=2, min_df=1, **options)).function
    assert function.featurizer.analyzer.language == language
    assert ("the" in function.featurizer.vocabulary) == (language != "en")
    report = evaluate(function, contents, ids)
    assert (report.language, report.word_parts) == (language, has_parts)


def test_pictures_enlarged_from_few_pixels_do_not_share_a_code():
    """Most of their latent axes hardly vary: a first layer that starts from all axes alike sees only those."""
    pixels = load_digits().images[:300]  # (300, 8, 8) from 0 to 16
    pictures = []
    for shades in pixels:
        file = io.BytesIO()
        PillowImage.fromarray((shades * 15).astype(np.uint8)).save(file, "PNG")
        pictures.append(Image(file.getvalue()))
    ids = [str(i) for i in range(len(pictures))]
    function = fit(pictures, ids, TrainingConfig(n_bits=32, image_size=16, epochs=30, device="cpu")).function
    assert len(np.unique(function.encode(pictures).codes, axis=0)) > 100
