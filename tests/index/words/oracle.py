"""BM25F over dictionaries: slow, plain, and what the index must equal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from service.index.words import Clause

Document = tuple[list[str], list[str], int]
"""Terms of the body, terms of the title, what counts as the body's length."""


class Oracle:
    """The documents by key."""

    def __init__(self, k1: float = 1.2, b: float = 0.75, title_weight: float = 3.0) -> None:
        self.k1, self.b, self.title_weight = k1, b, title_weight
        self.documents: dict[int, Document] = {}

    def put(self, key: int, body: list[str], title: list[str], length: int | None = None) -> None:
        self.documents[key] = body, title, len(body) if length is None else length

    def delete(self, key: int) -> None:
        self.documents.pop(key, None)

    def frequency(self, term: str) -> int:
        return sum(term in body or term in title for body, title, _ in self.documents.values())

    def search(self, clauses: Sequence[Clause], allowed: Collection[int] | None = None) -> list[tuple[float, int]]:
        """All that match: (-score, key), ascending."""
        frequencies = {term: self.frequency(term) for clause in clauses for term, _ in clause.alternatives}
        found = []
        for key in self.documents:
            if allowed is not None and key not in allowed:
                continue
            score = self.score(clauses, key, frequencies)
            if score is not None:
                found.append((-score, key))
        return sorted(found)

    def score(self, clauses: Sequence[Clause], key: int, frequencies: dict[str, int]) -> float | None:
        """None if the document does not match."""
        total, matches = 0.0, False
        for clause in clauses:
            scores = [
                weight * score
                for term, weight in clause.alternatives
                if (score := self.term_score(term, key, frequencies[term])) is not None
            ]
            if clause.is_excluded:
                if scores:
                    return None
            elif scores:
                total, matches = total + clause.weight * max(scores), True
            elif clause.is_required:
                return None
        return total if matches else None

    def term_score(self, term: str, key: int, frequency: int) -> float | None:
        body, title, length = self.documents[key]
        if term not in body and term not in title:
            return None
        occurrences = min(Counter(body)[term], 65535) / self.norm(length, [n for _, _, n in self.documents.values()])
        if term in title:
            norm = self.norm(len(title), [len(other) for _, other, _ in self.documents.values()])
            occurrences += self.title_weight * min(Counter(title)[term], 255) / norm
        n = len(self.documents)
        idf = math.log(1 + (n - frequency + 0.5) / (frequency + 0.5))
        return idf * (self.k1 + 1) * occurrences / (self.k1 + occurrences)

    def norm(self, length: int, lengths: list[int]) -> float:
        there = [n for n in lengths if n]
        return 1 - self.b + self.b * length / (sum(there) / len(there)) if there else 1.0
