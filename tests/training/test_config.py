import re
from dataclasses import replace
from typing import get_args

import pytest

from service.errors import InvalidInput
from service.training_options import DEFAULTS, OWN_OPTIONS, VARIANTS, VariantName
from training.config import TrainingConfig
from training.models import MODELS, Plan


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_bits": 30}, "n_bits must be a multiple of 8 between 8 and 256, got 30"),
        ({"image_size": 2}, "image_size must be an integer at least 4 and at most 256, got 2"),
        ({"imagesize": 8}, '"imagesize" is no option: did you mean image_size?'),
    ],
)
def test_an_option_out_of_its_range_is_named(options, reason):
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        TrainingConfig.parse(options)


def test_every_option_has_a_description():
    assert [name for name, field in TrainingConfig.model_fields.items() if not field.description] == []


def test_options_and_models_name_the_same_variants():
    assert set(MODELS) == set(VARIANTS) == set(get_args(VariantName))


def test_presets_and_defaults_name_known_options_and_the_plan_has_no_others():
    known = set(TrainingConfig.model_fields)
    for variant in VARIANTS.values():
        assert known >= variant.preset.keys() | variant.fixed.keys()
    assert known >= DEFAULTS.keys()
    numbers = {name for name in Plan.__dataclass_fields__ if name not in OWN_OPTIONS} - {"n_bits", "first_epochs"}
    assert numbers <= DEFAULTS.keys() | {"epochs", "batch_size", "output_words"}


@pytest.mark.parametrize("variant", sorted(MODELS))
def test_what_a_model_refuses_is_refused_with_its_options(variant):
    """A value that the variant's options forbid is refused by the model too."""
    plan = TrainingConfig(variant=variant).plan(100)
    for name in VARIANTS[variant].fixed.keys() & {"hidden", "mirrored", "code"}:
        other = {"hidden": (3,), "mirrored": not plan.mirrored, "code": {"sigmoid": "linear"}.get(plan.code, "sigmoid")}
        with pytest.raises(InvalidInput):
            MODELS[variant](20, replace(plan, **{name: other[name]}))


@pytest.mark.parametrize("variant", sorted(MODELS))
def test_explicit_options_replace_the_preset_and_the_preset_replaces_the_defaults(variant):
    plan = TrainingConfig(variant=variant).plan(10_000)
    for name, value in VARIANTS[variant].preset.items():
        assert name in ("first_share", "aim") or getattr(plan, name) == value
    assert TrainingConfig(variant=variant, learning_rate=0.25, epochs=7).plan(5_000).learning_rate == 0.25


@pytest.mark.parametrize("epochs", [1, 2, 3, 10])
@pytest.mark.parametrize("share", [0.01, 0.45, 0.99])
def test_each_of_two_networks_has_an_epoch_where_there_are_two(epochs, share):
    options = {"epochs": epochs} if epochs == 1 else {"epochs": epochs, "first_share": share}
    plan = TrainingConfig.parse(options).plan(300)
    assert plan.first_epochs + plan.epochs == epochs
    assert plan.epochs >= 1
    assert plan.first_epochs >= (epochs > 1)


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


