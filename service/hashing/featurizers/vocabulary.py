"""The vocabulary of a collection: its commonest terms and their idf; learned in training only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer


def learned(
    texts: Sequence[str], terms_of: Callable[[str], list[str]], max_features: int, min_df: int
) -> tuple[list[str], NDArray[np.float32]]:
    """The commonest terms, sorted, and their smoothed idf; none, if no term occurs in `min_df` documents."""
    counter = CountVectorizer(analyzer=terms_of, max_features=max_features, min_df=min_df, dtype=np.int32)
    try:
        counts = counter.fit_transform(texts)
    except ValueError:
        return [], np.empty(0, dtype=np.float32)
    weights = TfidfTransformer(sublinear_tf=True).fit(counts)
    return counter.get_feature_names_out().tolist(), weights.idf_.astype(np.float32)
