"""Width: how many bits codes need, from the number of documents and from how many share a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

WIDTHS = (32, 64, 128, 256)
BITS_PER_DOUBLING = 3
"""log2 of the number of documents would name each, if codes were spread evenly: the paper hashes 400,000 documents to
20 bits. Learned codes are not, and distances must order what lies within a bucket: the paper re-ranks with 128."""
SHARED = 0.5
"""Share of the documents with a code of another one above which the next width is taken."""


@dataclass(frozen=True, slots=True)
class Width:
    """A number of bits, and why."""

    n_bits: int
    reason: str


def choose_width(n_documents: int, active_bits: int, report: Mapping[str, Any] | None) -> Width:
    """The least of the usual widths with three bits for each doubling of the documents, or one above the active codes.

    Args:
        n_documents: of the collection.
        active_bits: width of the active codes.
        report: of the active space; None for untrained codes, whose sharing says nothing about learned ones.

    Source: Salakhutdinov, Hinton (2009), "Semantic hashing", sections 1 and 5.
    """
    wanted = ceil(BITS_PER_DOUBLING * log2(max(n_documents, 2)))
    n_bits = next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])
    reason = f"{n_documents:,} documents ask for {wanted} bits, {BITS_PER_DOUBLING} for each doubling"
    shared = (report or {}).get("share_of_shared_codes", 0.0)
    wider = next((width for width in WIDTHS if width > active_bits), active_bits)
    if shared > SHARED and wider > n_bits:
        return Width(wider, f"{shared:.0%} of the documents share their {active_bits}-bit code with another")
    return Width(n_bits, reason)
