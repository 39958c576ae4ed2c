"""The family of autoencoders on real pictures: what the textbook says of each variant, checked and drawn.

    python benchmarks/family.py mnist.npz [--train 10000] [--epochs 10] [--out FOLDER] [--only NAME ...] [--json FILE]

Prints one row per claim and, with --out, draws pictures: features, vector field, tangents, singular values, samples,
saturation against noise. The file holds x_train and x_test, (n, height, width) uint8.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import family_pictures as pictures
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import Tensor

from service.hashing.codes import pack
from training.config import TrainingConfig
from training.data.batches import Dataset
from training.evaluate import saturated_share
from training.fit.run import TrainingRun
from training.models import Autoencoder
from training.models.contractive import jacobian, jacobian_norms
from training.models.losses import negative_log_likelihood
from training.models.variational import bernoulli_divergence, gaussian_divergence
from training.recall import all_distances, inclusion

Matrix = NDArray[np.float32]
MIXTURE = np.array([[-1.5, 0.0], [1.0, 1.2], [0.6, -1.4]])
SPREAD = 0.35


@dataclass(frozen=True)
class Row:
    """One claim: what was measured, and whether it holds."""

    variant: str
    claim: str
    figure: str
    holds: bool | None = None


@dataclass(frozen=True)
class Data:
    """Shades from 0 to 1, `(n, F)`, of training and of test pictures, and how to run."""

    train: Matrix
    test: Matrix
    side: int
    epochs: int
    folder: Path | None

    def picture(self, draw: Callable[..., None], name: str, *arguments: Any) -> None:
        """Draw into the folder, if there is one."""
        if self.folder is not None:
            draw(self.folder / f"{name}.png", *arguments)


def learn(variant: str, features: Matrix, output: str, epochs: int, **plan: Any) -> TrainingRun:
    """Train a variant through the one loop, without an early stop."""
    config = TrainingConfig(variant=variant, n_bits=8, device="cpu", patience=10_000)
    whole = replace(config.plan(len(features), output), epochs=epochs, **plan)
    rows = Dataset(features, features, None, output)
    run = TrainingRun(rows, Dataset(features[:500], features[:500], None, output), whole, config)
    run.run(None, lambda: None, None)
    return run


@torch.no_grad()
def test_loss(model: Autoencoder, rows: Matrix) -> float:
    """Reconstruction loss in nats per picture, from the units as they are."""
    inputs = torch.from_numpy(rows)
    return float(model.hard_loss(inputs, inputs)[0])


def undercomplete(data: Data) -> Iterator[Row]:
    mean = data.train.mean(axis=0)
    scale = float((data.train - mean).std())
    centred = (data.train - mean) / scale
    plan = {"hidden": (), "n_bits": 6, "batch_size": len(centred), "learning_rate": 0.05}
    linear = learn("undercomplete", centred, "reals", 1000, **plan)
    decoder = linear.model.decoder.layers[0].weight.detach().numpy()
    angle = float(np.rad2deg(subspace_angles(decoder, PCA(6, random_state=0).fit(centred).components_.T)).max())
    yield Row("undercomplete", "linear: angle to the principal subspace, 6 units", f"{angle:.2f} degrees", angle < 1)
    deep = learn("undercomplete", data.train, "reals", 2 * data.epochs, hidden=(500, 250), mirrored=True, n_bits=30)
    with torch.no_grad():
        back = deep.model.decode(deep.model.encoder(torch.from_numpy(data.test))).numpy()
    pca = PCA(30, random_state=0).fit(data.train)
    flat = pca.inverse_transform(pca.transform(data.test))
    errors = [float(np.square(found - data.test).sum(axis=1).mean()) for found in (back, flat)]
    claim = "squared error of a test picture at 30 units, PCA beside it"
    yield Row("undercomplete", claim, f"{errors[0]:.2f} against {errors[1]:.2f}", errors[0] < errors[1])
    rows = {"test pictures": data.test[:12], "30 units": back[:12], "PCA, 30 components": flat[:12]}
    data.picture(pictures.rows_of_pictures, "undercomplete", rows, data.side)


def sparse(data: Data) -> Iterator[Row]:
    target = 0.05
    run = learn("sparse", data.train, "bits", data.epochs, hidden=(), n_bits=100, target_rate=target)
    with torch.no_grad():
        rates = torch.sigmoid(run.model.encoder(torch.from_numpy(data.test))).mean(dim=0).numpy()
    met = float(np.mean(np.abs(rates / target - 1) < 0.2))
    figure = f"mean {rates.mean():.4f}, {met:.0%} of the units within 20 %"
    yield Row("sparse", f"rate of test units, target {target}", figure, abs(rates.mean() / target - 1) < 0.2)
    # The decoder's: in the encoder, what the weights began with still hides what was learned.
    features = run.model.decoder.layers[0].weight.detach().numpy().T
    data.picture(pictures.grid, "sparse-features", features, data.side, "What each of 100 sparse units draws")


def score(points: NDArray[np.floating], noise: float) -> NDArray[np.float64]:
    """Gradient of the log density of the mixture, blurred by Gaussian noise of that deviation."""
    variance = SPREAD**2 + noise**2
    away = points[:, None, :] - MIXTURE
    weights = np.exp(-0.5 * (away**2).sum(axis=2) / variance)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return -(weights[:, :, None] * away).sum(axis=1) / variance


def denoising(data: Data) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    points = (MIXTURE[rng.integers(3, size=4000)] + SPREAD * rng.normal(size=(4000, 2))).astype(np.float32)
    plan = {"corruption_kind": "gaussian", "corruption": 0.2, "hidden": (64, 64), "activation": "tanh", "n_bits": 16}
    model = learn("denoising", points, "reals", 60, code="linear", mirrored=True, **plan).model
    noise = 0.2 * float(np.sqrt((points**2).mean()))

    @torch.no_grad()
    def field(places: Matrix) -> NDArray[np.float64]:
        inputs = torch.from_numpy(places)
        return ((model.decode(model.encoder(inputs)) - inputs) / noise**2).numpy().astype(np.float64)

    ours, true = field(points), score(points, noise)
    cosine = (ours * true).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(true, axis=1)
    yield Row(
        "denoising",
        "cosine of (r(x) - x) / s^2 with the score of a mixture",
        f"{cosine.mean():.3f}",
        cosine.mean() > 0.9,
    )
    data.picture(pictures.field, "denoising-field", points, field, lambda places: score(places, noise))
    masked = (data.test * (rng.random(data.test.shape) >= 0.5)).astype(np.float32)
    shown = {"clean": data.test[:12], "half masked": masked[:12]}
    losses = {}
    for variant in ("denoising", "undercomplete"):
        plan = {"corruption": 0.5} if variant == "denoising" else {"code": "sigmoid"}
        model = learn(variant, data.train, "bits", data.epochs, hidden=(500,), n_bits=64, **plan).model
        with torch.no_grad():
            outputs = model.decode(torch.sigmoid(model.encoder(torch.from_numpy(masked))))
        losses[variant] = float(negative_log_likelihood(outputs, torch.from_numpy(data.test), "bits"))
        shown[f"from half, {variant}"] = torch.sigmoid(outputs[:12]).numpy()
    figure = f"{losses['denoising']:.1f} against {losses['undercomplete']:.1f} nats"
    yield Row(
        "denoising",
        "clean pictures from half masked ones, plain beside it",
        figure,
        losses["denoising"] < losses["undercomplete"],
    )
    data.picture(pictures.rows_of_pictures, "denoising", shown, data.side)


def contractive(data: Data) -> Iterator[Row]:
    spectra: dict[str, NDArray[np.float64]] = {}
    tangents = np.empty(0)
    for weight in (0.0, 0.1, 1.0):
        model = learn("contractive", data.train, "bits", data.epochs, hidden=(), n_bits=128, penalty=weight).model
        encoder = model.encoder.requires_grad_(False)
        few = torch.from_numpy(data.test[:60])
        _, values, directions = np.linalg.svd(jacobian(encoder, few, sigmoid=True).numpy(), full_matrices=False)
        spectra[f"weight {weight:g}"] = values.mean(axis=0).astype(np.float64)
        tangents = directions[:6, :6]
    precise, some = encoder.double(), few[:5].double()
    by_autograd = torch.stack([torch.func.jacrev(lambda v: torch.sigmoid(precise(v[None])[0]))(x) for x in some])
    ratios = jacobian_norms(precise, some, sigmoid=True) / by_autograd.square().sum(dim=(1, 2))
    worst = float((ratios - 1).abs().max())
    yield Row("contractive", "relative error of the penalty against autograd", f"{worst:.1e}", worst < 1e-5)
    shares = {name: float((np.cumsum(s**2) / (s**2).sum())[9]) for name, s in spectra.items()}
    figure = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
    yield Row("contractive", "share of the Jacobian's energy in 10 of 128 directions", figure)
    data.picture(pictures.spectra, "contractive-singular-values", spectra)
    data.picture(pictures.tangents, "contractive-tangents", data.test[:6], tangents, data.side)


def predictive_sparse(data: Data) -> Iterator[Row]:
    model = learn("predictive_sparse", data.train, "bits", data.epochs, hidden=(), n_bits=128, penalty=0.1).model
    inputs = torch.from_numpy(data.test[:1000])
    with torch.no_grad():
        guess = model.encoder(inputs)
        inferred = model.infer(guess, inputs, steps=300)
        worth = [float(sum(model.objective(codes, guess, inputs).values())) for codes in (guess, inferred)]
    ratio = worth[0] / worth[1]
    yield Row("predictive_sparse", "objective at the guess over the inferred one", f"{ratio:.3f}", ratio < 1.1)
    few = inputs[:256]
    with torch.inference_mode():
        at_once = _least_s(lambda: model.encoder(few), 20)
        stepwise = _least_s(lambda: model.infer(guess[:256], few, steps=100), 3)
    yield Row(
        "predictive_sparse",
        "100 steps of inference over one pass, in time",
        f"{stepwise / at_once:.0f} x",
        stepwise > 50 * at_once,
    )
    dictionary = model.dictionary().detach().numpy().T
    data.picture(
        pictures.grid, "predictive-sparse-dictionary", dictionary[:100], data.side, "Columns of the dictionary"
    )


def variational(data: Data) -> Iterator[Row]:
    samples = {}
    for code, name in (("sigmoid", "Bernoulli"), ("linear", "Gaussian")):
        plan = {"hidden": (500,), "mirrored": True, "n_bits": 32, "code": code}
        run = learn("variational", data.train, "bits", 2 * data.epochs, **plan)
        bounds = [-record.loss for record in run.history]
        rises = all(later > earlier - 0.5 for earlier, later in pairwise(bounds))
        yield Row(
            "variational", f"ELBO over the epochs, {name} codes", f"{bounds[0]:.1f} to {bounds[-1]:.1f} nats", rises
        )
        samples[f"{name} codes"] = run.model.sample(12, torch.Generator().manual_seed(0)).numpy()
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 8, dtype=torch.float64)
    normal, coin = (
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()),
        torch.distributions.Bernoulli(logits=mean),
    )
    drawn, flipped = normal.sample((200_000,)), coin.sample((200_000,))
    estimates = (
        (normal.log_prob(drawn) - torch.distributions.Normal(0.0, 1.0).log_prob(drawn)).sum(dim=2).mean(dim=0),
        (coin.log_prob(flipped) - np.log(0.5)).sum(dim=2).mean(dim=0),
    )
    exact = gaussian_divergence(mean, log_variance), bernoulli_divergence(mean)
    worst = max(float((e / x - 1).abs().max()) for e, x in zip(estimates, exact, strict=True))
    yield Row("variational", "KL against 200,000 draws, worst relative error", f"{worst:.4f}", worst < 0.02)
    data.picture(pictures.rows_of_pictures, "variational-samples", samples, data.side)


def rbm(data: Data) -> Iterator[Row]:
    run = learn("rbm", data.train, "bits", data.epochs, n_bits=100)
    first, last = run.history[0].validation_loss, run.history[-1].validation_loss
    yield Row("rbm", "reconstruction by CD-1, first to last epoch", f"{first:.1f} to {last:.1f} nats", last < first)
    features = run.model.encoder.first.detach().numpy().T
    data.picture(pictures.grid, "rbm-features", features, data.side, "What each of 100 units of an RBM looks for")


def stacked(data: Data) -> Iterator[Row]:
    plan = {"hidden": (500, 250, 125, 64), "n_bits": 32}
    losses = {}
    for pretraining in ("autoencoder", "rbm"):
        model = learn("stacked", data.train, "bits", data.epochs, pretraining=pretraining, **plan).model
        losses[pretraining] = test_loss(model, data.test)
    plain = {"activation": "sigmoid", "mirrored": True, "code": "sigmoid"}
    for name, epochs in (
        ("none", data.epochs),
        ("none, steps of pretraining added", data.epochs + 5 * -(-data.epochs // 2)),
    ):
        losses[name] = test_loss(learn("undercomplete", data.train, "bits", epochs, **plain, **plan).model, data.test)
    for name, loss in losses.items():
        holds = None if name.startswith("none") else loss < losses["none"]
        yield Row("stacked", f"test loss of four hidden layers, pretraining: {name}", f"{loss:.1f} nats", holds)


def recirculation(data: Data) -> Iterator[Row]:
    plan = {"hidden": (), "n_bits": 64, "code": "sigmoid"}
    for output, rows in (("bits", data.train), ("reals", (data.train - data.train.mean(axis=0)) / data.train.std())):
        local, propagated = (
            learn(variant, rows, output, 2 * data.epochs, **plan).history[-1].validation_loss
            for variant in ("recirculation", "undercomplete")
        )
        figure = f"{local:.2f} against {propagated:.2f} ({local / propagated - 1:+.1%})"
        yield Row("recirculation", f"loss beside the backpropagated one, {output}", figure, local < 1.15 * propagated)


def semantic_hashing(data: Data) -> Iterator[Row]:
    base, queries = data.train, data.test[:500]
    true = np.argpartition(_square_distances(queries, base), 10, axis=1)[:, :10]
    scales = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    saturated: dict[str, list[float]] = {"fresh": [], "fixed": []}
    recalls: dict[str, list[float]] = {"fresh": [], "fixed": []}
    for kind, noise in product(saturated, scales):
        plan = {"hidden": (500,), "n_bits": 32, "noise_start": 0.0, "noise": noise, "noise_kind": kind}
        model = learn("semantic_hashing", base, "bits", data.epochs, **plan).model
        with torch.no_grad():
            logits, asked = (model.encoder(torch.from_numpy(rows)).numpy() for rows in (base, queries))
        distances = all_distances(pack(asked > 0), pack(logits > 0))
        saturated[kind].append(saturated_share(asked))
        recalls[kind].append(
            float(np.mean([inclusion(d, 100)[t].mean() for d, t in zip(distances, true, strict=True)]))
        )
        yield Row(
            "semantic_hashing",
            f"{kind} noise {noise:g}: saturated units, recall@10 among 100",
            f"{saturated[kind][-1]:.2f}, {recalls[kind][-1]:.3f}",
        )
    data.picture(pictures.saturation, "semantic-hashing-saturation", scales, saturated, recalls)


def _square_distances(a: Matrix, b: Matrix) -> Matrix:
    return np.square(a).sum(axis=1)[:, None] - 2 * a @ b.T + np.square(b).sum(axis=1)


def _least_s(call: Callable[[], Tensor], n: int) -> float:
    seconds = []
    for _ in range(n):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


PARTS = [
    undercomplete,
    sparse,
    denoising,
    contractive,
    predictive_sparse,
    variational,
    rbm,
    stacked,
    recirculation,
    semantic_hashing,
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="x_train and x_test, (n, height, width) uint8, as MNIST comes")
    parser.add_argument("--train", type=int, default=10_000, help="training pictures")
    parser.add_argument("--epochs", type=int, default=10, help="passes over them")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw the pictures there")
    parser.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS], help="these variants alone")
    parser.add_argument("--threads", type=int, default=0, help="threads; 0: one per core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    file = np.load(options.data)
    train, test = ((file[part].reshape(len(file[part]), -1) / 255).astype(np.float32) for part in ("x_train", "x_test"))
    data = Data(train[: options.train], test[:2000], file["x_train"].shape[1], options.epochs, options.out)
    rows: list[Row] = []
    for part in PARTS:
        if options.only and part.__name__ not in options.only:
            continue
        began = time.perf_counter()
        for row in part(data):
            rows.append(row)
            verdict = {True: "holds", False: "FAILS", None: ""}[None if row.holds is None else bool(row.holds)]
            print(f"{row.variant:18} {row.claim:62} {row.figure:42} {verdict}", flush=True)
        print(f"{part.__name__:18} {time.perf_counter() - began:.0f} s", flush=True)
    if options.json:
        options.json.write_text(
            json.dumps([asdict(replace(r, holds=None if r.holds is None else bool(r.holds))) for r in rows], indent=1)
        )


if __name__ == "__main__":
    main()
