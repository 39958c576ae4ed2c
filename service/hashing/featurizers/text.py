"""Text to sparse features: words where the script has spaces, character bigrams where it has none.

`TextFeaturizer` learns a vocabulary and its idf; `HashedTextFeaturizer` learns nothing and serves untrained spaces.
Both share one tokenizer and one weighting: sublinear term frequency, `1 + ln(tf)`, rows of unit Euclidean length.

Source: Manning, Raghavan, Schuetze (2008), "Introduction to Information Retrieval", section 6.4 (ltc weighting);
Weinberger et al. (2009), "Feature hashing for large scale multitask learning".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Self, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from service.errors import InvalidInput
from service.hashing.content import Content, Contents, Text, of_kind

# Thai, Hangul, kana, Han: runs of these scripts are cut into character bigrams.
_UNSPACED = (
    "\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)


def _marks() -> str:
    """All combining marks: Python's \\w leaves them out, and would cut Hindi or Arabic words apart."""
    marks = [c for c in range(0x300, min(sys.maxunicode, 0xFFFF)) if unicodedata.category(chr(c))[0] == "M"]
    return "".join(map(chr, marks))


def _sorted_marks() -> str:
    """All characters of which normalisation leaves nothing but characters that it sorts within their run."""
    return "".join(filter(_is_sorted_in_its_run, map(chr, range(0x300, 0x20000))))


def _is_sorted_in_its_run(c: str) -> bool:
    if not unicodedata.decomposition(c):
        return unicodedata.combining(c) != 0
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", c)))


_PART_CHARS = 8_000
_CUT_WITHIN_CHARS = 2_000
_LONGEST_RUN = 100
_SORTED_MARKS = _sorted_marks()
_LONG_RUN = re.compile(rf"([{_SORTED_MARKS}]{{{_LONGEST_RUN}}})[{_SORTED_MARKS}]+")
_has_none_of_the_sorted = frozenset(_SORTED_MARKS).isdisjoint
_CUT = re.compile(r"[\s、。，]")
_WORD = re.compile(rf"[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_marks()}])+|[{_UNSPACED}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]{2,}")
_is_unspaced = re.compile(rf"[{_UNSPACED}]").match

Bag = tuple[NDArray[np.int64], NDArray[np.float32]]
"""One sparse row: `(m,)` columns, ascending, and `(m,)` values."""


def tokens(text: str) -> list[str]:
    """Tokens of a text, in order: lower-case words of two or more letters or digits, bigrams of unspaced scripts.

    Text is normalised first (NFKC: full-width letters, ligatures). A lone character of an unspaced script is a token.
    A long text is taken in parts, cut before white space or punctuation, so that no call holds the interpreter's lock
    for long; one that has neither for thousands of characters is cut where it stands, through a word if need be.

    Cost: linear. Normalisation sorts each run of combining marks by insertion, which takes 9 s for 100,000 marks: of a
    run longer than `_LONGEST_RUN` the rest is dropped.
    """
    if len(text) <= _PART_CHARS:
        return _tokens_of_part(text)
    return list(chain.from_iterable(map(_tokens_of_part, _parts(text))))


def _tokens_of_part(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    if not _has_none_of_the_sorted(text[::_LONGEST_RUN]):  # a longer run would show there
        text = _LONG_RUN.sub(r"\1", text)
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    return list(chain.from_iterable(_bigrams(t) if _is_unspaced(t) else (t,) for t in found))


def _parts(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        latest = start + _PART_CHARS + _CUT_WITHIN_CHARS
        cut = _CUT.search(text, start + _PART_CHARS, latest)
        stop = cut.start() if cut else latest
        yield text[start:stop]
        start = stop


def _bigrams(run: str) -> Iterable[str]:
    return (run[i : i + 2] for i in range(max(1, len(run) - 1)))


def _weighted_rows(
    ids_of: Callable[[str], list[int]], contents: Contents, n_features: int, idf: NDArray[np.float32] | None
) -> csr_matrix:
    """Count feature ids per content, weight them, scale rows to unit length: `(n, n_features)` float32 CSR."""
    rows = [ids_of(content.whole) for content in of_kind(contents, Text)]
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    indices = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(indptr[-1]))
    counts = csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(rows), n_features))
    counts.sum_duplicates()
    counts.data = 1 + np.log(counts.data)
    if idf is not None:
        counts.data *= idf[counts.indices]
    lengths = np.diff(counts.indptr)
    row_of = np.repeat(np.arange(len(rows)), lengths)
    norms = np.sqrt(np.bincount(row_of, weights=counts.data**2, minlength=len(rows)))
    counts.data /= norms[row_of].astype(np.float32)
    return counts


