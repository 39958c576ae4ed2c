"""The language of texts, decided by their stop words.

A stop word counts less the more languages have it, and a language is decided on only where its stop words are a fair
share of the words and clearly more than those of the next one.

Texts from which stop words were taken out before, and titles that do without, are common in English alone: there its
endings decide.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from service.hashing.analysis.characters import WORD, WORD_STARTS
from service.hashing.analysis.normalization import LONGEST_TERM, normalized
from service.hashing.analysis.stop_words import STOP_WORDS
from service.hashing.analysis.words import NO_LANGUAGE

_MAX_TEXTS = 2_000
_MAX_CHARS = 1_000_000
_LEAST_SHARE = 0.12
_LEAST_LEAD = 1.15
_WORD = re.compile(rf"[{WORD_STARTS}][{WORD}]*")
_CODE = re.compile(r"[][(){}<>=_;]")
_MOST_SIGNS = 0.4
"""Signs of code for each word; a text with more is code, and its words are of no language."""
_WITHOUT_STEMMER = {
    language: frozenset(words.split())
    for language, words in {
        "af": """
            die nie en van in het om is wat met dat vir sy hy aan was ons baie maar te nog ook kan word
            deur as jy hulle""",
        "bg": """
            на и за да се от не са по като че ще това с в но или към при след беше му си тя той ние вие те
            един една""",
        "gl": """
            o a os as de do da dos das e en no na nos nas que non un unha uns unhas por para con como moi
            máis pero ao á""",
        "sk": """
            a v na sa je že z s do o to ako pre za so si ktorý ktorá ktoré ale po aj od by sú bol bola
            bolo boli nie ich""",
        "sw": """
            ya na wa kwa ni katika za la cha kuwa hii huo hiyo lakini sana yake wake kama au hali moja ili
            pia watu""",
        "uk": """
            і в на що з не до та у за як це для від але є його про або ми ви вони він вона воно був була
            було були їх їхні""",
    }.items()
}
"""Words of languages that look like one with a stemmer: where they lead, there is no language."""
_STOP_WORDS = {
    language: frozenset(map(normalized, words)) for language, words in {**STOP_WORDS, **_WITHOUT_STEMMER}.items()
}
_N_LANGUAGES = Counter(word for words in _STOP_WORDS.values() for word in words)


_ENGLISH_ENDINGS = {"ing": 0.02, "ed": 0.015, "tion": 0.01, "s": 0.1}
"""Least shares of the long words of English that end so; other languages have less of at least one of them."""
_LONG, _LEAST_LONG = 4, 0.6
_FEWEST_LONG = 200
"""Long words that are enough to judge by their endings."""


def decide_language(texts: Sequence[str]) -> str:
    """Code of the language of most of the texts, or "none" if unsure: code, mixtures, languages without a stemmer.

    Looks at no more than 2,000 texts, evenly spaced, and a million characters.
    """
    counts = Counter(_words_of(_sample(texts)))
    n_words = counts.total()
    shares = {language: sum(counts[w] for w in words) / max(n_words, 1) for language, words in _STOP_WORDS.items()}
    scores = {
        language: sum(counts[word] / _N_LANGUAGES[word] for word in words) for language, words in _STOP_WORDS.items()
    }
    best, second = sorted(scores, key=lambda language: -scores[language])[:2]
    is_sure = best in STOP_WORDS and shares[best] >= _LEAST_SHARE and scores[best] >= _LEAST_LEAD * scores[second]
    if is_sure:
        return best
    return "en" if max(shares.values()) < _LEAST_SHARE and _ends_as_english(counts) else NO_LANGUAGE


def _ends_as_english(counts: Counter[str]) -> bool:
    """Whether most words are long and as many of them as in English end in -ing, -ed, -tion and -s."""
    endings: Counter[str] = Counter()
    n_long = 0
    for word, n in counts.items():
        if len(word) >= _LONG and word.isascii() and word.isalpha():
            n_long += n
            for ending in _ENGLISH_ENDINGS:
                endings[ending] += n * word.removesuffix("s" if ending == "tion" else "").endswith(ending)
    return n_long >= max(_FEWEST_LONG, _LEAST_LONG * counts.total()) and all(
        endings[ending] >= least * n_long for ending, least in _ENGLISH_ENDINGS.items()
    )


def _sample(texts: Sequence[str]) -> Iterator[str]:
    n = min(len(texts), _MAX_TEXTS)
    return (texts[i * len(texts) // n][: _MAX_CHARS // n] for i in range(n))


def _words_of(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        words = [normalized(word) for word in _WORD.findall(text) if len(word) <= LONGEST_TERM]
        is_code = len(_CODE.findall(text)) > _MOST_SIGNS * len(words)
        yield from ("" for _ in words) if is_code else words
