"""Segment: documents and their postings, never changed once made, in one array of words.

    header | keys, lengths of bodies and titles
           | of terms: starts of postings, starts of texts, signatures, lengths, texts
           | postings: documents, occurrences in their bodies, in their titles

Documents ascend by key, so the order of their numbers is the order of keys; terms ascend by their UTF-8 bytes, which is
the order of their code points; the postings of a term ascend by document. The same array, written to a file, is the
snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

FORMAT = 1
HEADER = 8
MOST_IN_BODY, MOST_IN_TITLE = (1 << 16) - 1, (1 << 8) - 1
"""Occurrences of a term in one document are counted up to here."""
MOST_CHARS = 255
"""The length of a term in code points is counted up to here."""

_SECTIONS = (
    ("keys", np.int64, 0),
    ("body_lengths", np.int32, 0),
    ("title_lengths", np.int32, 0),
    ("starts", np.int64, 1),
    ("text_starts", np.int64, 1),
    ("signatures", np.uint64, 1),
    ("n_chars", np.uint8, 1),
    ("texts", np.uint8, 3),
    ("docs", np.int32, 2),
    ("tf_body", np.uint16, 2),
    ("tf_title", np.uint8, 2),
)
"""Name, type and which count of the header gives the length of each section; starts have one more."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Views into `words`.

    Attributes:
        words: all of it.
        keys: `(n_docs,)` int64, ascending.
        body_lengths: `(n_docs,)` int32, terms in the body of each document.
        title_lengths: `(n_docs,)` int32, terms in its title.
        starts: `(n_terms + 1,)` int64, the postings of term i are those from `starts[i]` to `starts[i + 1]`.
        text_starts: `(n_terms + 1,)` int64, where in `texts` the UTF-8 bytes of each term begin.
        signatures: `(n_terms,)` uint64, the characters of each term as a set (`service.index.words.spelling`).
        n_chars: `(n_terms,)` uint8, code points of each term.
        texts: `(n_bytes,)` uint8.
        docs: `(n_postings,)` int32, numbers of documents.
        tf_body: `(n_postings,)` uint16, occurrences of the term in the body of the document.
        tf_title: `(n_postings,)` uint8, occurrences in its title.
    """

    words: Words
    keys: Ints
    body_lengths: NDArray[np.int32]
    title_lengths: NDArray[np.int32]
    starts: Ints
    text_starts: Ints
    signatures: Words
    n_chars: Bytes
    texts: Bytes
    docs: NDArray[np.int32]
    tf_body: NDArray[np.uint16]
    tf_title: Bytes

    @property
    def n_docs(self) -> int:
        """Documents, alive or dead."""
        return len(self.keys)

    @property
    def n_terms(self) -> int:
        """Terms in the dictionary."""
        return len(self.signatures)

    @property
    def n_postings(self) -> int:
        """Pairs of a term and a document."""
        return len(self.docs)

    def text(self, term: int) -> str:
        """The term of that number."""
        return (
            self.texts[self.text_starts[term] : self.text_starts[term + 1]].tobytes().decode("utf-8", "surrogatepass")
        )


def allocate(n_docs: int, n_terms: int, n_postings: int, n_bytes: int) -> Segment:
    """A segment of zeros with room for so many documents, terms, postings and bytes of terms."""
    counts = [n_docs, n_terms, n_postings, n_bytes]
    words = np.zeros(HEADER + sum(size for _, _, size in _places(counts)), np.uint64)
    words[: len(counts)] = counts
    return of_words(words)


def of_words(words: Words) -> Segment:
    """The segment that an array holds.

    Raises:
        ValueError: the array is shorter than its header says.
    """
    counts = words[:4].tolist()
    parts, at = {}, HEADER
    for (name, dtype, _), (_, n, size) in zip(_SECTIONS, _places(counts), strict=True):
        if at + size > len(words):
            raise ValueError(f"a segment of {counts} takes more than {len(words)} words")
        parts[name] = words[at : at + size].view(dtype)[:n]
        at += size
    return Segment(words, **parts)


def _places(counts: list[int]) -> list[tuple[str, int, int]]:
    """Name, items and words of each section."""
    sections = []
    for name, dtype, which in _SECTIONS:
        n = counts[which] + name.endswith("starts")
        sections.append((name, n, -(-n * np.dtype(dtype).itemsize // 64) * 8))  # whole cache lines
    return sections
