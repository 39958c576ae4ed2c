"""Binary codes in numpy: pack, unpack, Hamming distance, substrings. The reference for every faster kernel.

Codes travel as `(n, n_bits // 8)` uint8, most significant bit first: bit 0 of a code is the highest bit of its byte 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidInput

Codes = NDArray[np.uint8]
"""`(n, n_bits // 8)` uint8, most significant bit first."""

MIN_BITS, MAX_BITS, BITS_STEP = 8, 256, 8


def check_n_bits(n_bits: int) -> int:
    """Return `n_bits` if codes of that width exist.

    Raises:
        InvalidInput: not a multiple of 8 between 8 and 256.
    """
    if n_bits % BITS_STEP or not MIN_BITS <= n_bits <= MAX_BITS:
        raise InvalidInput(f"n_bits must be a multiple of {BITS_STEP} between {MIN_BITS} and {MAX_BITS}, got {n_bits}")
    return n_bits


def pack(bits: NDArray[np.bool_] | NDArray[np.uint8]) -> Codes:
    """Pack `(n, n_bits)` zeros and ones into `(n, n_bits // 8)` codes.

    Raises:
        InvalidInput: n_bits is not a multiple of 8.
    """
    if bits.ndim != 2 or bits.shape[1] % 8:
        raise InvalidInput(f"bits must have shape (n, multiple of 8), got {bits.shape}")
    return np.packbits(bits, axis=1)


def unpack(codes: Codes) -> NDArray[np.uint8]:
    """Unpack `(n, n_bytes)` codes into `(n, 8 * n_bytes)` zeros and ones."""
    return np.unpackbits(codes, axis=1)


def hamming_distance(a: Codes, b: Codes) -> NDArray[np.int64]:
    """Number of differing bits along the last axis; `a` and `b` broadcast against each other.

    Example: `(n, 1, n_bytes)` against `(1, m, n_bytes)` gives the `(n, m)` matrix of distances.
    """
    distances: NDArray[np.int64] = np.bitwise_count(np.bitwise_xor(a, b)).sum(axis=-1, dtype=np.int64)
    return distances


def flip_cost(codes: Codes, code: Codes, confidence: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What turning one code `(n_bytes,)` into each of `(n, n_bytes)` would take: the confidence of its differing bits.

    Args:
        codes: what the code is compared with.
        code: that of a query.
        confidence: `(n_bits,)` of each of its bits, from 0 to 255. Sums of these are exact in float32.
    """
    costs: NDArray[np.float32] = unpack(np.bitwise_xor(codes, code)).astype(np.float32) @ confidence.astype(np.float32)
    return costs


def flip_masks(n_bits: int, n_flips: int) -> Iterator[int]:
    """Yield every `n_bits`-wide integer with exactly `n_flips` bits set: XOR one onto an address to flip its bits.

    Cost: binomial(n_bits, n_flips) masks.
    """
    for positions in combinations(range(n_bits), n_flips):
        yield sum(1 << p for p in positions)


def substring_widths(n_bits: int, n_tables: int) -> list[int]:
    """Cut `n_bits` into `n_tables` substrings whose widths differ by at most one bit, wider ones first.

    Source: Norouzi, Punjani, Fleet (2014), "Fast exact search in Hamming space with multi-index hashing", section 3.1.
    """
    if not 1 <= n_tables <= n_bits:
        raise InvalidInput(f"n_tables must be between 1 and n_bits = {n_bits}, got {n_tables}")
    narrow, n_wide = divmod(n_bits, n_tables)
    return [narrow + 1] * n_wide + [narrow] * (n_tables - n_wide)


def substrings(codes: Codes, n_tables: int) -> NDArray[np.uint64]:
    """Addresses of `(n, n_bytes)` codes in `n_tables` tables: `(n, n_tables)` uint64, each substring as an integer.

    Raises:
        InvalidInput: a substring would be wider than 63 bits (SQL integers are signed 64-bit).
    """
    widths = substring_widths(codes.shape[1] * 8, n_tables)
    if widths[0] > 63:
        raise InvalidInput(f"substrings must be at most 63 bits wide, got {widths[0]}; use more tables")
    bits = unpack(codes).astype(np.uint64)
    out = np.empty((len(codes), n_tables), dtype=np.uint64)
    start = 0
    for table, width in enumerate(widths):
        weights = np.left_shift(np.uint64(1), np.arange(width - 1, -1, -1, dtype=np.uint64))
        out[:, table] = bits[:, start : start + width] @ weights
        start += width
    return out
