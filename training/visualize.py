"""Two-dimensional maps of a collection: from codes of an autoencoder, with the classical methods beside them.

- two units: an autoencoder whose code is two linear units; the code is the place on the map;
- 32 units, t-SNE: an autoencoder of 32 linear units, its codes laid out by t-SNE;
- PCA, Isomap, locally linear embedding: of the features themselves.

Source: Hinton, Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks" (two units); van der
Maaten, Hinton (2008), "Visualizing data using t-SNE", section 6 (of autoencoder codes); Tenenbaum, de Silva, Langford
(2000) (Isomap); Roweis, Saul (2000) (LLE); Venna, Kaski (2001) (trustworthiness).
"""

from __future__ import annotations

import base64
import html
import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding, trustworthiness

from service.errors import ConfigurationError, InvalidInput
from service.hashing.content import Content, Image, Text
from service.hashing.featurizers import Features
from service.hashing.network import network_input
from training.config import TrainingConfig
from training.data.batches import Dataset
from training.data.readers import Collection
from training.fit.fit import featurizer_for
from training.fit.run import TrainingRun
from training.neighbors.graph import sources

NEIGHBORS = 15
_DIMS = 50
"""Principal components in which Isomap and LLE search for neighbors."""
COLORS = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#9c755f", "#ff9da7", "#76b7b2", "#edc948", "#8cb369",
    "#2f4b7c", "#d45087", "#1b9e77", "#7f7f7f", "#a05195", "#665191", "#f95d6a", "#003f5c", "#bcbd22", "#17becf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Map:
    """Positions of contents in the plane.

    Attributes:
        name: the method that found them.
        positions: `(n, 2)` float64, from 0 to 1.
        trustworthiness: 1 if neighbors on the map are neighbors by their features too; a random map has about 0.5.
    """

    name: str
    positions: NDArray[np.float64]
    trustworthiness: float


def draw_maps(
    collection: Collection,
    folder: Path,
    title: str,
    config: TrainingConfig,
    *,
    sample: int = 2000,
    report_progress: Callable[[str], None] = lambda stage: None,
) -> list[Map]:
    """Write `map.png` and the self-contained `map.html` of a collection into a folder; returns the maps.

    Args:
        collection: at least 50 contents; labels color the points and do nothing else.
        folder: created if missing.
        title: title of the picture and of the page.
        config: options of the autoencoders; n_bits and variant are ignored.
        sample: largest number of contents drawn, evenly chosen; the autoencoders learn from all contents.
        report_progress: called with the name of each stage as it starts.

    Raises:
        InvalidInput: fewer than 50 contents.
        ConfigurationError: matplotlib is not installed.
    """
    if len(collection) < 50:
        raise InvalidInput(f"a map needs at least 50 contents, got {len(collection)}")
    pyplot = _pyplot()
    featurizer, output = featurizer_for(collection.contents, config)
    report_progress("features")
    features = featurizer.fit(collection.contents).transform(collection.contents)
    shown = np.linspace(0, len(collection) - 1, min(len(collection), sample)).astype(np.int64)
    maps = make_maps(features, shown, output, config, report_progress)
    folder.mkdir(parents=True, exist_ok=True)
    labels = [collection.labels[i] for i in shown] if collection.labels else [""] * len(shown)
    names = sorted(set(labels))
    label_of = [names.index(label) for label in labels]
    colors = list(islice(cycle(COLORS), len(names)))
    about = f"{len(shown):,} of {len(collection):,} contents"
    figure = _figure(pyplot, maps, [colors[i] for i in label_of], names, colors, f"{title}: {about}")
    figure.savefig(folder / "map.png", dpi=110)
    pyplot.close(figure)
    data = {
        "maps": [{"name": m.name, "trustworthiness": m.trustworthiness, "positions": _rounded(m)} for m in maps],
        "label_of": label_of,
        "labels": names,
        "colors": colors,
        "shown": [_preview(collection.contents[i], collection.ids[i]) for i in shown],
    }
    (folder / "map.html").write_text(_page(title, about, data), encoding="utf-8")
    return maps


