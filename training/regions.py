"""Regions: what the documents of the parts of a map are about, in a few words each, from broad to fine.

The words of a region are those whose log-odds against the rest of the map are the surest, less those that separate
every region. Source: Monroe, Colaresi, Quinn (2008), "Fightin' words", equations 15, 20, 22.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.cluster import KMeans

from service.hashing.analysis import Analyzer

_REGIONS = (8, 30, 100)
"""Regions of each level."""
_LEAST_IN_REGION = 8
_LEAST_WITH_TERM = 3
_MAX_TERMS = 20_000
_WORDS = 3
_PRIOR = 10.0
"""Documents that the prior weighs."""
_SURE = 2.0
"""The z-score that a word must have."""
_SEEN_IN = 3
"""Documents in which it is looked up how a word is written."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a map.

    Attributes:
        x, y: its middle.
        text: its words in one line.
        words: the surest first.
        level: 0 is the broadest.
        n: documents in it.
    """

    x: float
    y: float
    text: str
    words: list[str]
    level: int
    n: int


def describe_regions(positions: NDArray[np.floating], texts: Sequence[str], analyzer: Analyzer) -> list[Region]:
    """The regions of `(n, 2)` positions that have words, the largest of each level first.

    Args:
        positions: of the documents.
        texts: what each is read from.
        analyzer: makes words of texts.

    Cost: linear in the texts; a few seconds for 20,000.
    """
    terms, has_term = _terms_of(texts, analyzer)
    if not terms:
        return []
    found: list[Region] = []
    for level, n_regions in enumerate(_REGIONS):
        n_regions = min(n_regions, len(texts) // _LEAST_IN_REGION)
        if n_regions < 2:
            break
        numbers = KMeans(n_regions, n_init=1, random_state=_SEED).fit_predict(np.asarray(positions, np.float64))
        found += _of_level(level, numbers, positions, texts, terms, has_term, analyzer)
    return found


def _of_level(
    level: int,
    numbers: NDArray[np.int32],
    positions: NDArray[np.floating],
    texts: Sequence[str],
    terms: Sequence[str],
    has_term: csr_matrix,
    analyzer: Analyzer,
) -> list[Region]:
    telling = _telling(has_term, numbers)  # (n_terms, n_regions)
    by_term = has_term.tocsc()
    found = []
    for region in range(telling.shape[1]):
        inside = np.flatnonzero(numbers == region)
        best = [i for i in np.argsort(-telling[:, region], kind="stable")[: 2 * _WORDS] if telling[i, region] > _SURE]
        words = list(dict.fromkeys(_written(i, terms, by_term, texts, analyzer) for i in best))[:_WORDS]
        if words and len(inside) >= _LEAST_IN_REGION:
            x, y = np.median(positions[inside], axis=0).tolist()
            found.append(Region(round(x, 4), round(y, 4), ", ".join(words), words, level, len(inside)))
    return sorted(found, key=lambda one: -one.n)


def _terms_of(texts: Sequence[str], analyzer: Analyzer) -> tuple[list[str], csr_matrix]:
    """The commonest terms that have a letter, and which text has which: `(n, n_terms)` of ones."""
    of_texts = [set(analyzer.terms(text)) for text in texts]
    frequencies = Counter(term for terms in of_texts for term in terms if any(map(str.isalpha, term)))
    common = sorted(frequencies, key=lambda term: (-frequencies[term], term))[:_MAX_TERMS]
    terms = [term for term in common if _LEAST_WITH_TERM <= frequencies[term] <= len(texts) / 2]
    number = {term: i for i, term in enumerate(terms)}
    places = [sorted(number[term] for term in one if term in number) for one in of_texts]
    starts = np.cumsum([0, *map(len, places)])
    columns = np.fromiter((i for one in places for i in one), np.int64, int(starts[-1]))
    return terms, csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), len(terms)))


def _telling(has_term: csr_matrix, numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    """How surely each term is of each region, `(n_terms, n_regions)`: z-scores against all other regions."""
    n, n_regions = len(numbers), int(numbers.max()) + 1
    is_in = np.zeros((n, n_regions), np.float32)
    is_in[np.arange(n), numbers] = 1
    n_inside = is_in.sum(axis=0, dtype=np.float64)
    frequency = np.asarray(has_term.sum(axis=0), dtype=np.float64).reshape(-1, 1)
    prior = _PRIOR * frequency / n
    inside = np.asarray(has_term.T @ is_in, dtype=np.float64)
    here, elsewhere = inside + prior, frequency - inside + prior
    odds = np.log(here / (n_inside + _PRIOR - here + 1e-9)) - np.log(
        elsewhere / (n - n_inside + _PRIOR - elsewhere + 1e-9)
    )
    z: NDArray[np.float64] = odds / np.sqrt(1 / here + 1 / elsewhere)
    return z


def _written(i: int, terms: Sequence[str], by_term: csc_matrix, texts: Sequence[str], analyzer: Analyzer) -> str:
    """How a term is mostly written in the first texts that have it."""
    rows = by_term.indices[by_term.indptr[i] : by_term.indptr[i + 1]][:_SEEN_IN].tolist()
    seen = Counter(word for row in rows for word in analyzer.written(texts[row], [terms[i]]).values())
    return seen.most_common(1)[0][0] if seen else terms[i]
