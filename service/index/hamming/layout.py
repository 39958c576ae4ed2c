"""One array holds all that a query reads of the base: keys, codes, buckets and the plan of the search.

    header | keys | codes | per table: offsets, ids, codes in bucket order | plan: probes, candidates, coverage

Word `i` of all codes stands together (a plane), codes ascend by key, and an id is a code's place among them, so the
order of ids is the order of keys. Bucket `b` of a table holds entries `offsets[b]` to `offsets[b + 1]`, with the codes
inline: gathering them by id would cost a cache miss each. The same array, written to a file, is the snapshot. Planes
have `SLACK` words of room behind them, which a block may read but never report.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import ceil, comb, log2

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes, substring_widths

Words = NDArray[np.uint64]
_UNPACK = [struct.Struct(f">{n_planes}Q").unpack for n_planes in range(5)]

FORMAT = 2
SLACK = 64
WORD_BITS = 64

# places in the header
N_CODES, N_BITS, N_PLANES, N_TABLES, STRIDE, KEYS_AT, CODES_AT, N_STEPS, PROBES_AT, CANDIDATES_AT, COVERAGE_AT = range(
    11
)
TABLES_AT, TABLE_WORDS = 16, 8
TABLE_START, TABLE_WIDTH, TABLE_OFFSETS, TABLE_IDS, TABLE_CODES = range(5)

# how to answer, where in a row of answers what stands, and which way was taken
AUTO, SCAN, PROBE, GATHER = range(4)
FOUND, PATH, PROBES, CANDIDATES, RADIUS, ANSWER_WORDS = 0, 1, 2, 3, 4, 8
PATH_SCAN, PATH_PROBE, PATH_SWITCHED, PATH_GATHER, PATH_SWITCHED_TO_GATHER = range(5)
UNLIMITED = 1 << 40
"""A k that stands for all within the radius."""

CACHED_BYTES = 16 << 20
"""What a cache holds of what queries read."""
MAX_PROBED = 4
"""Steps are planned until they would compare so many times the codes there are, or as much as that many probes cost."""
CODES_A_PROBE = 32
"""So many codes are compared in the time that finding a bucket takes, or more."""
MIN_PROBED = 1 << 15
"""Fewer codes than this are always scanned: it takes two microseconds."""


def n_tables_for(n: int, n_bits: int) -> int:
    """How many substrings: as few as leave four codes in a bucket on average; one for codes of at most 32 bits.

    Fuller buckets cost a little on clustered codes and save much on codes that lie far apart, and the directory stays
    small: with 16-bit substrings it fits the second-level cache.

    Source: Norouzi, Punjani, Fleet (2014), section 4, where substrings have log2(n) bits.
    """
    if n < MIN_PROBED:
        return 0
    return 1 if n_bits <= 32 else ceil(n_bits / max(1.0, log2(n) - 2))


def n_planes_of(n_bits: int) -> int:
    """Words that a code takes."""
    return ceil(n_bits / WORD_BITS)


def to_planes(codes: Codes, planes: Words) -> None:
    """Write `(n, n_bytes)` codes into `(n_planes, >= n)` words, bit 0 of a code at the top of word 0."""
    n, n_bytes = codes.shape
    for plane, row in enumerate(planes):
        part = codes[:, 8 * plane : 8 * plane + 8]
        if part.shape[1] < 8 or not part.flags.c_contiguous:
            part = np.pad(part, ((0, 0), (0, 8 - part.shape[1])))
        row[:n] = np.ascontiguousarray(part).view(">u8")[:, 0]
    assert planes.shape[0] * 8 >= n_bytes


def words_of(code: bytes) -> tuple[int, ...]:
    """The words of one code, as `to_planes` makes them."""
    n_planes, rest = divmod(len(code), 8)
    if rest:
        return struct.unpack(f">{n_planes + 1}Q", code + bytes(8 - rest))
    return _UNPACK[n_planes](code)


def from_planes(planes: Words, n_bytes: int) -> Codes:
    """The `(n, n_bytes)` codes of `(n_planes, n)` words."""
    return np.ascontiguousarray(planes.T.astype(">u8")).view(np.uint8)[:, :n_bytes]


def _header(words: Words) -> NDArray[np.int64]:
    return words.view(np.int64)


def planes_of(words: Words) -> Words:
    """`(n_planes, n)` words of the codes, in the order of their keys."""
    header = _header(words)
    stride, at, n_planes = int(header[STRIDE]), int(header[CODES_AT]), int(header[N_PLANES])
    return words[at : at + n_planes * stride].reshape(n_planes, stride)[:, : header[N_CODES]]


def keys_of(words: Words) -> NDArray[np.int64]:
    """`(n,)` int64 keys, ascending."""
    header = _header(words)
    return header[header[KEYS_AT] : header[KEYS_AT] + header[N_CODES]]


@dataclass(frozen=True, slots=True)
class Table:
    """One hash table of a base, addressed by the `width` bits of a code from bit `start`.

    `offsets` `(2^width + 1,)` uint32, `ids` `(n,)` uint32 and `planes` `(n_planes, n)` in the order of the buckets.
    """

    start: int
    width: int
    offsets: NDArray[np.uint32]
    ids: NDArray[np.uint32]
    planes: Words

    def addresses(self, planes: Words) -> NDArray[np.int64]:
        """The address of each of `(n_planes, n)` codes."""
        first, shift = divmod(self.start, WORD_BITS)
        bits = planes[first] << np.uint64(shift)
        if shift + self.width > WORD_BITS:
            bits = bits | planes[first + 1] >> np.uint64(WORD_BITS - shift)
        top: NDArray[np.uint64] = bits >> np.uint64(WORD_BITS - self.width)
        return top.astype(np.int64)


def tables_of(words: Words) -> list[Table]:
    """The hash tables of a base, as views into it."""
    header = _header(words)
    n, n_planes, stride = header[[N_CODES, N_PLANES, STRIDE]].tolist()
    tables = []
    for row in header[TABLES_AT : TABLES_AT + TABLE_WORDS * header[N_TABLES]].reshape(-1, TABLE_WORDS).tolist():
        start, width, offsets_at, ids_at, codes_at = row[:5]
        offsets = words[offsets_at:].view(np.uint32)[: (1 << width) + 1]
        planes = words[codes_at : codes_at + n_planes * stride].reshape(n_planes, stride)[:, :n]
        tables.append(Table(start, width, offsets, words[ids_at:].view(np.uint32)[:n], planes))
    return tables


def allocate(n: int, n_bits: int, n_tables: int) -> Words:
    """An array for `n` codes with its header and plan filled in; keys, codes and buckets are zero."""
    n_planes, stride = n_planes_of(n_bits), _rounded(n) + SLACK
    tables = _addresses(n, n_bits, n_tables)
    probes, candidates, coverage = _plan(n, n_bits, tables)
    parts = [(KEYS_AT, n), (CODES_AT, n_planes * stride)]  # (place in the header, words), in the order they lie
    rows = [TABLES_AT + TABLE_WORDS * table for table in range(n_tables)]
    for row, (_, width) in zip(rows, tables, strict=True):
        parts += [(row + TABLE_OFFSETS, (1 << width) // 2 + 1), (row + TABLE_IDS, n // 2 + 1)]
        parts += [(row + TABLE_CODES, n_planes * stride)]
    parts += [(PROBES_AT, len(probes)), (CANDIDATES_AT, len(candidates)), (COVERAGE_AT, coverage.size)]
    ends = np.cumsum([_rounded(TABLES_AT + TABLE_WORDS * n_tables), *(_rounded(size) for _, size in parts)])
    words = np.zeros(int(ends[-1]), np.uint64)
    header, floats = _header(words), words.view(np.float64)
    header[[N_CODES, N_BITS, N_PLANES, N_TABLES, STRIDE]] = n, n_bits, n_planes, n_tables, stride
    header[N_STEPS] = len(probes) - 1
    header[[place for place, _ in parts]] = ends[:-1]
    for row, address in zip(rows, tables, strict=True):
        header[[row + TABLE_START, row + TABLE_WIDTH]] = address
    for place, values in ((PROBES_AT, probes), (CANDIDATES_AT, candidates), (COVERAGE_AT, coverage.ravel())):
        floats[header[place] : header[place] + len(values)] = values
    return words


def _rounded(n: int) -> int:
    """Up to a whole number of cache lines."""
    return -(-n // 8) * 8


def _addresses(n: int, n_bits: int, n_tables: int) -> list[tuple[int, int]]:
    """(first bit, width) of each table's address; no wider than leaves four codes in a bucket on average."""
    if not n_tables:
        return []
    widest = max(1, int(log2(max(8, n))) - 2)
    widths = substring_widths(n_bits, n_tables)
    starts = np.cumsum([0, *widths])
    return [(int(start), min(width, widest)) for start, width in zip(starts, widths, strict=False)]


