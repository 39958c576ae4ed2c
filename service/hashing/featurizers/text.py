"""Text to sparse features: the terms of an analyzer, weighted.

`TextFeaturizer` learns a vocabulary and its idf; `HashedTextFeaturizer` learns nothing and serves untrained spaces.
Both share one weighting: sublinear term frequency, `1 + ln(tf)`, rows of unit Euclidean length. A stored featurizer
that names no analyzer has the tokenizer of the first release.

Source: Manning, Raghavan, Schuetze (2008), "Introduction to Information Retrieval", section 6.4 (ltc weighting);
Weinberger et al. (2009), "Feature hashing for large scale multitask learning".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, Self, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from service.errors import CorruptArtifact, InvalidInput
from service.hashing.analysis import Analyzer
from service.hashing.content import Content, Contents, Text, of_kind
from service.hashing.featurizers.first_tokens import first_tokens
from service.hashing.featurizers.word_parts import parts_of_word, parts_would_help

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Parts = Literal["auto", "on", "off"]
TermsOf = Callable[[str], list[str]]
_CACHED_TERMS = 1 << 16
_ANALYZER = Analyzer()

Bag = tuple[NDArray[np.int64], NDArray[np.float32]]
"""One sparse row: `(m,)` columns, ascending, and `(m,)` values."""


def _terms_of(analyzer: Analyzer | None) -> TermsOf:
    return first_tokens if analyzer is None else analyzer.terms


def _analyzer_state(analyzer: Analyzer | None) -> dict[str, object]:
    return {} if analyzer is None else {"analyzer": {"version": analyzer.version, "language": analyzer.language}}


def _stored_analyzer(parameters: dict[str, object]) -> Analyzer | None:
    """The analyzer that a state names; None for the tokenizer of the first release.

    Raises:
        CorruptArtifact: a version or language that this release does not have.
    """
    if "analyzer" not in parameters:
        return None
    stored = cast("dict[str, object]", parameters["analyzer"])
    if stored["version"] != Analyzer.version:
        raise CorruptArtifact(
            "hash function", f"analyzer version must be {Analyzer.version}, got {stored['version']!r}"
        )
    try:
        return Analyzer(str(stored["language"]))
    except InvalidInput as error:
        raise CorruptArtifact("hash function", str(error)) from error


def _counted(analyzer: Analyzer | None, content: Content) -> dict[str, tuple[int, str]]:
    text = of_kind([content], Text)[0].whole
    if analyzer is not None:
        return analyzer.counted(text)
    return {term: (n, term) for term, n in Counter(first_tokens(text)).items()}


def _weighted_rows(
    ids_of: Callable[[str], list[int]], contents: Contents, n_features: int, idf: NDArray[np.float32] | None
) -> csr_matrix:
    """Count feature ids per content, weight them, scale rows to unit length: `(n, n_features)` float32 CSR."""
    from scipy.sparse import csr_matrix  # a quarter of a second, which a query does without

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
    columns = sorted(set(ids))
    indices = np.array(columns, dtype=np.int64)  # (m,)
    if not columns:
        return indices, np.empty(0, dtype=np.float32)
    values = np.ones(len(columns), dtype=np.float32)  # (m,)
    if len(columns) < len(ids):
        counts = Counter(ids)
        values += np.log(np.array([counts[i] for i in columns], dtype=np.float32))
    if idf is not None:
        values *= idf[indices]
    values /= np.sqrt(np.cumsum(values**2, dtype=np.float64)[-1]).astype(np.float32)
    return indices, values


class TextFeaturizer:
    """TF-IDF over a vocabulary learned from the collection.

    Args:
        max_features: size of the vocabulary, the commonest terms by count (5,000 to 50,000 are sensible); as many parts
            of words come on top.
        min_df: a term must occur in at least this many documents.
        analyzer: gives the terms of a text; None: the tokenizer of the first release.
        parts: whether parts of words, 3 or 4 characters each, are features beside words; "auto" lets `fit` decide
            without labels (see `word_parts`).

    Attributes:
        uses_parts: whether it has parts of words, once fitted.
    """

    name = "text"

    def __init__(
        self,
        max_features: int = 20_000,
        min_df: int = 2,
        analyzer: Analyzer | None = _ANALYZER,
        parts: Parts = "off",
    ) -> None:
        self.max_features = max_features
        self.min_df = min_df
        self.analyzer = analyzer
        self.parts = parts
        self.uses_parts = parts == "on"
        self.vocabulary: list[str] = []
        self.idf: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._learned([], self.idf)

    @property
    def n_features(self) -> int:
        """Size of the learned vocabulary."""
        return len(self.vocabulary)

    def fit(self, contents: Contents) -> Self:
        """Learn vocabulary and smoothed idf, `ln((1 + n) / (1 + df)) + 1`.

        Raises:
            InvalidInput: no term occurs in `min_df` documents.
        """
        from service.hashing.featurizers.vocabulary import learned  # scikit-learn, which takes a second to import

        texts = [content.whole for content in of_kind(contents, Text)]
        terms_of = _terms_of(self.analyzer)
        words, idf = learned(texts, terms_of, self.max_features, self.min_df)
        self.uses_parts = self.parts == "on" or (
            self.parts == "auto" and parts_would_help(texts, terms_of, self.min_df)
        )
        if self.uses_parts:
            parts, idf_of_parts = learned(
                texts, lambda text: _parts_of_words(terms_of(text)), self.max_features, self.min_df
            )
            words, idf = words + parts, np.concatenate([idf, idf_of_parts])
        if not words:
            raise InvalidInput(
                f"the documents must share words to be learned from: no word occurs in {self.min_df} of the "
                f"{len(contents)} documents"
            )
        self._learned(words, idf)
        return self

    def _learned(self, vocabulary: list[str], idf: NDArray[np.float32]) -> None:
        self.vocabulary = vocabulary
        self.idf = idf
        get = {term: i for i, term in enumerate(vocabulary)}.get

        @lru_cache(_CACHED_TERMS)
        def ids_of_word(term: str) -> tuple[int, ...]:
            return tuple(i for one in (term, *parts_of_word(term)) if (i := get(one)) is not None)

        self._ids_of_word = ids_of_word
        self._id_of = get

    def _ids_of(self, text: str) -> list[int]:
        terms = _terms_of(self.analyzer)(text)
        if self.uses_parts:
            return list(chain.from_iterable(map(self._ids_of_word, terms)))
        get = self._id_of
        return [i for term in terms if (i := get(term)) is not None]

    def transform(self, contents: Contents) -> csr_matrix:
        """TF-IDF rows of contents: `(n, n_features)` float32; a content without a known term has an empty row."""
        return _weighted_rows(self._ids_of, contents, self.n_features, self.idf)

    def bag(self, content: Content) -> Bag:
        """The row that `transform` gives one content, without a matrix around it, which takes most of the time."""
        return _weighted_bag(self._ids_of(of_kind([content], Text)[0].whole), self.idf)

    def counted(self, content: Content) -> dict[str, tuple[int, str]]:
        """How often each term comes in a content, known or not, and the part of its text where it first stands."""
        return _counted(self.analyzer, content)

    def features_of_term(self, term: str) -> Sequence[int]:
        """The columns that one occurrence of a term counts in; none if it is not known."""
        if self.uses_parts:
            return self._ids_of_word(term)
        found = self._id_of(term)
        return () if found is None else (found,)

    def weights(self, columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """What `(m,)` columns count, beside how often they occur: `(m,)`."""
        return self.idf[columns]

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters, and the vocabulary (UTF-8, one term a line) with its idf."""
        words = np.frombuffer("\n".join(self.vocabulary).encode(), dtype=np.uint8)
        parameters: dict[str, object] = {"max_features": self.max_features, "min_df": self.min_df}
        if self.analyzer is not None:
            parameters |= _analyzer_state(self.analyzer) | {"parts": "on" if self.uses_parts else "off"}
        return parameters, {"vocabulary": words, "idf": self.idf}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        sizes = cast("dict[str, int]", parameters)
        parts = cast("Parts", parameters.get("parts", "off"))
        featurizer = cls(sizes["max_features"], sizes["min_df"], _stored_analyzer(parameters), parts)
        vocabulary = arrays["vocabulary"].tobytes().decode().split("\n")
        featurizer._learned(vocabulary, arrays["idf"].astype(np.float32))
        return featurizer


