"""Short documents by a law of real vocabularies: as many as one likes, where no corpus is at hand.

Words follow Zipf and Mandelbrot; each topic has its own shares of them, drawn around that law; each story (a few dozen
documents) has a few words of its topic that its documents come back to. A document is drawn word by word from the whole
language, from its topic and from its story: so it has near neighbors, a wider field, and noise, as news or mail have.

Source: Mandelbrot (1953), "An informational theory of the statistical structure of language" (the law); Blei, Ng,
Jordan (2003), "Latent Dirichlet allocation" (topics as draws from a Dirichlet distribution).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

N_WORDS = 100_000
N_TOPICS = 200
DOCUMENTS_PER_STORY = 30
WORDS_PER_STORY = 15
MEAN_LENGTH = 25
SHARE_OF_LANGUAGE, SHARE_OF_TOPIC = 0.4, 0.25
"""Of the words of a document; the rest is the story's."""
CONCENTRATION = 3_000.0
"""How close the topics' shares of words stay to the language's."""

_EXPONENT, _OFFSET = 1.05, 2.7
_SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]


def synthetic_texts(n: int, seed: int = 0) -> Iterator[str]:
    """`n` texts, one by one."""
    rng = np.random.default_rng(seed)
    language = 1 / (np.arange(N_WORDS) + 1 + _OFFSET) ** _EXPONENT
    language /= language.sum()
    topics = rng.standard_gamma(CONCENTRATION * language, size=(N_TOPICS, N_WORDS)).astype(np.float32)
    n_stories = max(1, n // DOCUMENTS_PER_STORY)
    topic_of = rng.choice(N_TOPICS, size=n_stories, p=rng.dirichlet(np.ones(N_TOPICS)))
    stories = _draw(topics, np.repeat(topic_of, WORDS_PER_STORY), rng).reshape(n_stories, WORDS_PER_STORY)

    story = rng.integers(n_stories, size=n)
    lengths = np.maximum(3, rng.lognormal(np.log(MEAN_LENGTH) - 0.125, 0.5, size=n)).astype(np.int64)
    ends = np.cumsum(lengths)
    story_of = np.repeat(story, lengths)
    source = rng.random(len(story_of))
    words = stories[story_of, rng.integers(WORDS_PER_STORY, size=len(story_of))].astype(np.int32)
    common = source < SHARE_OF_LANGUAGE
    words[common] = _draw(language[None, :], np.zeros(common.sum(), dtype=np.int64), rng)
    topical = ~common & (source < SHARE_OF_LANGUAGE + SHARE_OF_TOPIC)
    words[topical] = _draw(topics, topic_of[story_of[topical]], rng)

    spelled = np.array([_spelling(rank) for rank in range(N_WORDS)], dtype=object)
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        yield " ".join(spelled[words[end - length : end]])


def _draw(shares: NDArray[np.floating], rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
    """One word for each of `rows`, drawn by that row of `shares`."""
    drawn = np.empty(len(rows), dtype=np.int32)
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(len(shares) + 1))
    for row, (start, stop) in enumerate(pairwise(starts)):
        sums = np.cumsum(shares[row], dtype=np.float64)
        at = np.searchsorted(sums, rng.random(stop - start) * sums[-1], side="right")
        drawn[order[start:stop]] = np.minimum(at, len(sums) - 1)
    return drawn


def _spelling(rank: int) -> str:
    """A word that can be spoken, shorter the commoner it is."""
    base = len(_SYLLABLES)
    parts = [_SYLLABLES[rank % base]]
    while rank := rank // base:
        rank -= 1
        parts.append(_SYLLABLES[rank % base])
    return "".join(parts)
