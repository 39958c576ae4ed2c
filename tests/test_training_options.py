from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, get_args

import pytest

from service.errors import InvalidInput
from service.hashing.analysis import LANGUAGES
from service.training_options import VARIANTS, Language, TrainingOptions


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"variant": "deep"}, "variant must be one of contractive, denoising, neighbor, "),
        ({"epohcs": 3}, '"epohcs" is no option: did you mean epochs?'),
        ({"zzz": 3}, '"zzz" is no option: there are activation, aim, balance, '),
        ({"epochs": 0}, "epochs must be an integer at least 1 and at most 1,000, got 0"),
        ({"epochs": 10**9}, "epochs must be an integer at least 1 and at most 1,000, got 1000000000"),
        ({"epochs": "many"}, 'epochs must be an integer at least 1 and at most 1,000, got "many"'),
        ({"corruption": 1}, "corruption must be a number at least 0 and below 1, got 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0 and at most 10, got NaN"),
        (
            {"hidden": [500, 100_000]},
            "hidden must be a list of at most 8, each an integer at least 1 and at most 8,192,",
        ),
        ({"hidden": 500}, "hidden must be a list of at most 8"),
        ({"mirrored": "perhaps"}, 'mirrored must be true or false, got "perhaps"'),
        ({"device": "gpu"}, 'device must be auto, cpu, cuda or cuda:N, got "gpu"'),
        ({"noise_kind": []}, "noise_kind must be one of fresh, fixed, got []"),
        ({"language": "xx"}, "language must be one of auto, none, ar, ca, "),
        ({"word_parts": True}, "word_parts must be one of auto, on, off, got true"),
        ({"seed": -1}, "seed must be an integer at least 0 and below 4,294,967,296, got -1"),
    ],
)
def test_an_option_is_refused_with_its_name_what_is_allowed_and_what_came(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        TrainingOptions.parse(options)


def test_every_fault_is_said() -> None:
    with pytest.raises(InvalidInput) as refused:
        TrainingOptions.parse({"epochs": 0, "seed": -1, "nois": 1})
    assert [fault["where"] for fault in refused.value.errors] == ["seed", "epochs", "nois"]
    assert all(fault["rule"] in str(refused.value) for fault in refused.value.errors)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"target_rate": 0.1}, "target_rate is an option of sparse, variant 'neighbor' has no use for it, got 0.1"),
        ({"variant": "denoising", "first_share": 0.4}, "first_share needs neighbors above 0, got 0.4"),
        ({"epochs": 1, "first_share": 0.9}, "first_share needs at least 2 epochs, one for each of the two networks"),
        (
            {"variant": "denoising", "likeness": 0.3},
            "likeness needs a first network: neighbors and first_share above 0",
        ),
        ({"first_share": 0, "likeness": 0.3}, "likeness needs a first network"),
        ({"variant": "sparse", "neighbors": 5, "first_bits": 64}, "first_bits needs a first network"),
        ({"variant": "rbm", "noise": 1.0}, "noise must be 0.0 with variant 'rbm', got 1.0"),
        ({"variant": "rbm", "hidden": [8]}, "hidden must be [] with variant 'rbm', got [8]"),
        ({"variant": "stacked", "activation": "relu"}, "activation must be \"sigmoid\" with variant 'stacked'"),
        ({"variant": "stacked", "output_words": 50}, "output_words must be left out with variant 'stacked', got 50"),
        ({"variant": "variational", "sampled_bits": True}, "sampled_bits must be false with variant 'variational'"),
        ({"variant": "undercomplete", "sampled_bits": True}, "sampled_bits needs code='sigmoid', got true"),
        ({"variant": "sparse", "corruption_kind": "gaussian"}, "corruption_kind needs corruption above 0"),
        ({"variant": "sparse", "noise_kind": "fixed"}, "noise_kind needs noise above 0"),
        ({"variant": "sparse", "sparsity": "l1", "target_rate": 0.3}, "target_rate needs sparsity='kl'"),
        ({"hidden": [], "activation": "tanh"}, "activation needs hidden layers"),
        ({"neighbors": 0, "drawn_neighbors": 5}, "drawn_neighbors needs neighbors above 0"),
        ({"lsa_weight": 0, "lsa_dims": 5}, "lsa_dims needs lsa_weight above 0"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_with_what_it_needs(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(reason)):
        TrainingOptions.parse(options)


@pytest.mark.parametrize(
    "options",
    [
        {"neighbors": 5, "first_share": 0},
        {"epochs": 1},
        {"epochs": 1, "likeness": 0},
        {"first_share": 0, "likeness": 0, "drawn_neighbors": 0},
        {"variant": "denoising", "neighbors": 9, "first_share": 0.3, "likeness": 0.2, "noise": 4},
        {"variant": "rbm", "hidden": [], "noise": 0, "neighbors": 0},
        {"seed": 3.0, "epochs": None},
    ],
)
def test_what_goes_together_or_switches_off_is_accepted(options: dict[str, Any]) -> None:
    TrainingOptions.parse(options)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_preset_of_a_variant_goes_together(variant: str) -> None:
    TrainingOptions.parse({**VARIANTS[variant].preset, "variant": variant})


def test_options_are_read_without_torch() -> None:
    loaded = "[m for m in ('torch', 'numpy') if m in sys.modules]"
    code = f"import service.training_options, sys, json; print(json.dumps({loaded}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_languages_of_a_training_are_those_of_the_analyzer() -> None:
    assert get_args(Language) == ("auto", "none", *LANGUAGES)
