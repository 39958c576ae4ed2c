import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from training.models.losses import negative_log_likelihood


def test_a_linear_one_spans_the_principal_subspace(digits, learn):
    centred = (digits - digits.mean(axis=0)) / digits.std()
    plan = {
        "hidden": (),
        "n_bits": 10,
        "output": "reals",
        "epochs": 600,
        "batch_size": len(digits),
        "learning_rate": 0.02,
    }
    model = learn("undercomplete", centred, **plan).model
    decoder = model.decoder.layers[0].weight.detach().numpy()
    principal = PCA(10).fit(centred).components_.T
    assert np.rad2deg(subspace_angles(decoder, principal)).max() < 1


def test_a_nonlinear_one_reconstructs_better_than_as_many_principal_components(digits, learn):
    plan = {"hidden": (64,), "mirrored": True, "n_bits": 8, "output": "reals", "epochs": 60, "batch_size": 64}
    model = learn("undercomplete", digits, **plan).model
    inputs = torch.from_numpy(digits)
    with torch.no_grad():
        loss = float(model.reconstruction(model.encoder(inputs), inputs))
    pca = PCA(8).fit(digits)
    flat = torch.from_numpy(pca.inverse_transform(pca.transform(digits)).astype(np.float32))
    assert loss < 0.8 * float(negative_log_likelihood(flat, inputs, "reals"))


def test_each_kind_of_data_has_its_likelihood():
    torch.manual_seed(0)
    outputs = torch.randn(5, 7)
    counts = torch.rand(5, 7)
    counts /= counts.sum(dim=1, keepdim=True)
    by_hand = {
        "counts": -(counts * torch.log_softmax(outputs, dim=1)).sum(dim=1).mean(),
        "bits": -torch.distributions.Bernoulli(logits=outputs).log_prob(counts.round()).sum(dim=1).mean(),
        "reals": -torch.distributions.Normal(outputs, 1).log_prob(counts).sum(dim=1).mean() - 3.5 * np.log(2 * np.pi),
    }
    for output, expected in by_hand.items():
        target = counts.round() if output == "bits" else counts
        torch.testing.assert_close(negative_log_likelihood(outputs, target, output), expected)
