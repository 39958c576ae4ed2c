"""Layout: rows of real numbers as points in the plane, near one another where the rows are, by t-SNE.

Source: van der Maaten, Hinton (2008), "Visualizing data using t-SNE"; Linderman et al. (2019), "Fast
interpolation-based t-SNE" (many points); Kobak, Berens (2019), "The art of using t-SNE" (begin with PCA).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as of_sklearn

from training.neighbors.exact import Nearest, SimilaritySpace, nearest
from training.vectors import unit_rows

Positions = NDArray[np.float64]
"""`(n, 2)`."""

_PERPLEXITY = 30.0
_FIRST_ROUNDS, _ROUNDS, _ROUNDS_AGAIN = 250, 500, 100
_EXAGGERATION = 12.0
"""Less for few points: it would draw them all into one."""
_FIRST_STD = 1e-4
"""Standard deviation of the places that t-SNE begins with: so small that only their order counts."""
_STARTED_NEAR = 10
"""Neighbors at whose median a point begins that had no place before."""
_INTERPOLATED_FROM = 5_000
"""Points from which forces are interpolated on a grid, and not summed in a tree."""
_SEED = 1
_REPORT_EVERY = 25
_JUDGED, _JUDGED_NEIGHBORS = 1_000, 10
MOVED_SHARE = 0.05
"""Share of the width of a map by which a point that moved lies elsewhere."""


def lay_out(
    rows: NDArray[np.float32],
    before: Positions,
    *,
    is_settled: bool,
    report_progress: Callable[[int, int], None],
) -> Positions:
    """The places of `(n, d)` rows, at least 20; neighbors are those of the greatest cosine. Blocks.

    Args:
        rows: what lies near one another if it is alike.
        before: `(n, 2)`, where the points were on the map before; NaN for those that were not on it.
        is_settled: the map before was of the same rows, or most of them: they only settle anew from where they are.
            Else they are laid out from the beginning, in the same arrangement, and the whole is turned to fit.
        report_progress: called with the rounds that are done and all; may raise to stop.

    Cost: quadratic for the neighbors, then linear in n and in the rounds: 20,000 rows of 64 take 33 s of a
        core. One thread: two are no faster, and wait for each other where there is other work.
    """
    from openTSNE import TSNEEmbedding  # a second, which trainers that draw nothing do not spend
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(rows)
    unit = unit_rows(rows)
    space = SimilaritySpace(unit)
    perplexity = min(_PERPLEXITY, (n - 1) / 5)
    near = nearest(space, space, min(n - 1, int(3 * perplexity)), same=True)
    distances = np.sqrt(np.maximum(2 - 2 * near.similarities, 0)).astype(np.float64)
    index = PrecomputedNeighbors(near.rows, distances)
    affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=index, random_state=_SEED)
    is_known = ~np.isnan(before[:, 0])
    goes_on = is_settled and is_known.mean() > 0.5
    total = _ROUNDS_AGAIN if goes_on else _FIRST_ROUNDS + _ROUNDS

    def report(offset: int) -> Callable[[int, float, object], None]:
        return lambda round, error, points: report_progress(offset + round, total)

    method = "bh" if n < _INTERPOLATED_FROM else "fft"
    start = _start(unit, before, is_known, near)
    if not goes_on:
        start = (start - start.mean(axis=0)) / max(float(start[:, 0].std()), 1e-12) * _FIRST_STD
    points = TSNEEmbedding(start, affinities, negative_gradient_method=method, random_state=_SEED)
    every = {"callbacks_every_iters": _REPORT_EVERY, "inplace": True}
    if goes_on:
        points.optimize(_ROUNDS_AGAIN, momentum=0.8, callbacks=report(0), **every)
    else:
        points.optimize(
            _FIRST_ROUNDS, exaggeration=min(_EXAGGERATION, n / 10), momentum=0.5, callbacks=report(0), **every
        )
        points.optimize(_ROUNDS, momentum=0.8, callbacks=report(_FIRST_ROUNDS), **every)
    return _turned(np.array(points, dtype=np.float64), before, is_known)


def trustworthiness(rows: NDArray[np.float32], positions: Positions) -> float:
    """How far neighbors on the map are neighbors by their rows too, of 1,000 points: 1 if all are.

    Source: Venna, Kaski (2001), "Neighborhood preservation in nonlinear projection methods".
    """
    some = np.linspace(0, len(rows) - 1, min(len(rows), _JUDGED)).astype(np.int64)
    n_neighbors = min(_JUDGED_NEIGHBORS, (len(some) - 1) // 2)
    return float(of_sklearn(unit_rows(rows[some]), positions[some], n_neighbors=n_neighbors))


def share_moved(before: NDArray[np.floating], after: NDArray[np.floating]) -> float:
    """Share of `(n, 2)` points that lie elsewhere than before, by more than a twentieth of the map's width."""
    if not len(after):
        return 0.0
    width = float(np.ptp(after, axis=0).max())
    return float((np.linalg.norm(after - before, axis=1) > MOVED_SHARE * width).mean())


def _start(rows: NDArray[np.float32], before: Positions, is_known: NDArray[np.bool_], near: Nearest) -> Positions:
    """Where the points begin: where they were, new ones among their neighbors; if none was anywhere, by PCA."""
    if not is_known.any():
        start: Positions = PCA(2, svd_solver="full").fit_transform(rows.astype(np.float64))
        return start
    start = before.copy()
    start[~is_known] = np.nanmedian(before, axis=0)
    for row in np.flatnonzero(~is_known):
        known = near.rows[row][is_known[near.rows[row]]][:_STARTED_NEAR]
        if len(known):
            start[row] = np.median(before[known], axis=0)
    spread = np.random.default_rng(_SEED).normal(size=start.shape)  # no two points begin at the same place
    moved: Positions = start + spread * 1e-3 * max(float(np.nanstd(before)), 1e-12)
    return moved


def _turned(after: Positions, before: Positions, is_known: NDArray[np.bool_]) -> Positions:
    """The points, turned, mirrored, scaled and moved as a whole so that they lie as near as can be to where they were.

    Source: Schönemann (1966), "A generalized solution of the orthogonal Procrustes problem".
    """
    if is_known.sum() < 3:
        return np.asarray(after - after.mean(axis=0), dtype=np.float64)
    here, there = after[is_known].mean(axis=0), before[is_known].mean(axis=0)
    now, then = after[is_known] - here, before[is_known] - there
    u, _, vt = np.linalg.svd(now.T @ then)
    scale = np.linalg.norm(then) / max(float(np.linalg.norm(now)), 1e-12)  # the same spread, however alike they are
    return np.asarray(scale * (after - here) @ (u @ vt) + there, dtype=np.float64)
