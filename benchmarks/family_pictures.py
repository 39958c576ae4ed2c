"""Pictures of the family: each function draws one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

Array = NDArray[np.floating]


def rows_of_pictures(path: Path, rows: dict[str, Array], side: int) -> None:
    """One named row of pictures below the other."""
    n = max(len(row) for row in rows.values())
    figure, axes = pyplot.subplots(len(rows), n, figsize=(n + 2, len(rows) + 0.3), squeeze=False, layout="constrained")
    for (name, row), line in zip(rows.items(), axes, strict=True):
        for axis, picture in zip(line, row, strict=True):
            axis.imshow(picture.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    _save(figure, path)


def grid(path: Path, features: Array, side: int, title: str) -> None:
    """Weights as pictures, each between minus and plus its largest: blue below zero, red above."""
    n = int(np.ceil(len(features) ** 0.5))
    figure, axes = pyplot.subplots(n, n, figsize=(n * 0.8, n * 0.8 + 0.4), layout="constrained")
    figure.suptitle(title)
    for axis in axes.flat:
        axis.axis("off")
    for axis, feature in zip(axes.flat, features, strict=False):
        high = np.abs(feature).max()
        axis.imshow(feature.reshape(side, side), cmap="RdBu_r", vmin=-high, vmax=high)
    _save(figure, path)


def field(path: Path, points: Array, learned: Callable[[Array], Array], true: Callable[[Array], Array]) -> None:
    """The learned vector field beside the true score, over the points it was learned from."""
    low, high = points.min(axis=0) - 0.2, points.max(axis=0) + 0.2
    xs, ys = np.meshgrid(np.linspace(low[0], high[0], 24), np.linspace(low[1], high[1], 24))
    places = np.column_stack([xs.ravel(), ys.ravel()]).astype(np.float32)
    figure, axes = pyplot.subplots(1, 2, figsize=(13, 6.2), layout="constrained", sharex=True, sharey=True)
    for axis, vectors, name in (
        (axes[0], learned(places), "(r(x) - x) / s², learned by a denoising autoencoder"),
        (axes[1], true(places), "the score, gradient of the log density"),
    ):
        axis.scatter(*points[:1500].T, s=3, color="#bbbbbb")
        axis.quiver(*places.T, *vectors.T, np.linalg.norm(vectors, axis=1), cmap="viridis", angles="xy")
        axis.set(title=name, aspect="equal")
    _save(figure, path)


def spectra(path: Path, values: dict[str, Array]) -> None:
    """Mean singular values of the Jacobian, largest first, one line per weight of the penalty."""
    figure, axis = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name, line in values.items():
        axis.semilogy(np.arange(1, len(line) + 1), line, label=name)
    axis.set(xlabel="singular value of the code's Jacobian", ylabel="mean over test pictures")
    axis.set_ylim(bottom=max(1e-6, min(line.min() for line in values.values())))
    axis.legend()
    _save(figure, path)


def tangents(path: Path, inputs: Array, directions: Array, side: int) -> None:
    """Each picture, and the directions in which its code moves most."""
    n = directions.shape[1] + 1
    figure, axes = pyplot.subplots(len(inputs), n, figsize=(n * 1.1, len(inputs) * 1.1 + 0.3), layout="constrained")
    figure.suptitle("Test pictures, and the directions that move their code most")
    for line, picture, found in zip(axes, inputs, directions, strict=True):
        line[0].imshow(picture.reshape(side, side), cmap="gray_r")
        for axis, direction in zip(line[1:], found, strict=True):
            high = np.abs(direction).max()
            axis.imshow(direction.reshape(side, side), cmap="RdBu_r", vmin=-high, vmax=high)
        for axis in line:
            axis.axis("off")
    _save(figure, path)


Curves = Mapping[str, Sequence[float]]


def saturation(path: Path, scales: Sequence[float], saturated: Curves, recalls: Curves) -> None:
    """Share of saturated units and quality of the codes, by kind of noise, against what it was at the end."""
    figure, axis = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for kind, color in zip(saturated, ("tab:blue", "tab:orange"), strict=True):
        axis.plot(scales, saturated[kind], "o-", color=color, label=f"saturated units, {kind} noise")
        axis.plot(scales, recalls[kind], "s--", color=color, label=f"recall@10 among 100, {kind} noise")
    axis.set_title("units within 0.05 of 0 or 1 without noise; quality of the codes")
    axis.set(xlabel="standard deviation of the noise at the end of the training, in logits", ylim=(0, 1.02))
    axis.legend()
    _save(figure, path)


def _save(figure: pyplot.Figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