def _weighted_bag(ids: list[int], idf: NDArray[np.float32] | None) -> Bag:
    """The row of one content's feature ids, the same to the last digit as `_weighted_rows` makes it."""
    counts = Counter(ids)
    indices = np.array(sorted(counts), dtype=np.int64)  # (m,)
    if not counts:
        return indices, np.empty(0, dtype=np.float32)
    values = 1 + np.log(np.array([counts[i] for i in indices.tolist()], dtype=np.float32))  # (m,)
    if idf is not None:
        values *= idf[indices]
    values /= np.sqrt(np.cumsum(values**2, dtype=np.float64)[-1]).astype(np.float32)
    return indices, values


class TextFeaturizer:
    """TF-IDF over a vocabulary learned from the collection.

    Args:
        max_features: size of the vocabulary, the commonest tokens by count (5,000 to 50,000 are sensible).
        min_df: a token must occur in at least this many documents.
    """

    name = "text"

    def __init__(self, max_features: int = 20_000, min_df: int = 2) -> None:
        self.max_features = max_features
        self.min_df = min_df
        self.vocabulary: list[str] = []
        self.idf: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._index: dict[str, int] = {}

    @property
    def n_features(self) -> int:
        """Size of the learned vocabulary."""
        return len(self.vocabulary)

    def fit(self, contents: Contents) -> Self:
        """Learn vocabulary and smoothed idf, `ln((1 + n) / (1 + df)) + 1`.

        Raises:
            InvalidInput: no token occurs in `min_df` documents.
        """
        counter = CountVectorizer(analyzer=tokens, max_features=self.max_features, min_df=self.min_df, dtype=np.int32)
        try:
            counts = counter.fit_transform([content.whole for content in of_kind(contents, Text)])
        except ValueError as error:
            raise InvalidInput(
                f"the documents must share words to be learned from: no word occurs in {self.min_df} of the "
                f"{len(contents)} documents"
            ) from error
        weights = TfidfTransformer(sublinear_tf=True).fit(counts)
        self._learned(counter.get_feature_names_out().tolist(), weights.idf_.astype(np.float32))
        return self

    def _learned(self, vocabulary: list[str], idf: NDArray[np.float32]) -> None:
        self.vocabulary = vocabulary
        self.idf = idf
        self._index = {token: i for i, token in enumerate(vocabulary)}

    def _ids_of(self, text: str) -> list[int]:
        get = self._index.get
        return [i for token in tokens(text) if (i := get(token)) is not None]

    def transform(self, contents: Contents) -> csr_matrix:
        """TF-IDF rows of contents: `(n, n_features)` float32; a content without a known word has an empty row."""
        return _weighted_rows(self._ids_of, contents, self.n_features, self.idf)

    def bag(self, content: Content) -> Bag:
        """The row that `transform` gives one content, without a matrix around it, which takes most of the time."""
        return _weighted_bag(self._ids_of(of_kind([content], Text)[0].text), self.idf)

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters, and the vocabulary (UTF-8, one token a line) with its idf."""
        words = np.frombuffer("\n".join(self.vocabulary).encode(), dtype=np.uint8)
        return {"max_features": self.max_features, "min_df": self.min_df}, {"vocabulary": words, "idf": self.idf}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        featurizer = cls(**cast("dict[str, int]", parameters))
        vocabulary = arrays["vocabulary"].tobytes().decode().split("\n")
        featurizer._learned(vocabulary, arrays["idf"].astype(np.float32))
        return featurizer


class HashedTextFeaturizer:
    """Hashed term frequencies: every token is known, nothing is learned, nothing is stored.

    Args:
        n_features: number of hash buckets, a power of two.
    """

    name = "text-hashed"

    def __init__(self, n_features: int = 1 << 16) -> None:
        self.n_features = n_features

    def fit(self, contents: Contents) -> Self:
        """Nothing to learn."""
        return self

    def _ids_of(self, text: str) -> list[int]:
        mask = self.n_features - 1
        return [crc32(token.encode()) & mask for token in tokens(text)]

    def transform(self, contents: Contents) -> csr_matrix:
        """Hashed rows of contents: `(n, n_features)` float32."""
        return _weighted_rows(self._ids_of, contents, self.n_features, None)

    def bag(self, content: Content) -> Bag:
        """The row that `transform` gives one content, without a matrix around it, which takes most of the time."""
        return _weighted_bag(self._ids_of(of_kind([content], Text)[0].text), None)

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters; there are no arrays."""
        return {"n_features": self.n_features}, {}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        return cls(**cast("dict[str, int]", parameters))
