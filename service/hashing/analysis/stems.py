"""Snowball stemmers by language code.

Source: Porter (1980), "An algorithm for suffix stripping"; Snowball, https://snowballstem.org.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import Stemmer

from service.hashing.analysis.stop_words import STOP_WORDS

ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "st": "sesotho", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
LANGUAGES = tuple(sorted(ALGORITHMS))
"""Codes (ISO 639-1) of the languages with a stemmer and stop words."""

assert set(LANGUAGES) == set(STOP_WORDS)


def stemmer(language: str) -> Callable[[str], str]:
    """The function from a normalized word to its stem; thread-safe. It keeps nothing: callers cache."""
    word_of = Stemmer.Stemmer(ALGORITHMS[language], 0).stemWord
    lock = Lock()

    def stem(word: str) -> str:
        with lock:  # a stemmer has a buffer of its own
            return str(word_of(word))

    return stem