def _parts_of_words(terms: Sequence[str]) -> list[str]:
    return list(chain.from_iterable(map(parts_of_word, terms)))


class HashedTextFeaturizer:
    """Hashed term frequencies: every term is known, nothing is learned, nothing is stored.

    Args:
        n_features: number of hash buckets, a power of two.
        analyzer: gives the terms of a text; None: the tokenizer of the first release.
    """

    name = "text-hashed"

    def __init__(self, n_features: int = 1 << 16, analyzer: Analyzer | None = _ANALYZER) -> None:
        self.n_features = n_features
        self.analyzer = analyzer

    def fit(self, contents: Contents) -> Self:
        """Nothing to learn."""
        return self

    def features_of_term(self, term: str) -> Sequence[int]:
        """The column that one occurrence of a term counts in."""
        return (crc32(term.encode()) & (self.n_features - 1),)

    def weights(self, columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """What `(m,)` columns count, beside how often they occur: `(m,)`, all the same."""
        return np.ones(len(columns), dtype=np.float32)

    def _ids_of(self, text: str) -> list[int]:
        mask = self.n_features - 1
        return [crc32(term.encode()) & mask for term in _terms_of(self.analyzer)(text)]

    def transform(self, contents: Contents) -> csr_matrix:
        """Hashed rows of contents: `(n, n_features)` float32."""
        return _weighted_rows(self._ids_of, contents, self.n_features, None)

    def bag(self, content: Content) -> Bag:
        """The row that `transform` gives one content, without a matrix around it, which takes most of the time."""
        return _weighted_bag(self._ids_of(of_kind([content], Text)[0].whole), None)

    def counted(self, content: Content) -> dict[str, tuple[int, str]]:
        """How often each term comes in a content, known or not, and the part of its text where it first stands."""
        return _counted(self.analyzer, content)

    def state(self) -> tuple[dict[str, object], dict[str, NDArray[np.generic]]]:
        """Hyper-parameters; there are no arrays."""
        return {"n_features": self.n_features} | _analyzer_state(self.analyzer), {}

    @classmethod
    def restore(cls, parameters: dict[str, object], arrays: dict[str, NDArray[np.generic]]) -> Self:
        """The featurizer whose `state` that was."""
        return cls(cast("int", parameters["n_features"]), _stored_analyzer(parameters))
