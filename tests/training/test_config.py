import pytest

from service.errors import InvalidInput
from training.config import TrainingConfig
from training.models import MODELS


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_bits": 30}, "n_bits must be a multiple of 8 between 8 and 256, got 30"),
        ({"variant": "deep"}, "variant must be one of"),
        ({"epoch": 3}, "epoch: Extra inputs"),
        ({"corruption": 1.0}, "corruption: .*less than 1"),
        ({"learning_rate": "fast", "seed": -1}, "seed: .*learning_rate: "),
    ],
)
def test_an_option_out_of_its_range_is_named(options, reason):
    with pytest.raises(InvalidInput, match=reason):
        TrainingConfig.parse(options)


def test_every_option_says_what_it_is():
    assert [name for name, field in TrainingConfig.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("variant", sorted(MODELS))
def test_what_is_said_goes_before_the_preset_and_the_preset_before_the_dial(variant):
    plan = TrainingConfig(variant=variant).plan(10_000)
    for name, value in MODELS[variant].preset.items():
        assert name == "first_share" or getattr(plan, name) == value
    assert TrainingConfig(variant=variant, noise=0.25, epochs=7).plan(5_000).noise == 0.25


def test_a_small_corpus_is_seen_more_often():
    passes = [TrainingConfig().plan(n).epochs for n in (100, 1_000, 10_000, 100_000, 1_000_000)]
    assert passes == sorted(passes, reverse=True)
    assert passes[-1] >= 1


def test_many_documents_are_seen_four_times_in_larger_batches():
    plans = {n: TrainingConfig().plan(n) for n in (11_000, 100_000, 200_000, 400_000, 1_000_000)}
    assert [plan.batch_size for plan in plans.values()] == [128, 128, 128, 256, 512]
    steps = [(p.first_epochs + p.epochs) * n // p.batch_size for n, p in plans.items()]
    assert min(steps[1:]) > 3_000
    assert max(steps) < 8_000
    assert all(p.first_epochs + p.epochs >= 4 for p in plans.values())
