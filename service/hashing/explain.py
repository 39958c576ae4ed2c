"""Which words of a text speak for which bit of its code.

What a word contributes to a logit is what the logit loses when the word is taken out of the text wherever it stands:
the features are those of the text without it, weighed anew. That is occlusion, exact and not an estimate.

The first layer is linear, so its output without a word is that of the whole text less the rows of the word, and only
the small dense layers after it run once for each word.

Source: Li, Monroe, Jurafsky (2016), "Understanding neural networks through representation erasure".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.errors import InvalidInput
from service.hashing.content import Content, Contents
from service.hashing.contributions import WordContributions
from service.hashing.featurizers.text import Bag, HashedTextFeaturizer, TextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import SparseBatch

MOST_WORDS = 32
"""Words of one text that are explained: those of the greatest weight."""
_AT_ONCE = 64
"""Contents whose words pass the network together."""

TextFeatures = TextFeaturizer | HashedTextFeaturizer
_Numbers = NDArray[np.float64] | NDArray[np.int64]


def explain(function: HashFunction, contents: Contents, bits: Sequence[int] | None = None) -> list[WordContributions]:
    """What the words of each content do for some bits of its code, or for all.

    Args:
        function: gives the codes.
        contents: of the kind that it takes.
        bits: their numbers, from 0.

    Raises:
        InvalidInput: there is no such bit.

    Cost: that of encoding, and of the dense layers for up to `MOST_WORDS` words of each content. Blocks.
    """
    asked = np.arange(function.n_bits) if bits is None else np.array(bits, dtype=np.int64)
    wrong = asked[(asked < 0) | (asked >= function.n_bits)]
    if len(wrong):
        raise InvalidInput(f"bits must be between 0 and {function.n_bits - 1}, got {wrong[0]}")
    featurizer = function.featurizer
    explained: list[WordContributions] = []
    for start in range(0, len(contents), _AT_ONCE):
        part = contents[start : start + _AT_ONCE]
        if isinstance(featurizer, TextFeaturizer | HashedTextFeaturizer):
            explained += _of_texts(function, [_Occlusions.of(featurizer, content) for content in part], asked)
        else:
            margins = function.logits(function.features(part)) - function.thresholds
            explained += [WordContributions((), np.empty((0, len(asked)), np.float32), row) for row in margins]
    return explained


@dataclass(frozen=True, slots=True)
class _Occlusions:
    """The features of a text, not of unit length yet, and what each word that is taken out changes.

    Attributes:
        words: `(m,)`.
        row: the features of the text.
        lost: the columns that each word counts in, word by word, and what these lose without it.
        sizes: `(m,)` how many columns those of each word are.
        norms: `(m + 1,)` float32, the length of the row without each word, then that of the whole.
    """

    words: tuple[str, ...]
    row: Bag
    lost: Bag
    sizes: NDArray[np.int64]
    norms: NDArray[np.float32]

    @classmethod
    def of(cls, featurizer: TextFeatures, content: Content) -> _Occlusions:
        """The weightiest words of a text.

        Raises:
            InvalidContent: the content is no text.
        """
        counted = featurizer.counted(content)
        counts = [(term, n, c) for term, (n, _) in counted.items() if (c := featurizer.features_of_term(term))]
        sizes = [len(columns) for _, _, columns in counts]
        term_of = np.repeat(np.arange(len(counts)), sizes)  # (e,): an entry is a column of a term
        n_of = np.repeat(np.array([n for _, n, _ in counts], np.float64), sizes)
        all_columns = np.fromiter(chain.from_iterable(c for _, _, c in counts), np.int64, len(term_of))
        columns, place_of = np.unique(all_columns, return_inverse=True)
        row = _Row(featurizer.weights(columns).astype(np.float64), np.bincount(place_of, n_of, len(columns)))
        weights = np.bincount(term_of, row.losses(place_of, n_of)[1], len(counts))
        chosen = np.argsort(-weights, kind="stable")[:MOST_WORDS]
        written = [_written(featurizer, counts[i][0], counted) for i in chosen.tolist()]
        words = list(dict.fromkeys(written))
        word_of = np.full(len(counts), -1)
        word_of[chosen] = [words.index(word) for word in written]
        is_chosen = word_of[term_of] >= 0
        pairs, pair_of = np.unique(
            word_of[term_of[is_chosen]] * len(columns) + place_of[is_chosen], return_inverse=True
        )  # a word of several terms counts once in a column that they share
        owners, places = np.divmod(pairs, max(1, len(columns)))
        losses, squares = row.losses(places, np.bincount(pair_of, n_of[is_chosen], len(pairs)))
        rest = row.square - np.bincount(owners, squares, len(words))
        rest[rest < 1e-6 * row.square] = 0  # nothing is left but what rounding made
        return cls(
            tuple(words),
            (columns, row.values.astype(np.float32)),
            (columns[places], losses.astype(np.float32)),
            np.bincount(owners, minlength=len(words)),
            np.sqrt(np.append(rest, row.square)).astype(np.float32),
        )


class _Row:
    """The values of `(n,)` columns that have weights and occur so often, before their row is of unit length."""

    def __init__(self, weights: NDArray[np.float64], counts: _Numbers) -> None:
        self.weights, self.counts = weights, counts
        self.values = weights * (1 + np.log(counts))
        self.square = float((self.values**2).sum())

    def losses(self, places: NDArray[np.intp], counts: _Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `(e,)` columns and their squares lose when they occur `counts` times less."""
        left = self.counts[places] - counts
        values = np.where(left > 0, self.weights[places] * (1 + np.log(np.maximum(left, 1))), 0)
        before = self.values[places]
        return before - values, before**2 - values**2


def _written(featurizer: TextFeatures, term: str, counted: Mapping[str, tuple[int, str]]) -> str:
    """How a term of a text is written where it first stands."""
    chunk = counted[term][1]
    return chunk if featurizer.analyzer is None else featurizer.analyzer.written_in(chunk, term)


def _of_texts(
    function: HashFunction, texts: Sequence[_Occlusions], asked: NDArray[np.int64]
) -> list[WordContributions]:
    """One pass of the network for all words of some texts."""
    network = function.network
    with torch.inference_mode():
        whole = _summed(function, [one.row for one in texts], [len(one.row[0]) for one in texts])  # (t, width)
        sizes = np.concatenate([one.sizes for one in texts])
        lost = _summed(function, [one.lost for one in texts], sizes)  # (words of all texts, width)
        rows, at = [], 0
        for i, one in enumerate(texts):
            m = len(one.words)
            rows.append(torch.cat([whole[i] - lost[at : at + m], whole[i : i + 1]]))
            at += m
        norms = torch.from_numpy(np.concatenate([one.norms for one in texts])).to(function.device)[:, None]
        h = torch.where(norms > 0, torch.cat(rows) / norms.clamp(min=1e-30), 0)
        logits: NDArray[np.float32] = network.layers_after(h)[-1].cpu().numpy()
    explained, at = [], 0
    for one in texts:
        m = len(one.words)
        without, full = logits[at : at + m], logits[at + m]
        at += m + 1
        explained.append(WordContributions(one.words, (full - without)[:, asked], full - function.thresholds))
    return explained


def _summed(function: HashFunction, parts: Sequence[Bag], sizes: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """The weighted sums of rows of the first matrix, `(n, width)`, the first of the first `sizes[0]` columns."""
    columns, values = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    offsets = np.append(0, np.cumsum(sizes, dtype=np.int64))
    batch = SparseBatch(*(torch.from_numpy(array).to(function.device) for array in (columns, values, offsets)))
    return function.network.first_sums(batch)
