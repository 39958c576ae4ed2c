"""From text to terms: one analysis for the features of hash functions and for the index of words."""

from service.hashing.analysis.analyzer import VERSION, Analyzer, Term
from service.hashing.analysis.language import decide_language
from service.hashing.analysis.stems import LANGUAGES
from service.hashing.analysis.words import NO_LANGUAGE

__all__ = ["LANGUAGES", "NO_LANGUAGE", "VERSION", "Analyzer", "Term", "decide_language"]
