import pytest
import torch

from service.errors import InvalidInput
from training.models import Batch, recirculation


@pytest.mark.parametrize("output", ["bits", "reals"])
def test_the_loss_is_within_15_percent_of_the_backpropagated_one(digits, learn, output):
    if output == "reals":
        digits = (digits - digits.mean(axis=0)) / digits.std()
    plan = {"hidden": (), "n_bits": 32, "batch_size": 64, "epochs": 40, "code": "sigmoid", "output": output}
    local, backpropagated = (
        learn(variant, digits, **plan).history[-1].validation_loss for variant in ("recirculation", "undercomplete")
    )
    assert local < 1.15 * backpropagated


def test_nothing_is_recorded_for_backpropagation(digits, learn):
    model = learn("recirculation", digits, n_bits=16, epochs=1).model
    rows = torch.from_numpy(digits[:8])
    model.requires_grad_(False)  # a backward pass would now fail
    losses = model.accumulate(Batch(rows, rows, 0.0), torch.Generator())
    assert not losses.total.requires_grad
    assert float(model.encoder.first.grad.abs().max()) > 0


def test_local_differences_point_where_backpropagation_points_when_the_decoder_is_the_transpose(
    digits, learn, monkeypatch
):
    monkeypatch.setattr(recirculation, "REGRESSION", 0.99)  # in the limit of slow change
    model = learn("recirculation", digits, n_bits=16, epochs=1, output="reals").model
    with torch.no_grad():
        model.decoder.layers[0].weight.copy_(model.encoder.first)
    rows = torch.from_numpy(digits)
    batch = Batch(rows, rows, 0.0)
    model.zero_grad()
    model.accumulate(batch, torch.Generator())
    local = model.encoder.first_bias.grad.clone()
    model.zero_grad()
    model.loss(batch, torch.Generator()).total.backward()
    assert torch.cosine_similarity(local, model.encoder.first_bias.grad, dim=0) > 0.95


def test_hidden_layers_are_refused(digits, learn):
    with pytest.raises(InvalidInput, match="one layer of sigmoid units"):
        learn("recirculation", digits, hidden=(8,))


def test_what_its_rule_cannot_learn_from_is_refused(digits, learn):
    with pytest.raises(InvalidInput, match="no use for noise, balance"):
        learn("recirculation", digits, noise=1.0, balance=0.1)
