from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from service.errors import InvalidInput
from training.models.losses import negative_log_likelihood
from training.models.predictive_sparse import residual

PLAN = {"hidden": (), "n_bits": 64, "batch_size": 64, "epochs": 30, "penalty": 0.1}


def total(model, codes, guess, target):
    with torch.no_grad():
        return float(sum(model.objective(codes, guess, target).values()))


def operations(call):
    """Multiplications and additions of the matrix products in a call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


@pytest.mark.long
@pytest.mark.parametrize("output", ["reals", "bits"])
def test_the_guess_is_within_a_tenth_of_the_inferred_objective_at_a_hundredth_of_the_operations(digits, learn, output):
    if output == "reals":
        digits = (digits - digits.mean(axis=0)) / digits.std()
    inputs = torch.from_numpy(digits)
    model = learn("predictive_sparse", digits, output=output, **PLAN).model
    with torch.no_grad():
        guess = model.encoder(inputs)
    inferred = model.infer(guess, inputs, steps=200)
    cold = model.infer(torch.zeros_like(guess), inputs, steps=200)  # sparse coding alone, without any guess
    for codes, predicted in ((inferred, guess), (cold, torch.zeros_like(guess))):
        assert total(model, codes, predicted, inputs) < total(model, predicted, predicted, inputs)
    assert total(model, guess, guess, inputs) < 1.1 * total(model, inferred, guess, inputs)

    at_once = operations(lambda: model.encoder(inputs))
    step_by_step = operations(lambda: model.infer(guess, inputs, steps=200))
    assert step_by_step > 100 * at_once > 0


def test_most_inferred_codes_are_exactly_zero_under_a_strong_penalty(digits, learn):
    model = learn("predictive_sparse", digits, **PLAN | {"penalty": 0.5, "epochs": 10}, output="reals").model
    inputs = torch.from_numpy(digits)
    with torch.no_grad():
        inferred = model.infer(model.encoder(inputs), inputs, steps=100)
    assert float((inferred == 0).float().mean()) > 0.5


@pytest.mark.parametrize("output", ["counts", "bits", "reals"])
def test_more_steps_of_inference_never_end_higher(digits, learn, output):
    shares = digits / digits.sum(axis=1, keepdims=True)
    model = learn(
        "predictive_sparse", shares if output == "counts" else digits, **PLAN | {"epochs": 2}, output=output
    ).model
    target = torch.from_numpy(shares if output == "counts" else digits)
    guess = torch.randn(len(target), 64, generator=torch.Generator().manual_seed(0))
    reached = [total(model, model.infer(guess, target, steps), guess, target) for steps in (0, 5, 20, 80, 320)]
    assert all(later <= earlier * (1 + 1e-4) for earlier, later in pairwise(reached))
    assert reached[-1] > reached[-2] * 0.99  # converged


@pytest.mark.parametrize("output", ["counts", "bits", "reals"])
def test_the_slope_used_by_inference_agrees_with_autograd(output):
    outputs = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    target = torch.softmax(torch.randn(4, 6, dtype=torch.float64), dim=1)
    (expected,) = torch.autograd.grad(4 * negative_log_likelihood(outputs, target, output), outputs)
    torch.testing.assert_close(residual(outputs.detach(), target, output), expected)


def test_dictionary_columns_cannot_grow(digits, learn):
    dictionary = learn("predictive_sparse", digits, **PLAN | {"epochs": 2}).model.dictionary()
    torch.testing.assert_close(dictionary.norm(dim=0), torch.ones(64))


def test_a_deep_decoder_is_refused(digits, learn):
    with pytest.raises(InvalidInput, match="linear decoder"):
        learn("predictive_sparse", digits, mirrored=True, hidden=(8,))