def _plan(
    n: int, n_bits: int, tables: list[tuple[int, int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What each step looks at and finds; step `a * n_tables + j` probes table `j` at `a` flips.

    Returns probes `(n_steps + 1,)` and candidates `(n_steps + 1,)` expected before each step, and coverage
    `(n_steps + 1, n_bits + 1)`: the chance that a code at distance `d` was met before the step, if its differing bits
    are anywhere alike.
    """
    probes, candidates, coverage = [0.0], [0.0], [np.zeros(n_bits + 1)]
    widths = [width for _, width in tables]
    for flips in range(max(widths, default=-1) + 1):
        for table, width in enumerate(widths):
            if probes[-1] * CODES_A_PROBE + candidates[-1] > MAX_PROBED * n:
                break
            here = comb(width, flips)
            probes.append(probes[-1] + here)
            candidates.append(candidates[-1] + here * n / 2**width)
            met = [flips if other <= table else flips - 1 for other in range(len(widths))]
            coverage.append(_coverage(n_bits, widths, met))
    return np.array(probes), np.array(candidates), np.array(coverage)


def _coverage(n_bits: int, widths: list[int], met: list[int]) -> NDArray[np.float64]:
    """Chance, for each distance, that some substring differs in at most `met` bits; differing bits drawn without order.

    The ways to place d differing bits so that every substring differs in more are the coefficients of a product of
    polynomials, one for each substring and one for the bits in none.
    """
    ways = np.array([float(comb(n_bits - sum(widths), i)) for i in range(n_bits - sum(widths) + 1)])
    for width, most in zip(widths, met, strict=True):
        ways = np.convolve(ways, [0.0 if i <= most else float(comb(width, i)) for i in range(width + 1)])
    total = np.array([float(comb(n_bits, d)) for d in range(n_bits + 1)])
    covered: NDArray[np.float64] = np.clip(1 - ways / total, 0.0, 1.0)
    return covered
