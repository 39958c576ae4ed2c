import numpy as np
import pytest
import torch

from service.errors import InvalidInput
from training.models.stacked import Stacked

DEEP = {"hidden": (64, 48, 32, 24), "n_bits": 16, "batch_size": 64, "epochs": 12}


@pytest.mark.long
@pytest.mark.parametrize("pretraining", ["autoencoder", "rbm"])
def test_pretraining_lowers_the_tuned_loss_of_four_hidden_layers_at_equal_steps(
    digits, learn, monkeypatch, pretraining
):
    standard = (digits - digits.mean(axis=0)) / digits.std()
    plan = DEEP | {"output": "reals", "pretraining": pretraining}
    pretrained = learn("stacked", standard, **plan).history[-1].validation_loss
    monkeypatch.setattr(Stacked, "prepare", lambda self, batches, generator: None)
    at_once = learn("stacked", standard, **plan).history[-1].validation_loss
    # As many steps again as all layers' pretraining took do not make up for it.
    longer = learn("stacked", standard, **plan | {"epochs": 42}).history[-1].validation_loss
    assert pretrained < (0.7 if pretraining == "autoencoder" else 0.97) * at_once
    assert pretrained < longer or pretraining == "rbm"


@pytest.mark.parametrize("pretraining", ["autoencoder", "rbm"])
def test_unrolling_one_layer_gives_what_the_layer_gave(digits, learn, pretraining):
    shallow = {}

    class Watched(Stacked):
        def _place(self, level, layer):
            shallow[level] = layer
            super()._place(level, layer)

    run = learn("stacked", digits, **DEEP | {"hidden": (24,), "epochs": 1, "pretraining": pretraining})
    model = Watched(64, run.plan)
    batches = lambda: run._batches((0.0, 0.0), np.random.default_rng(0))  # noqa: E731
    model.prepare(batches, torch.Generator().manual_seed(0))
    rows = torch.from_numpy(digits[:5])
    with torch.no_grad():
        first = torch.sigmoid(shallow[0].encoder(rows))
        code = torch.sigmoid(shallow[1].encoder(first))
        torch.testing.assert_close(torch.sigmoid(model.encoder(rows)), code)
        back = torch.sigmoid(shallow[1].decode(code))
        torch.testing.assert_close(model.decode(code), shallow[0].decode(back), rtol=1e-4, atol=1e-5)


def test_other_layers_than_sigmoid_ones_are_refused(digits, learn):
    with pytest.raises(InvalidInput, match="needs sigmoid layers"):
        learn("stacked", digits, activation="relu")