@pytest.mark.parametrize("n_documents", [100, 300, 1_000, 1_700, 1_800])
def test_a_few_texts_of_many_words_are_learned_from_in_500_larger_steps(n_documents):
    plan = TrainingConfig().plan(n_documents, n_features=20_000)
    assert (plan.first_epochs + plan.epochs) * -(-n_documents // plan.batch_size) == pytest.approx(500, abs=20)
    assert plan.learning_rate > TrainingConfig().plan(11_000).learning_rate


@pytest.mark.parametrize(
    ("options", "n_features"),
    [({}, 4_000), ({"variant": "semantic_hashing"}, 20_000), ({"start_dims": 0}, 20_000)],
)
def test_few_words_and_those_that_start_at_random_get_all_their_steps(options, n_features):
    plan = TrainingConfig.parse(options).plan(1_700, n_features=n_features)
    assert (plan.first_epochs + plan.epochs, plan.batch_size, plan.learning_rate) == (100, 128, 3e-3)


def test_what_is_said_of_epochs_batches_and_steps_goes_before_the_number_of_words():
    plan = TrainingConfig(epochs=9, batch_size=40, learning_rate=1e-3).plan(1_700, n_features=20_000)
    assert (plan.first_epochs + plan.epochs, plan.batch_size, plan.learning_rate) == (9, 40, 1e-3)


@pytest.mark.parametrize(
    ("n_documents", "batch_size", "first_epochs", "epochs"),
    [(1_801, 128, 42, 51), (5_000, 128, 16, 19), (11_000, 128, 7, 9), (200_000, 128, 2, 2)],
)
def test_larger_collections_have_one_plan(n_documents, batch_size, first_epochs, epochs):
    assert TrainingConfig().plan(n_documents, n_features=20_000) == Plan(
        n_bits=64,
        hidden=(500, 500),
        activation="relu",
        output="counts",
        code="sigmoid",
        mirrored=False,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=3e-3,
        corruption=0.5,
        corruption_kind="masking",
        neighbors=20,
        lsa_dims=32,
        lsa_weight=1.0,
        rarity=1.0,
        start_dims=64,
        noise_start=1.0,
        noise=5.0,
        sampled_bits=False,
        balance=0.3,
        output_words=4_000,
        drawn_neighbors=15,
        refined_neighbors=10,
        first_epochs=first_epochs,
        first_bits=128,
        likeness=0.3,
        nearest_share=0.625,
    )


def test_codes_of_vectors_keep_the_nearest_unless_an_aim_is_named():
    plan = TrainingConfig().plan(5_000, "reals")
    assert (plan.hidden, plan.neighbors, plan.first_epochs, plan.likeness) == ((), 0, 0, 0.0)
    assert TrainingConfig().resolved_for("reals")["aim"] == "nearest"
    assert TrainingConfig(hidden=(50,), noise=2.0).plan(5_000, "reals").hidden == (50,)
    topics = TrainingConfig(aim="topics").plan(5_000, "reals")
    assert (topics.neighbors, topics.hidden) == (20, (500, 500))
    assert TrainingConfig(variant="denoising").plan(5_000, "reals").hidden == (500, 500)


@pytest.mark.parametrize("output", ["bits", "reals"])
def test_pictures_and_vectors_have_more_refined_neighbors_than_texts(output):
    assert [TrainingConfig().plan(n, output).refined_neighbors for n in (300, 3_000, 30_000)] == [5, 40, 100]
    assert [TrainingConfig().plan(n).refined_neighbors for n in (300, 3_000, 30_000)] == [5, 10, 10]
    assert TrainingConfig(refined_neighbors=50).plan(3_000, output).refined_neighbors == 50


def test_the_first_weights_of_pictures_are_random_unless_axes_are_asked_for():
    assert [TrainingConfig().plan(300, output).start_dims for output in ("counts", "bits")] == [64, 0]
    assert TrainingConfig(start_dims=32).plan(300, "bits").start_dims == 32


def test_the_aim_changes_the_recipe_and_explicit_options_change_that():
    topics, both, nearest = (TrainingConfig(aim=aim).plan(5_000) for aim in ("topics", "both", "nearest"))
    assert TrainingConfig().plan(5_000) == topics
    assert (topics.nearest_likeness, both.nearest_likeness) == (0.0, 1.0)
    assert both.first_epochs + both.epochs == 2 * (topics.first_epochs + topics.epochs)
    assert (nearest.neighbors, nearest.first_epochs) == (5, 0)
    explicit = TrainingConfig(aim="both", noise=3.0, epochs=9).plan(5_000)
    assert (explicit.noise, explicit.first_epochs + explicit.epochs) == (3.0, 9)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"aim": "words"}, "aim must be one of topics, both, nearest"),
        ({"aim": "both", "variant": "sparse"}, "aim is an option of neighbor"),
        ({"nearest_share": 0.5}, "nearest_share needs nearest_likeness above 0"),
        ({"partners": 3, "first_share": 0.0}, "partners needs a first network"),
        ({"near_neighbors": 3, "aim": "nearest"}, "near_neighbors needs a first network"),
    ],
)
def test_an_aim_and_what_belongs_to_it_are_refused_where_they_have_no_effect(options, reason):
    with pytest.raises(InvalidInput, match=reason):
        TrainingConfig.parse(options)
