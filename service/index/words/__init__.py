"""The inverted index: exact BM25 over the words of the documents of a collection, in memory."""

from service.index.words.index import WordIndex
from service.index.words.query import Clause, WordMatches

__all__ = ["Clause", "WordIndex", "WordMatches"]