def make_maps(
    features: Features,
    shown: NDArray[np.int64],
    output: str,
    config: TrainingConfig,
    report_progress: Callable[[str], None],
) -> list[Map]:
    """Five maps of the rows `shown` of a feature matrix.

    Cost: two trainings; for s rows shown, s^2 memory and s^2 log s time (Isomap), s log s (t-SNE).
    """
    some = features[shown]  # (s, F)
    solver = "arpack" if isinstance(some, csr_matrix) else "auto"
    components = PCA(min(_DIMS, min(some.shape) - 1), svd_solver=solver, random_state=config.seed)
    reduced = components.fit_transform(some).astype(np.float64)  # (s, _DIMS)
    methods: dict[str, Callable[[], NDArray[np.float32]]] = {
        "autoencoder, two units": lambda: codes(features, shown, 2, output, config),
        "autoencoder, 32 units, then t-SNE": lambda: TSNE(random_state=config.seed).fit_transform(
            codes(features, shown, 32, output, config)
        ),
        "PCA": lambda: reduced[:, :2],
        "Isomap": lambda: Isomap(n_neighbors=NEIGHBORS).fit_transform(reduced),
        "locally linear embedding": lambda: LocallyLinearEmbedding(
            n_neighbors=NEIGHBORS, eigen_solver="dense", random_state=config.seed
        ).fit_transform(reduced),
    }
    maps = []
    for name, method in methods.items():
        report_progress(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Isomap warns when it connects separate parts of its graph
            positions = _within_unit(method())  # (s, 2)
        maps.append(Map(name, positions, float(trustworthiness(some, positions, n_neighbors=NEIGHBORS))))
    return maps


def codes(
    features: Features, shown: NDArray[np.int64], n_units: int, output: str, config: TrainingConfig
) -> NDArray[np.float32]:
    """Linear codes of the rows `shown`, `(s, n_units)` float32, by a deep autoencoder that learned from all rows."""
    config = config.model_copy(update={"variant": "undercomplete"})
    plan = config.plan(features.shape[0], output)
    plan = replace(plan, n_bits=n_units, code="linear", mirrored=True)
    rows = Dataset(features, sources(features, output), None, output)
    run = TrainingRun(rows, rows, plan, config)
    run.run(None, lambda: None, None)
    network = run.model.encoder.cpu().eval().requires_grad_(False)
    units: NDArray[np.float32] = network(network_input(features[shown])).numpy()
    return units


def _within_unit(positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Positions scaled to 0..1 on both axes; the 1 % of outliers on each axis are moved to just outside that range."""
    exact = np.asarray(positions, dtype=np.float64)
    low, high = np.quantile(exact, 0.005, axis=0), np.quantile(exact, 0.995, axis=0)  # (2,) each
    scaled: NDArray[np.float64] = np.clip((exact - low) / np.maximum(high - low, 1e-12), -0.02, 1.02)  # (s, 2)
    return scaled


def _figure(
    pyplot: Any, maps: Sequence[Map], colors: list[str], names: list[str], name_colors: list[str], title: str
) -> Any:
    """A matplotlib figure of the maps side by side, with the legend after the last."""
    figure, axes = pyplot.subplots(2, 3, figsize=(15, 10.4), layout="constrained")
    figure.suptitle(title)
    for axis, drawn in zip(axes.flat, maps, strict=False):
        axis.scatter(*drawn.positions.T, s=6, c=colors, alpha=0.8, linewidths=0)
        axis.set(xticks=[], yticks=[], title=f"{drawn.name} (trustworthiness {drawn.trustworthiness:.3f})")
    for axis in axes.flat[len(maps) :]:
        axis.axis("off")
    if len(names) > 1:
        dots = [pyplot.Line2D([], [], marker="o", linestyle="", color=color) for color in name_colors]
        axes.flat[-1].legend(dots, names, loc="center", ncols=1 + len(names) // 16, frameon=False)
    return figure


def _pyplot() -> Any:
    """matplotlib's pyplot, set to draw into files only."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise ConfigurationError("maps are drawn by matplotlib: install nearbit[plots]") from None
    return pyplot


def _rounded(drawn: Map) -> list[list[float]]:
    return [[round(float(x), 4), round(float(y), 4)] for x, y in drawn.positions]


def _preview(content: Content, name: str) -> str:
    """What the page shows for a content under the mouse: a small picture, the first words of a text, or the id."""
    if isinstance(content, Image):
        small = io.BytesIO()
        with PillowImage.open(io.BytesIO(content.data)) as picture:
            picture.thumbnail((84, 84))
            picture.convert("RGB").save(small, "PNG")
        return f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"
    return content.text[:240] if isinstance(content, Text) else name


def _page(title: str, about: str, data: dict[str, object]) -> str:
    """The page: one HTML file that loads nothing else."""
    page = files("training").joinpath("map.html").read_text(encoding="utf-8")
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = page.replace("__TITLE__", html.escape(title)).replace("__ABOUT__", html.escape(about))
    return page.replace("__DATA__", embedded)
