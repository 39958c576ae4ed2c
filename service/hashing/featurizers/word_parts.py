"""Parts of words: 3 or 4 characters each, for languages that inflect and compound, and samples too small to know words.

Source: Bojanowski et al. (2017), "Enriching word vectors with subword information" (FastText), section 3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain

from service.hashing.analysis.chunks import is_unspaced

_SIZES = (3, 4)
_SHORTEST_WORD = 3
_MAX_TEXTS = 4_000
_LEAST_UNKNOWN = 0.5
"""Parts help where this share of the words of one half of a sample is unknown in the other half: in small samples of
short texts, and longer in languages that inflect (docs/experiments.md, 2026-11-25)."""
_LEAST_WORDS = 0.5
"""They help only where at least this share of the terms are words."""


def parts_of_word(term: str) -> list[str]:
    """Parts of a word, each marked by `~`, with `<` and `>` for its begin and end; none of a term that is no word."""
    if not is_word(term):
        return []
    word = f"<{term}>"
    return [f"~{word[i : i + size]}" for size in _SIZES for i in range(len(word) - size + 1)]


@lru_cache(1 << 16)
def is_word(term: str) -> bool:
    """Whether a term is a word of letters, long enough, of a script with spaces."""
    return (
        len(term) >= _SHORTEST_WORD
        and not any((c < "\u0300" and not c.isalpha()) or c.isdigit() for c in term)
        and not is_unspaced(term)
    )


def parts_would_help(texts: Sequence[str], terms_of: Callable[[str], list[str]], min_df: int) -> bool:
    """Whether the words of a sample are too rare to be learned: decided without labels.

    Counts the words of every second text that the other texts do not have in `min_df` texts.

    Cost: linear in at most `_MAX_TEXTS` texts, evenly spaced.
    """
    n = min(len(texts), _MAX_TEXTS)
    terms = [terms_of(texts[i * len(texts) // n]) for i in range(n)]
    words = [[term for term in of_text if is_word(term)] for of_text in terms]
    if sum(map(len, words)) < max(1, _LEAST_WORDS * sum(map(len, terms))):
        return False
    frequency = Counter(chain.from_iterable(map(set, words[::2])))
    occurrences = list(chain.from_iterable(words[1::2]))
    unknown = sum(frequency[word] < min_df for word in occurrences)
    return unknown >= _LEAST_UNKNOWN * max(1, len(occurrences))
