"""Which loops the training runs: the compiled ones, if they are there and do as numpy does; else numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.index.engines import Loops
from training.loops import reference
from training.loops.reference import Floats, Integers, Rates


class Engine(Protocol):
    """The loops, compiled or not; `training.loops.reference` says what each does and takes."""

    def by_word(
        self,
        indices: Integers,
        values: Floats,
        starts: Integers,
        places: Integers,
        words: Integers,
        ends: Integers,
        rows: Integers,
        weights: Floats,
    ) -> int:
        """Sort the entries of sparse rows that are not zero by word."""

    def sum_rows(
        self, vectors: Floats, indices: Integers, values: Floats, starts: Integers, out: Floats, first: int, last: int
    ) -> None:
        """Write the products of sparse rows with the vectors of words."""

    def catch_up(
        self,
        vectors: Floats,
        means: Floats,
        squares: Floats,
        ages: Integers,
        owed: Floats,
        epsilon: np.float32,
        words: Integers,
        first: int,
        last: int,
    ) -> None:
        """Move the vectors of words by the steps that they missed."""

    def adam(
        self,
        vectors: Floats,
        means: Floats,
        squares: Floats,
        ages: Integers,
        decays: Floats,
        rates: Rates,
        words: Integers,
        ends: Integers,
        rows: Integers,
        weights: Floats,
        gradients: Floats,
        first: int,
        last: int,
    ) -> None:
        """One step of Adam for the vectors of words."""

    def add_products(
        self,
        indices: Integers,
        values: Floats,
        starts: Integers,
        word_starts: Integers,
        rows: Integers,
        weights: Floats,
        out: Floats,
        first: int,
        last: int,
    ) -> None:
        """Add the products of sparse queries with stored rows."""

    def keep_best(
        self,
        part: Floats,
        of_query: Integers,
        indices: Integers,
        values: Floats,
        starts: Integers,
        places: Integers,
        words: Integers,
        ends: Integers,
        rows: Integers,
        weights: Floats,
        first_row: int,
        own: Integers,
        best: Floats,
        where: Integers,
    ) -> None:
        """Complete similarities of queries and the documents of a list, and keep the best of each query."""


@lru_cache
def loops() -> Loops[Engine]:
    """The loops of the training; the first call in a process loads them, and compiles them if this machine never did.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    return Loops("training", cast(Engine, reference), _compiled, answers_alike, ())


def _compiled() -> Engine:
    from training.loops import compiled

    return cast(Engine, compiled)


def answers_alike(engine: Engine) -> bool:
    """Whether an engine does as numpy does, but for the last digits of sums."""
    pairs = zip(_results(engine), _results(cast(Engine, reference)), strict=True)
    return all(np.allclose(one, other, rtol=1e-4, atol=1e-5) for one, other in pairs)


def _results(engine: Engine) -> Iterator[NDArray[np.generic]]:
    """What every loop makes of a few drawn rows, most of whose words missed some steps."""
    rng = np.random.default_rng(0)
    n_rows, n_words, width = 9, 40, 21
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 9, n_rows))])
    n = int(starts[-1])
    indices = rng.integers(0, n_words, n)
    values = (rng.standard_normal(n) * (rng.random(n) < 0.7)).astype(np.float32)
    places, words, ends, rows = np.zeros((4, max(n, n_words)), dtype=np.int32)
    weights = np.zeros(n, dtype=np.float32)
    found = engine.by_word(indices, values, starts, places, words, ends, rows, weights)
    yield from (np.array([found]), places, words[:found], ends[:found], rows[: ends[found - 1]], weights)
    vectors, means, squares = rng.standard_normal((3, n_words, width)).astype(np.float32)
    squares *= squares
    ages = rng.integers(0, 5, n_words).astype(np.int32)
    owed = rng.random(5).astype(np.float32)
    epsilon = np.float32(1e-8)
    engine.catch_up(vectors, means, squares, ages, owed, epsilon, words, 1, found)
    sums = np.zeros((n_rows, width), dtype=np.float32)
    engine.sum_rows(vectors, indices, values, starts, sums, 0, n_rows)
    decays = rng.random((2, 5)).astype(np.float32)
    rates = np.float32(0.9), np.float32(0.99), np.float32(0.1), np.float32(2), epsilon
    engine.adam(vectors, means, squares, ages, decays, rates, words, ends, rows, weights, sums, 1, found)
    yield from (sums, vectors, means, squares)
    queries = csr_matrix((values, indices, starts), shape=(n_rows, n_words))
    stored = csr_matrix(queries.T)
    products = np.ones((n_rows, n_rows), dtype=np.float32)
    right = stored.indptr, stored.indices, stored.data
    engine.add_products(queries.indices, queries.data, queries.indptr, *right, products, 1, n_rows)
    yield products
    best, where = np.full((n_rows, 4), -np.inf, dtype=np.float32), np.zeros((n_rows, 4), dtype=np.int32)
    own = np.arange(n_rows, dtype=np.int32)
    for first_row in (0, 5, 9):
        part = rng.standard_normal((n_rows - 1, n_rows)).astype(np.float32)
        entries = words[:found], ends[:found], rows, weights
        of_query = rng.permutation(n_rows)[1:]
        engine.keep_best(part, of_query, indices, values, starts, places, *entries, first_row, own, best, where)
        yield from (best.copy(), where.copy(), places)
