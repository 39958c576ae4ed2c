"""The loops of the training in numpy: what each does, and what runs where nothing can be compiled.

Sparse rows are those of a CSR matrix: `indices` (nnz,) of words, `values` (nnz,) float32, row i from `starts[i]` to
`starts[i + 1]`. Loops over rows or words take those from `first` to `last`, so that several threads can share the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]
Integers = NDArray[np.signedinteger[Any]]
Rates = tuple[np.float32, np.float32, np.float32, np.float32, np.float32]
"""Of a step of Adam: share kept of the mean and of the square, step size, factor of the deviation, epsilon."""


def by_word(
    indices: Integers,
    values: Floats,
    starts: Integers,
    places: Integers,
    words: Integers,
    ends: Integers,
    rows: Integers,
    weights: Floats,
) -> int:
    """Sort the entries of sparse rows that are not zero by word; returns the number of words.

    Args:
        indices, values, starts: the rows.
        places: `(F,)` zeros, which are zeros again afterwards.
        words, ends: the words in the order in which they first occur, and where the entries of each end.
        rows, weights: row and value of each entry.
    """
    at = np.flatnonzero(values)
    found, firsts, numbers = np.unique(indices[at], return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    sorting = np.argsort(rank[numbers], kind="stable")
    words[: len(found)] = found[order]
    ends[: len(found)] = np.cumsum(np.bincount(rank[numbers], minlength=len(found)))
    rows[: len(at)] = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[at][sorting]
    weights[: len(at)] = values[at][sorting]
    return len(found)


def sum_rows(
    vectors: Floats, indices: Integers, values: Floats, starts: Integers, out: Floats, first: int, last: int
) -> None:
    """Write the products `(n, width)` of sparse rows with the vectors `(F, width)` of words."""
    matrix = csr_matrix((values, indices, starts), shape=(len(starts) - 1, len(vectors)))
    out[first:last] = matrix[first:last] @ vectors


def catch_up(
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
    """Move the vectors of words by the steps that they missed.

    Args:
        vectors, means, squares: `(F, width)` vectors, and the moments of their gradients at their last step.
        ages: `(F,)` number of steps that each word missed.
        owed: by number of steps missed, the sum of their sizes.
        epsilon: of Adam.
        words: that are moved.
        first, last: of the words.
    """
    late = words[first:last]
    late = late[ages[late] > 0]
    vectors[late] -= owed[ages[late]][:, None] * means[late] / (np.sqrt(squares[late]) + epsilon)


def adam(
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
    """One step of Adam for the vectors of words, whose moments first fade by the steps missed.

    Args:
        vectors, means, squares: `(F, width)` vectors and the moments of their gradients.
        ages: `(F,)` number of steps that each word missed.
        decays: `(2, n)` what is left of each moment, by number of steps missed.
        rates: of the step.
        words, ends, rows, weights: entries of the batch as `by_word` sorts them.
        gradients: `(B, width)` of the sums of the batch.
        first, last: of the words.
    """
    begin = int(ends[first - 1]) if first else 0
    here = slice(begin, int(ends[last - 1]) if last else 0)
    lengths = np.diff(ends[first:last], prepend=begin)
    cells = csr_matrix(
        (weights[here], rows[here], np.concatenate([[0], np.cumsum(lengths)])), shape=(last - first, len(gradients))
    )
    gradient = cells @ gradients
    keep_mean, keep_square, step, correction, epsilon = rates
    own = words[first:last]
    left = decays[:, ages[own], None]
    mean = keep_mean * left[0] * means[own] + (1 - keep_mean) * gradient
    square = keep_square * left[1] * squares[own] + (1 - keep_square) * gradient * gradient
    means[own], squares[own] = mean, square
    vectors[own] -= step * mean / (np.sqrt(square) * correction + epsilon)


def add_products(
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
    """Add to `out` `(B, n)` the products of sparse queries with stored rows.

    Args:
        indices, values, starts: the queries.
        word_starts, rows, weights: the stored rows by word, as a CSC matrix has them.
        out: `(B, n)`.
        first, last: of the queries.
    """
    n_words = len(word_starts) - 1
    queries = csr_matrix((values, indices, starts), shape=(len(starts) - 1, n_words))
    by_words = csr_matrix((weights, rows, word_starts), shape=(n_words, out.shape[1]))
    out[first:last] += (queries[first:last] @ by_words).toarray()


def keep_best(
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
    """Complete similarities of queries and the documents of a list, and keep the best of each query.

    Args:
        part: `(q, length)` what dense features and latent places give; the products of sparse rows are added.
        of_query: `(q,)` each row's query, no two alike.
        indices, values, starts: sparse rows of all queries.
        places: `(F,)` zeros, which are zeros again afterwards.
        words, ends, rows, weights: entries of the list's documents as `by_word` sorts them.
        first_row: number of the list's first document.
        own: document that is each query itself and not found; -1 if there is none.
        best: `(B, k)` similarities found so far, the best first; of equal ones the first found.
        where: `(B, k)` their documents.
    """
    queries = csr_matrix((values, indices, starts), shape=(len(starts) - 1, len(places)))
    stored = np.zeros((len(places), part.shape[1]), dtype=np.float32)
    n = int(ends[-1]) if len(ends) else 0
    stored[np.repeat(words, np.diff(ends, prepend=0)), rows[:n]] = weights[:n]
    part += queries[of_query] @ stored
    at = own[of_query] - first_row
    is_here = np.flatnonzero((at >= 0) & (at < part.shape[1]))
    part[is_here, at[is_here]] = -np.inf
    similarities = np.concatenate([best[of_query], part], axis=1)
    documents = np.broadcast_to(first_row + np.arange(part.shape[1]), part.shape)
    documents = np.concatenate([where[of_query], documents], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, : best.shape[1]]
    best[of_query] = np.take_along_axis(similarities, order, axis=1)
    where[of_query] = np.take_along_axis(documents, order, axis=1)
