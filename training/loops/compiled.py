"""The loops of the training, compiled by numba; `reference` says what each does.

Rows are gone through one after another, and what is done to one stays in the fastest cache until it is done. All
numbers are 32 bits wide: a wider constant would widen what it touches.

`training.loops.select` refuses this module if it answers otherwise than `reference`.
"""

# numba infers the types of what it compiles
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from pathlib import Path

import numpy as np

from service.index import compiler

COMPILED_IN = tuple(Path(str(module)) for module in (__file__, compiler.__file__))
"""Every file of ours that the loops take something from, this one first."""

jit = compiler.compiling(compiler.cache_folder(COMPILED_IN))


@jit
def by_word(indices, values, starts, places, words, ends, rows, weights):
    """Sort the entries of sparse rows that are not zero by word."""
    n = 0
    for i in range(len(indices)):
        if values[i] != 0:
            if places[indices[i]] == 0:
                words[n] = indices[i]
                ends[n] = 0
                n += 1
                places[indices[i]] = n
            ends[places[indices[i]] - 1] += 1
    total = 0
    for j in range(n):  # from lengths to starts, which become ends while entries are placed
        length = ends[j]
        ends[j] = total
        total += length
    for row in range(len(starts) - 1):
        for i in range(starts[row], starts[row + 1]):
            if values[i] != 0:
                j = places[indices[i]] - 1
                rows[ends[j]] = row
                weights[ends[j]] = values[i]
                ends[j] += 1
    for j in range(n):
        places[words[j]] = 0
    return n


@jit
def sum_rows(vectors, indices, values, starts, out, first, last):
    """Write the products of sparse rows with the vectors of words."""
    for row in range(first, last):
        for k in range(out.shape[1]):
            out[row, k] = np.float32(0)
        for i in range(starts[row], starts[row + 1]):
            if values[i] != 0:
                word, value = indices[i], values[i]
                for k in range(out.shape[1]):
                    out[row, k] += value * vectors[word, k]


@jit
def catch_up(vectors, means, squares, ages, owed, epsilon, words, first, last):
    """Move the vectors of words by the steps that they missed."""
    for j in range(first, last):
        word = words[j]
        if ages[word] > 0:
            factor = owed[ages[word]]
            for k in range(vectors.shape[1]):
                vectors[word, k] -= factor * means[word, k] / (np.sqrt(squares[word, k]) + epsilon)


@jit
def adam(vectors, means, squares, ages, decays, rates, words, ends, rows, weights, gradients, first, last):
    """One step of Adam for the vectors of words, whose moments first fade by the steps missed."""
    keep_mean, keep_square, step, correction, epsilon = rates
    new_mean, new_square = np.float32(1) - keep_mean, np.float32(1) - keep_square
    gradient = np.empty(vectors.shape[1], dtype=np.float32)
    for j in range(first, last):
        word = words[j]
        for k in range(len(gradient)):
            gradient[k] = np.float32(0)
        for i in range(ends[j - 1] if j else 0, ends[j]):
            row, weight = rows[i], weights[i]
            for k in range(len(gradient)):
                gradient[k] += weight * gradients[row, k]
        old_mean = keep_mean * decays[0, ages[word]]
        old_square = keep_square * decays[1, ages[word]]
        for k in range(len(gradient)):
            mean = old_mean * means[word, k] + new_mean * gradient[k]
            square = old_square * squares[word, k] + new_square * gradient[k] * gradient[k]
            means[word, k] = mean
            squares[word, k] = square
            vectors[word, k] -= step * mean / (np.sqrt(square) * correction + epsilon)


@jit
def add_products(indices, values, starts, word_starts, rows, weights, out, first, last):
    """Add the products of sparse queries with stored rows."""
    for query in range(first, last):
        for i in range(starts[query], starts[query + 1]):
            word, value = indices[i], values[i]
            for p in range(word_starts[word], word_starts[word + 1]):
                out[query, rows[p]] += value * weights[p]


COMMON = 16
"""If at least one in so many documents of a list has a word, its weights are added to all of them at once."""


@jit
def keep_best(part, of_query, indices, values, starts, places, words, ends, rows, weights, first_row, own, best, where):
    """Complete similarities of queries and the documents of a list, and keep the best of each query."""
    length, k = part.shape[1], best.shape[1]
    common = _place_words(places, words, ends, rows, weights, length)
    for i in range(len(of_query)):
        query = of_query[i]
        for e in range(starts[query], starts[query + 1]):
            place, value = places[indices[e]], values[e]
            if place > 0:
                for p in range(ends[place - 2] if place > 1 else 0, ends[place - 1]):
                    part[i, rows[p]] += value * weights[p]
            elif place < 0:
                for d in range(length):
                    part[i, d] += value * common[-1 - place, d]
        if first_row <= own[query] < first_row + length:
            part[i, own[query] - first_row] = -np.inf
        least = best[query, k - 1]
        n_better = 0
        for d in range(length):  # often none is, and this loop takes many documents in one instruction
            n_better += part[i, d] > least
        if n_better == 0:
            continue
        for d in range(length):
            similarity = part[i, d]
            if similarity > least:
                place = k - 1
                while place > 0 and best[query, place - 1] < similarity:
                    best[query, place] = best[query, place - 1]
                    where[query, place] = where[query, place - 1]
                    place -= 1
                best[query, place] = similarity
                where[query, place] = first_row + d
                least = best[query, k - 1]
    for j in range(len(words)):
        places[words[j]] = 0


@jit
def _place_words(places, words, ends, rows, weights, length):
    """Rows of the weights of common words, and for each word its number from 1, or the row from -1 downwards."""
    n_common = 0
    for j in range(len(words)):
        places[words[j]] = j + 1
        if COMMON * (ends[j] - (ends[j - 1] if j else 0)) >= length:
            n_common += 1
            places[words[j]] = -n_common
    common = np.zeros((n_common, length), dtype=np.float32)
    for j in range(len(words)):
        if places[words[j]] < 0:
            for p in range(ends[j - 1] if j else 0, ends[j]):
                common[-1 - places[words[j]], rows[p]] = weights[p]
    return common
