"""The inner loops of the index, compiled by numba: fill the buckets, scan, probe.

Three things make them fast. Codes are compared eight at a time by an explicit `<8 x i64>` population count (LLVM does
not find it by itself; a plain loop is 7x slower) with the running k-th distance, which few codes pass. What a query
will probe is fetched ahead, a step's offsets, then its buckets some way before they are scanned, so that their cache
misses overlap; a scan leaves that to the processor, which sees it coming. And inside, arrays are plain addresses: numba
counts references at each array that it hands on, nine tenths of the time of a short query.

Where vectors have no population count, a scan adds up the bits of 256 codes at a time (`instructions.near_sliced`), for
which a copy of the codes is kept bit after bit.

A key mask is asked where a code is near, for some such codes at once: their ids and keys lie far apart in memory. Where
few keys are allowed, their codes are gathered instead: the mask is walked along the ascending keys of the base.

What one query knows so far lies in its frame: the fields named below, a histogram of the distances met, and the entries
kept, each a distance with a place in a bucket or an id. Its `bound` is such that the k nearest of what was met lie
within it.

`kernels.select` refuses this module if it answers otherwise than `kernels.reference`. What it takes from other files,
numba compiles in as constants: `COMPILED_IN` names them.
"""

# numba infers the types of what it compiles
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from numba.cpython.unsafe.tuple import tuple_setitem as _tuple_setitem
from numpy.typing import NDArray

from service.hashing import codes as code_module
from service.hashing.codes import Codes
from service.index import compiler
from service.index.bits import Bitmap
from service.index.hamming import costs, layout, view
from service.index.hamming.costs import PLACE
from service.index.hamming.kernels import instructions
from service.index.hamming.kernels.instructions import (
    BLOCK,
    LANES,
    MIXED,
    MIXED_BITS,
    SLICE,
    SLICED_CODES,
    WORD_BITS,
    load,
    load_byte,
    load_float,
    load_half,
    load_unaligned,
    load_word,
    near_8,
    near_32,
    near_sliced,
    popcount,
    prefetch,
    store,
    store_float,
)
from service.index.hamming.layout import (
    ANSWER_WORDS,
    AUTO,
    CACHED_BYTES,
    CANDIDATES,
    CANDIDATES_AT,
    CODES_AT,
    COVERAGE_AT,
    FOUND,
    GATHER,
    KEYS_AT,
    N_BITS,
    N_CODES,
    N_PLANES,
    N_STEPS,
    N_TABLES,
    PATH,
    PATH_GATHER,
    PATH_PROBE,
    PATH_SCAN,
    PATH_SWITCHED,
    PATH_SWITCHED_TO_GATHER,
    PROBE,
    PROBES,
    PROBES_AT,
    RADIUS,
    STRIDE,
    TABLE_CODES,
    TABLE_IDS,
    TABLE_OFFSETS,
    TABLE_START,
    TABLE_WIDTH,
    TABLE_WORDS,
    TABLES_AT,
    UNLIMITED,
    Words,
)
from service.index.hamming.view import R_DEAD, R_DELTA, R_DELTA_STRIDE, R_RECENT, R_WORDS, View
from service.index.key_mask import KeyMask

# its stub takes the function for what it compiles to
tuple_setitem: Any = _tuple_setitem

COMPILED_IN = tuple(
    Path(str(module))
    for module in (
        __file__,
        instructions.__file__,
        compiler.__file__,
        layout.__file__,
        costs.__file__,
        view.__file__,
        code_module.__file__,
    )
)
"""Every file of ours that the loops take something from, this one first."""

SLICES = platform.machine() in ("x86_64", "AMD64") and "+avx512vpopcntdq" not in compiler.features()
"""Whether a scan reads codes bit after bit: where a vector has no population count, which takes twice as long."""
TRIAL, TRIAL_NS = 0.02, 400  # the part of a scan's cost, and more, that probing may take before its prospects count
MASKED_TRIAL = 0.1  # and more where a mask is to be asked, for as much as half of what that may cost
MARGIN = 1.25  # by so much a scan must look dearer than probing on: prospects get worse more often than better
FEW_TABLES, TABLES_A_KEEP = 5, 4  # in so many more, looking whether a code was met takes as long as keeping it
FIRST = 32  # the codes of a bucket that are waited for; a processor fetches the others ahead
FETCHED = 256

_WIDTHS = [(np.uint64(0),) * n_planes for n_planes in range(5)]

# fields of a frame
F_BASE, F_ENTRIES, F_DELTA_KEYS, F_DEAD, F_RECENT, F_N_RECENT, F_SIFTED, F_K, F_CAPACITY = range(9)
F_BOUND, F_WITHIN, F_COUNT, F_LOST, F_TIED_AT, F_TIE_KEY, F_PROBES, F_CANDIDATES, F_TESTED = range(9, 18)
F_SCAN_NS, F_TESTS_NS, F_GATHERS, F_MASK_KIND, F_MASK, F_MASK_BITS, F_FIRST_KEY, F_N_ALLOWED = range(18, 26)
F_N_WAITING, F_PLACE, F_PROBE_NS, F_CANDIDATE_NS, F_FOLLOWING_NS, F_COSTS = range(26, 32)
F_CHUNK, CHUNK = 32, 64  # the buckets looked into next: addresses, then first and last entries; or keys, then ids
CACHE_LINE = 64  # bytes
LEAD, MIN_LEAD = 1024, 4  # how far ahead codes are fetched, in codes and in buckets: more would push out what waits
F_WAITING, WAITING = F_CHUNK + 2 * CHUNK, 32  # entries whose keys are fetched before the mask is asked, then their ids
F_HISTOGRAM = F_WAITING + 2 * WAITING
MIN_ENTRIES = 1024

# an entry: distance, table + 1 of the bucket (0: none), place in the bucket or, without one, id
TABLE_SHIFT, DISTANCE_SHIFT = 32, 48
PLACE_MASK = (1 << DISTANCE_SHIFT) - 1

# a key mask, as an array to hand to the loops, with its bitmap or its keys by address
M_KIND, M_ADDRESS, M_N_BITS, M_FIRST_KEY, M_N_ALLOWED, MASK_WORDS = range(6)
NO_MASK, MASK_OF_BITS, MASK_OF_KEYS = range(3)
_ALL: NDArray[np.int64] = np.zeros(MASK_WORDS, np.int64)

# costs, by their places
PROBE_BUCKET, PROBE_BUCKET_MEMORY = int(PLACE.probe), int(PLACE.probe_memory)
CANDIDATE_WORD, CANDIDATE_WORD_MEMORY = int(PLACE.candidate), int(PLACE.candidate_memory)
SCAN_WORD, SCAN_WORD_MEMORY = int(PLACE.scan), int(PLACE.scan_memory)
GATHER_KEY, GATHER_KEY_MEMORY = int(PLACE.gather), int(PLACE.gather_memory)
KEEP, SCAN_TEST, PROBE_TEST = int(PLACE.keep), int(PLACE.scan_test), int(PLACE.probe_test)
_COSTS = [row.ctypes.data for row in costs.in_use]

_CACHE = compiler.cache_folder(COMPILED_IN)
jit, inlined = compiler.compiling(_CACHE), compiler.compiling(_CACHE, forceinline=True)

_ONE = np.uint64(1)


@inlined
def query_words(query, width):
    """The `(n_bytes,)` bytes of a query as a tuple of words, bit 0 at the top of word 0."""
    words = width
    for plane in range(len(width)):
        word = np.uint64(0)
        for byte in range(8 * plane, 8 * plane + 8):
            value = np.uint64(query[byte]) if byte < len(query) else np.uint64(0)
            word = (word << np.uint64(8)) | value
        words = tuple_setitem(words, plane, word)
    return words


@inlined
def difference(address, stride, query):
    """The differing bits of the query and the code at an address, as a tuple of words."""
    words = query
    for plane in range(len(query)):
        words = tuple_setitem(words, plane, load_word(address, plane * stride) ^ query[plane])
    return words


@inlined
def ones(words):
    """Number of ones in a tuple of words."""
    total = 0
    for plane in range(len(words)):
        total += popcount(words[plane])
    return total


@inlined
def substring(words, start, width):
    """The `width` bits from bit `start` of a tuple of words, as an integer."""
    first, offset = start >> 6, start & 63
    bits = words[first] << np.uint64(offset)
    if offset + width > 64:
        bits |= words[first + 1] >> np.uint64(64 - offset)
    return np.int64(bits >> np.uint64(64 - width))


@inlined
def has_bit(bitmap, place):
    """Whether a bit of the bitmap at an address is set."""
    return (load_word(bitmap, place >> 6) >> np.uint64(place & 63)) & _ONE != 0


@inlined
def is_alive(frame, code_id):
    """Whether the code was neither deleted nor replaced."""
    dead = load(frame, F_DEAD)
    if dead != 0 and has_bit(dead, code_id):
        return False
    recent, gone = load(frame, F_RECENT), False
    for i in range(load(frame, F_N_RECENT)):
        gone |= load_half(recent, i) == code_id
    return not gone


@inlined
def is_listed(keys, n, key):
    """Whether a key is among `n` ascending ones."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if load(keys, middle) < key:
            low = middle + 1
        else:
            high = middle
    return low < n and load(keys, low) == key


@inlined
def is_allowed(frame, key):
    """Whether the key mask, if there is one, has the key."""
    kind, mask = load(frame, F_MASK_KIND), load(frame, F_MASK)
    if kind == NO_MASK:
        return True
    if kind == MASK_OF_KEYS:
        return is_listed(mask, load(frame, F_N_ALLOWED), key)
    bit = key - load(frame, F_FIRST_KEY)
    return 0 <= bit < load(frame, F_MASK_BITS) and (load_byte(mask + (bit >> 3)) >> np.uint64(bit & 7)) & _ONE != 0


@inlined
def key_of(frame, base, code_id):
    """The key of an id."""
    n = load(base, N_CODES)
    return (
        load(base + 8 * load(base, KEYS_AT), code_id) if code_id < n else load(load(frame, F_DELTA_KEYS), code_id - n)
    )


@inlined
def id_of(base, place):
    """The id of an entry's place."""
    table, index = (place >> TABLE_SHIFT) - 1, place & ((1 << TABLE_SHIFT) - 1)
    if table < 0:
        return index
    return load_half(base + 8 * load(base, TABLES_AT + TABLE_WORDS * table + TABLE_IDS), index)


@inlined
def key_at(frame, base, place):
    """The key of an entry's place."""
    return key_of(frame, base, id_of(base, place))


@jit
def sort_entries(distances, keys, places, n):
    """Order `n` entries, given as three arrays of int64 by address, by (distance, key): Shell's method."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap >= 1:
        for i in range(gap, n):
            distance, key, place, j = load(distances, i), load(keys, i), load(places, i), i
            while j >= gap:
                other = load(distances, j - gap)
                if other < distance or (other == distance and load(keys, j - gap) < key):
                    break
                store(distances, j, other)
                store(keys, j, load(keys, j - gap))
                store(places, j, load(places, j - gap))
                j -= gap
            store(distances, j, distance)
            store(keys, j, key)
            store(places, j, place)
        gap //= 3


@jit
def resolve(frame, distances, keys, places):
    """Write out the entries within the bound, ordered by (distance, key); how many they are."""
    base, bound, entries, n = load(frame, F_BASE), load(frame, F_BOUND), load(frame, F_ENTRIES), 0
    for i in range(load(frame, F_COUNT)):
        entry = load(entries, i)
        if entry >> DISTANCE_SHIFT <= bound:
            store(distances, n, entry >> DISTANCE_SHIFT)
            store(places, n, entry & PLACE_MASK)
            n += 1
    for i in range(n):
        store(keys, i, key_at(frame, base, load(places, i)))
    sort_entries(distances, keys, places, n)
    return n


@jit
def compact(frame):
    """Make room among the entries: drop those beyond the bound, and all but the k first by (distance, key)."""
    k, size, entries = load(frame, F_K), load(frame, F_CAPACITY), load(frame, F_ENTRIES)
    distances, keys, places = entries + 8 * size, entries + 16 * size, entries + 24 * size
    n = resolve(frame, distances, keys, places)
    if n > k:
        bound = load(distances, k - 1)
        store(frame, F_TIED_AT, bound)
        store(frame, F_TIE_KEY, load(keys, k - 1))
        store(frame, F_HISTOGRAM + bound, load(frame, F_HISTOGRAM + bound) - (n - k))
        store(frame, F_WITHIN, k)
        n = k
    for i in range(n):
        store(entries, i, (load(distances, i) << DISTANCE_SHIFT) | load(places, i))
    store(frame, F_COUNT, n)


@inlined
def keep(frame, distance, place):
    """Take one code that lies within the bound; lower the bound while k still lie within it."""
    if distance == load(frame, F_TIED_AT) and key_at(frame, load(frame, F_BASE), place) > load(frame, F_TIE_KEY):
        return
    if load(frame, F_COUNT) == load(frame, F_CAPACITY):
        if load(frame, F_K) == UNLIMITED:
            store(frame, F_LOST, load(frame, F_LOST) + 1)
            return
        compact(frame)
    count = load(frame, F_COUNT)
    store(load(frame, F_ENTRIES), count, (distance << DISTANCE_SHIFT) | place)
    store(frame, F_COUNT, count + 1)
    store(frame, F_HISTOGRAM + distance, load(frame, F_HISTOGRAM + distance) + 1)
    k, bound, within = load(frame, F_K), load(frame, F_BOUND), load(frame, F_WITHIN) + 1
    while within - load(frame, F_HISTOGRAM + bound) >= k:
        within -= load(frame, F_HISTOGRAM + bound)
        bound -= 1
    store(frame, F_BOUND, bound)
    store(frame, F_WITHIN, within)


@jit
def wait(frame, distance, place):
    """Put off asking the mask for a code that lies within the bound, until others can be asked with it."""
    n = load(frame, F_N_WAITING)
    store(frame, F_WAITING + n, (distance << DISTANCE_SHIFT) | place)
    store(frame, F_N_WAITING, n + 1)
    if n + 1 == WAITING:
        keep_allowed(frame)


@jit
def keep_allowed(frame):
    """Keep those of the waiting that are allowed: their keys are fetched together, one cache miss for all of them."""
    base, n, ids = load(frame, F_BASE), load(frame, F_N_WAITING), frame + 8 * (F_WAITING + WAITING)
    n_codes, keys = load(base, N_CODES), base + 8 * load(base, KEYS_AT)
    for i in range(n):
        code_id = id_of(base, load(frame, F_WAITING + i) & PLACE_MASK)
        store(ids, i, code_id)
        if code_id < n_codes:
            prefetch(keys + 8 * code_id)
    for i in range(n):
        entry, code_id = load(frame, F_WAITING + i), load(ids, i)
        if entry >> DISTANCE_SHIFT > load(frame, F_BOUND):
            continue
        if is_allowed(frame, key_of(frame, base, code_id)) and is_alive(frame, code_id):
            keep(frame, entry >> DISTANCE_SHIFT, entry & PLACE_MASK)
    store(frame, F_TESTED, load(frame, F_TESTED) + n)
    store(frame, F_N_WAITING, 0)


@jit
def scan(frame, codes, n, stride, query, first_id):
    """Keep what lies within the bound of `n` codes whose ids follow `first_id`: of the base, or of the delta."""
    is_masked = load(frame, F_MASK_KIND) != NO_MASK
    for start in range(0, n, BLOCK):
        near = near_32(codes + 8 * start, stride, query, load(frame, F_BOUND))
        if near == 0:
            continue
        if n - start < BLOCK:
            near &= (_ONE << np.uint64(n - start)) - _ONE
        while near != 0:
            index = start + popcount((near & (~near + _ONE)) - _ONE)
            near &= near - _ONE
            distance = ones(difference(codes + 8 * index, stride, query))
            if distance > load(frame, F_BOUND):
                continue
            if is_masked:
                wait(frame, distance, first_id + index)
            elif is_alive(frame, first_id + index):
                keep(frame, distance, first_id + index)
    if is_masked:
        keep_allowed(frame)


@inlined
def mix(address, step, n_bits):
    """Mix the words that stand for seven bits, `step` words apart, in place; fewer than seven stay as they are."""
    if n_bits < MIXED_BITS:
        return
    bits = (load(address, 0), load(address, step), load(address, 2 * step), load(address, 3 * step))
    rest = (load(address, 4 * step), load(address, 5 * step), load(address, 6 * step))
    for i in range(MIXED_BITS):
        word = np.int64(0)
        for bit in range(MIXED_BITS):
            if (MIXED[i] >> bit) & 1:
                word ^= bits[bit] if bit < 4 else rest[bit - 4]
        store(address, i * step, word)


@jit
def scan_sliced(frame, slices, scratch, n, query):
    """As `scan`, of the `n` codes of the base by the address of their slices; `near_sliced` works in `scratch`."""
    n_bits, is_masked = WORD_BITS * len(query), load(frame, F_MASK_KIND) != NO_MASK
    n_weights, wanted, excess = 0, -1, 0
    while (1 << n_weights) <= n_bits:
        n_weights += 1
    limits, out = scratch + 8 * SLICE * n_bits, scratch + 8 * SLICE * (n_bits + n_weights)
    for bit in range(n_bits):
        store(out, bit % MIXED_BITS, -np.int64((query[bit >> 6] >> np.uint64(63 - (bit & 63))) & _ONE))
        if bit % MIXED_BITS == MIXED_BITS - 1 or bit == n_bits - 1:
            mix(out, 1, bit % MIXED_BITS + 1)
            for i in range(bit % MIXED_BITS + 1):
                for word in range(SLICE):
                    store(scratch, SLICE * (bit - bit % MIXED_BITS + i) + word, load(out, i))
    for start in range(0, n, SLICED_CODES):
        if load(frame, F_BOUND) != wanted:
            wanted = load(frame, F_BOUND)
            excess = (1 << n_weights) - 1 - wanted
            for weight in range(n_weights):
                for word in range(SLICE):
                    store(limits, SLICE * weight + word, -((excess >> weight) & 1))
        if not near_sliced(slices + 8 * (start >> 6) * n_bits, scratch, limits, out, query):
            continue
        for word in range(SLICE):
            first, near = start + WORD_BITS * word, load_word(out, word)
            if n - first < WORD_BITS:
                near &= (_ONE << np.uint64(max(0, n - first))) - _ONE
            while near != 0:
                place = popcount((near & (~near + _ONE)) - _ONE)
                near &= near - _ONE
                total = 0
                for weight in range(n_weights):
                    total += ((load(out, SLICE * (weight + 1) + word) >> place) & 1) << weight
                distance = total - excess
                if distance > load(frame, F_BOUND):
                    continue
                if is_masked:
                    wait(frame, distance, first + place)
                elif is_alive(frame, first + place):
                    keep(frame, distance, first + place)
    if is_masked:
        keep_allowed(frame)


@jit
def place_of(keys, n, ratio, key, place, before):
    """The place of the first of `n` ascending keys, from `place` on, that is not less than `key`; n if all are less.

    It begins where the key lies if keys are evenly spread, `ratio` of them to a number, and doubles its steps. `before`
    is a key near the one at `place`, known without reading it, so that reads need not wait for one another.
    """
    ahead = max(0.0, (np.float64(key) - before) * ratio)
    low, high, step = place, min(n - 1, place + np.int64(ahead)) if ahead < n else n - 1, 1
    if load(keys, high) < key:
        low = high + 1
        high = low
        while high < n and load(keys, high) < key:
            low = high + 1
            high = min(n, high + step)
            step *= 2
    elif load(keys, high) > key:
        while high > low and load(keys, max(low, high - step)) >= key:
            high = max(low, high - step)
            step *= 2
        low = max(low, high - step)
    else:
        low = high
    while low < high:
        middle = (low + high) >> 1
        if load(keys, middle) < key:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def gather_chunk(frame, query, n):
    """Keep what lies within the bound of the codes under the `n` keys of the chunk, which follow those gathered before.

    Codes are fetched while the next keys are looked for.
    """
    base, listed, ids = load(frame, F_BASE), frame + 8 * F_CHUNK, frame + 8 * (F_CHUNK + CHUNK)
    n_codes, keys = load(base, N_CODES), base + 8 * load(base, KEYS_AT)
    codes, stride = base + 8 * load(base, CODES_AT), load(base, STRIDE)
    span = np.float64(load(keys, n_codes - 1)) - np.float64(load(keys, 0))
    ratio, place, found = (n_codes - 1) / max(1.0, span), load(frame, F_PLACE), 0
    before = np.float64(load(keys, place))
    for i in range(n):
        key = load(listed, i)
        place, before = place_of(keys, n_codes, ratio, key, place, before), np.float64(key)
        if place == n_codes:
            break
        if load(keys, place) == key:
            store(ids, found, place)
            found += 1
            for plane in range(len(query)):
                prefetch(codes + 8 * (plane * stride + place))
    for i in range(found):
        code_id = load(ids, i)
        distance = ones(difference(codes + 8 * code_id, stride, query))
        if distance <= load(frame, F_BOUND) and is_alive(frame, code_id):
            keep(frame, distance, code_id)
    store(frame, F_CANDIDATES, load(frame, F_CANDIDATES) + found)
    store(frame, F_PLACE, place)
    return place < n_codes


@jit
def gather(frame, query):
    """Keep what lies within the bound of the allowed codes of the base, found by their keys one after another."""
    base, mask, chunk = load(frame, F_BASE), load(frame, F_MASK), frame + 8 * F_CHUNK
    keys = base + 8 * load(base, KEYS_AT)
    store(frame, F_PLACE, 0)
    if load(base, N_CODES) == 0:
        return
    if load(frame, F_MASK_KIND) == MASK_OF_KEYS:
        i, n_keys = 0, load(frame, F_N_ALLOWED)
        more, bits, at, n_bits, first = True, np.uint64(0), 0, 0, 0
    else:
        i, n_keys, first, n_bits = 0, 0, load(frame, F_FIRST_KEY), load(frame, F_MASK_BITS)
        more, bits = True, np.uint64(0)
        at = (max(0, load(keys, 0) - first) if load(keys, 0) > first else 0) & ~63
    while more:
        n = 0
        while n < CHUNK and i < n_keys:
            store(chunk, n, load(mask, i))
            i += 1
            n += 1
        while n < CHUNK and (bits != 0 or at < n_bits):
            if bits == 0:
                bits = mask_word(mask, n_bits, at)
                at += 64
            else:
                store(chunk, n, first + at - 64 + popcount((bits & (~bits + _ONE)) - _ONE))
                bits &= bits - _ONE
                n += 1
        more = n > 0 and gather_chunk(frame, query, n)


@inlined
def mask_word(mask, n_bits, at):
    """64 bits of a bitmap from bit `at`, a multiple of 64; those behind its end are zero."""
    if n_bits - at >= 64:
        return load_unaligned(mask + (at >> 3))
    bits = np.uint64(0)
    for byte in range((n_bits - at) >> 3):
        bits |= load_byte(mask + (at >> 3) + byte) << np.uint64(8 * byte)
    return bits


@inlined
def is_new(base, table, flips, xor):
    """Whether no earlier step met the code: a lower table at as many flips, or a higher one at fewer."""
    for other in range(load(base, N_TABLES)):
        row = TABLES_AT + TABLE_WORDS * other
        met = flips if other < table else flips - 1
        if other != table:
            address = substring(xor, load(base, row + TABLE_START), load(base, row + TABLE_WIDTH))
            if popcount(np.uint64(address)) <= met:
                return False
    return True


@jit
def probe_step(base, frame, table, flips, query):
    """Look into the buckets of one table whose address differs from the query's in exactly `flips` bits."""
    row = TABLES_AT + TABLE_WORDS * table
    width, stride = load(base, row + TABLE_WIDTH), load(base, STRIDE)
    offsets = base + 8 * load(base, row + TABLE_OFFSETS)
    ids = base + 8 * load(base, row + TABLE_IDS)
    codes = base + 8 * load(base, row + TABLE_CODES)
    address = substring(query, load(base, row + TABLE_START), width)
    mask = (1 << flips) - 1
    begins, ends = frame + 8 * F_CHUNK, frame + 8 * (F_CHUNK + CHUNK)
    lead = min(CHUNK, max(MIN_LEAD, (LEAD << width) // (load(base, N_CODES) + 1)))
    while mask < (1 << width):
        n_buckets = 0
        while mask < (1 << width) and n_buckets < CHUNK:
            store(begins, n_buckets, address ^ mask)
            prefetch(offsets + 4 * (address ^ mask))
            n_buckets += 1
            if mask == 0:
                mask = 1 << width
                break
            low = mask & -mask  # the next larger integer with as many ones (Gosper)
            ripple = mask + low
            mask = ripple | ((mask ^ ripple) >> (2 + popcount(np.uint64(low - 1))))
        for i in range(n_buckets):
            bucket = load(begins, i)
            store(begins, i, load_half(offsets, bucket))
            store(ends, i, load_half(offsets, bucket + 1))
            if flips > 0 and i < lead:
                fetch_codes(codes, load(begins, i), load(ends, i))
        for i in range(lead, n_buckets):
            fetch_codes(codes, load(begins, i), load(ends, i))
            j = i - lead
            scan_bucket(base, frame, ids, codes, stride, load(begins, j), load(ends, j), table, flips, query)
        for j in range(max(0, n_buckets - lead), n_buckets):
            scan_bucket(base, frame, ids, codes, stride, load(begins, j), load(ends, j), table, flips, query)
        store(frame, F_PROBES, load(frame, F_PROBES) + n_buckets)
    if load(frame, F_MASK_KIND) != NO_MASK:
        keep_allowed(frame)


@inlined
def scan_bucket(base, frame, ids, codes, stride, begin, end, table, flips, query):
    """Keep what lies within the bound of one bucket's codes, unless an earlier step met it."""
    for at in range(begin, end, LANES):
        near = near_8(codes + 8 * at, stride, query, load(frame, F_BOUND))
        if end - at < LANES:
            near &= (_ONE << np.uint64(end - at)) - _ONE
        while near != 0:
            index = at + popcount((near & (~near + _ONE)) - _ONE)
            near &= near - _ONE
            prefetch(ids + 4 * index)
            xor = difference(codes + 8 * index, stride, query)
            distance = ones(xor)
            if distance > load(frame, F_BOUND) or not is_new(base, table, flips, xor):
                continue
            place = ((table + 1) << TABLE_SHIFT) | index
            if load(frame, F_MASK_KIND) != NO_MASK:
                wait(frame, distance, place)
            elif not load(frame, F_SIFTED) or is_alive(frame, load_half(ids, index)):
                keep(frame, distance, place)
    store(frame, F_CANDIDATES, load(frame, F_CANDIDATES) + end - begin)


@inlined
def fetch_offsets(base, table, query):
    """Bring near the offsets of the buckets one flip away."""
    row = TABLES_AT + TABLE_WORDS * table
    width = load(base, row + TABLE_WIDTH)
    offsets = base + 8 * load(base, row + TABLE_OFFSETS)
    bucket = substring(query, load(base, row + TABLE_START), width)
    for bit in range(4, width):
        prefetch(offsets + 4 * (bucket ^ (1 << bit)))


@inlined
def fetch_codes(codes, begin, end):
    """Bring near the first codes of a bucket."""
    for place in range(begin, min(end, begin + FETCHED), 8):
        prefetch(codes + 8 * place)


@inlined
def fetch_first(base, query):
    """Bring near what the first step of every table will look at."""
    for last in range(2):
        for table in range(load(base, N_TABLES)):
            row = TABLES_AT + TABLE_WORDS * table
            bucket = substring(query, load(base, row + TABLE_START), load(base, row + TABLE_WIDTH))
            offsets = base + 8 * load(base, row + TABLE_OFFSETS)
            if last:
                begin, end = load_half(offsets, bucket), load_half(offsets, bucket + 1)
                fetch_codes(base + 8 * load(base, row + TABLE_CODES), begin, end)
            else:
                prefetch(offsets + 4 * bucket)


@inlined
def looking(frame, n_probes, n_candidates):
    """What it costs to look into so many buckets with so many codes; those behind the first of a bucket come fast."""
    first = min(n_candidates, n_probes * FIRST)
    slow, fast = first * load_float(frame, F_CANDIDATE_NS), (n_candidates - first) * load_float(frame, F_FOLLOWING_NS)
    return n_probes * load_float(frame, F_PROBE_NS) + slow + fast


@jit
def worth_probing(base, frame, step, load_seen):
    """Whether finishing by probes looks cheaper than a scan, or than gathering what is allowed."""
    costs = load(frame, F_COSTS)
    tested, tests = load(frame, F_TESTED) * load_float(costs, PROBE_TEST), load(frame, F_TESTS_NS)
    scan_cost = load(frame, F_SCAN_NS) - max(0.0, tests - tested)
    if step >= load(base, N_STEPS) or scan_cost <= 0.0:
        return False
    repeated = 1 + max(0, load(base, N_TABLES) - FEW_TABLES) / TABLES_A_KEEP
    spent = looking(frame, load(frame, F_PROBES), np.float64(load(frame, F_CANDIDATES)))
    spent += load(frame, F_COUNT) * load_float(costs, KEEP) * repeated + tested
    if spent < TRIAL * scan_cost + TRIAL_NS + min(tests / 2, MASKED_TRIAL * scan_cost):
        return True
    coverage = load(base, COVERAGE_AT) + step * (load(base, N_BITS) + 1)
    total, expected, bound, k = 0.0, 0, load(frame, F_BOUND), load(frame, F_K)
    while expected < bound:
        if load(frame, F_HISTOGRAM + expected):
            total += load(frame, F_HISTOGRAM + expected) / load_float(base, coverage + expected)
        if total >= k:
            break
        expected += 1
    if expected >= load(base, N_STEPS):
        return False
    probes, candidates = load(base, PROBES_AT), load(base, CANDIDATES_AT)
    n_probes = load_float(base, probes + expected + 1) - load_float(base, probes + step)
    n_candidates = load_float(base, candidates + expected + 1) - load_float(base, candidates + step)
    return MARGIN * looking(frame, n_probes, max(n_candidates, n_probes * load_seen)) < scan_cost


@jit
def probe(frame, query, mode):
    """Multi-index hashing; the radius that it proved, or -1 if a scan became the better plan."""
    base = load(frame, F_BASE)
    n_tables = load(base, N_TABLES)
    load_seen = 0.0
    fetch_first(base, query)
    for flips in range(load(base, TABLES_AT + TABLE_WIDTH) + 1):
        for table in range(n_tables):
            step = flips * n_tables + table
            if mode != PROBE and not worth_probing(base, frame, step, load_seen):
                return -1
            probes, candidates = load(frame, F_PROBES), load(frame, F_CANDIDATES)
            if flips * n_tables + table + 1 < 2 * n_tables:
                fetch_offsets(base, (table + 1) % n_tables, query)
            probe_step(base, frame, table, flips, query)
            load_seen = (load(frame, F_CANDIDATES) - candidates) / max(1, load(frame, F_PROBES) - probes)
            if load(frame, F_BOUND) <= step:
                return step
    return load(base, N_BITS)


@inlined
def reset(frame, n_bits):
    """Forget what was met, but not the bound: as many lie within it as before."""
    for field in (F_COUNT, F_WITHIN, F_LOST):
        store(frame, field, 0)
    store(frame, F_TIED_AT, -1)
    for distance in range(n_bits + 1):
        store(frame, F_HISTOGRAM + distance, 0)


@jit
def finish(frame, out, room):
    """Write the k first by (distance, key), and the counts, into a row of the answer."""
    size, entries = load(frame, F_CAPACITY), load(frame, F_ENTRIES)
    distances, keys = entries + 8 * size, entries + 16 * size
    found = min(resolve(frame, distances, keys, entries + 24 * size), load(frame, F_K))
    for i in range(min(found, room)):
        store(out, ANSWER_WORDS + i, load(keys, i))
        store(out, ANSWER_WORDS + room + i, load(distances, i))
    store(out, FOUND, found + load(frame, F_LOST))
    store(out, PROBES, load(frame, F_PROBES))
    store(out, CANDIDATES, load(frame, F_CANDIDATES))


@inlined
def start(frame, record, n_recent, k, size, n_bits, mask, costs):
    """Fill in what does not change from query to query."""
    base, delta = load(record, R_WORDS), load(record, R_DELTA)
    n_planes = (n_bits + 63) >> 6
    store(frame, F_BASE, base)
    store(frame, F_ENTRIES, frame + 8 * (F_HISTOGRAM + n_bits + 1))
    store(frame, F_DELTA_KEYS, delta + 8 * n_planes * load(record, R_DELTA_STRIDE))
    for to, place in ((F_DEAD, R_DEAD), (F_RECENT, R_RECENT)):
        store(frame, to, load(record, place))
    for to, place in (
        (F_MASK_KIND, M_KIND),
        (F_MASK, M_ADDRESS),
        (F_MASK_BITS, M_N_BITS),
        (F_FIRST_KEY, M_FIRST_KEY),
        (F_N_ALLOWED, M_N_ALLOWED),
    ):
        store(frame, to, load(mask, place))
    store(frame, F_N_RECENT, n_recent)
    store(frame, F_SIFTED, load(record, R_DEAD) | n_recent)
    store(frame, F_K, k)
    store(frame, F_CAPACITY, size)
    store(frame, F_COSTS, costs)
    plan(frame, k)


@inlined
def plan(frame, k):
    """What it costs, in ns, to look at all codes or, where that is cheaper, at the allowed ones; and to test the mask.

    While a scan has met i codes, k of them lie within its bound on average, so about k (1 + ln(n / k)) pass in all. A
    mask that leaves a share p of the codes lets as many pass among the allowed, and 1 / p as many are tested. By
    probes, which meet near codes first, some 2 k / p are tested, at places far apart in memory.
    """
    base, costs = load(frame, F_BASE), load(frame, F_COSTS)
    n, n_allowed = np.float64(load(base, N_CODES)), np.float64(load(frame, F_N_ALLOWED))
    n_words = n * load(base, N_PLANES)
    is_masked = load(frame, F_MASK_KIND) != NO_MASK
    shown = min(n, n_allowed) if is_masked else n
    kept = k * (1 + np.log(max(1.0, shown / k))) if k < UNLIMITED else 0.0
    keeping = load_float(costs, KEEP) * kept
    cost = n_words * between(costs, SCAN_WORD, SCAN_WORD_MEMORY, 8 * n_words / CACHED_BYTES - 1) + keeping
    in_memory = 1 - CACHED_BYTES / max(1.0, load(base, N_TABLES) * (8 * n_words + 4 * n))
    store_float(frame, F_PROBE_NS, between(costs, PROBE_BUCKET, PROBE_BUCKET_MEMORY, in_memory))
    candidate_ns = between(costs, CANDIDATE_WORD, CANDIDATE_WORD_MEMORY, in_memory)
    store_float(frame, F_CANDIDATE_NS, candidate_ns * load(base, N_PLANES))
    store_float(frame, F_FOLLOWING_NS, load_float(costs, SCAN_WORD_MEMORY) * load(base, N_PLANES))
    store(frame, F_GATHERS, 0)
    store(frame, F_TESTS_NS, 0)
    if is_masked:
        cost += load_float(costs, SCAN_TEST) * min(n, kept * n / max(1.0, shown))
        if k < UNLIMITED:
            tests = load_float(costs, PROBE_TEST) * min(n, 2 * k * n / max(1.0, shown))
            store(frame, F_TESTS_NS, np.int64(tests))
        gather_ns = between(costs, GATHER_KEY, GATHER_KEY_MEMORY, 8 * (n + n_words) / CACHED_BYTES)
        gathering = n_allowed * gather_ns + keeping
        if gathering < cost:
            cost = gathering
            store(frame, F_GATHERS, 1)
    store(frame, F_SCAN_NS, np.int64(cost))


@inlined
def between(costs, cached, memory, share):
    """A cost where a share of what is read lies in memory; below 0 stands for none, above 1 for all."""
    in_cache = load_float(costs, cached)
    return in_cache + min(1.0, max(0.0, share)) * (load_float(costs, memory) - in_cache)


@inlined
def scan_base(frame, n, query, slices, scratch):
    """Keep what lies within the bound of the `n` codes of the base."""
    if slices is not None and len(slices) > 0:
        scan_sliced(frame, slices.ctypes.data, scratch, n, query)
        return
    base = load(frame, F_BASE)
    scan(frame, base + 8 * load(base, CODES_AT), n, load(base, STRIDE), query, 0)


@jit
def answer_one(frame, record, n_delta, query, limit, mode, out, room, slices, scratch):
    """Answer one query into a row at address `out`; `slices` is None where none are kept, empty where none are yet."""
    base = load(record, R_WORDS)
    n, n_bits = load(base, N_CODES), load(base, N_BITS)
    delta, delta_stride = load(record, R_DELTA), load(record, R_DELTA_STRIDE)
    gathers = mode == GATHER or (mode == AUTO and load(frame, F_GATHERS) != 0)
    path, radius = PATH_GATHER if gathers else PATH_SCAN, -1
    reset(frame, n_bits)
    store(frame, F_BOUND, limit)
    store(frame, F_PROBES, 0)
    store(frame, F_CANDIDATES, n_delta)
    store(frame, F_TESTED, 0)
    store(frame, F_N_WAITING, 0)
    scan(frame, delta, n_delta, delta_stride, query, n)
    if mode in (AUTO, PROBE) and load(base, N_TABLES):
        radius = probe(frame, query, mode)
        if radius >= 0:
            path = PATH_PROBE
        elif load(frame, F_PROBES) > 0:
            path = PATH_SWITCHED_TO_GATHER if gathers else PATH_SWITCHED
            reset(frame, n_bits)
            scan(frame, delta, n_delta, delta_stride, query, n)
    if radius < 0:
        radius = limit
        if gathers:
            gather(frame, query)
        else:
            scan_base(frame, n, query, slices, scratch)
            store(frame, F_CANDIDATES, load(frame, F_CANDIDATES) + n)
    finish(frame, out, room)
    store(out, PATH, path)
    store(out, RADIUS, radius)


@inlined
def scratch_words(n_planes):
    """Words that `near_sliced` needs: for each bit of the query, for each weight, and to write to."""
    n_weights = 7 + (n_planes > 1) + (n_planes > 3)
    return LANES + SLICE * (WORD_BITS * n_planes + 2 * n_weights + 1)


@jit
def answer_all(record, n_delta, n_recent, queries, k, limit, mode, out, width, mask, slices, costs):
    """Answer `(q, n_bytes)` queries; the type of the tuple `width` says at compile time how many words a code has."""
    n_bits = 8 * queries.shape[1]
    room = (out.shape[1] - ANSWER_WORDS) // 2
    size = max(4 * k, MIN_ENTRIES) if k < UNLIMITED else room
    n_fields = F_HISTOGRAM + n_bits + 1 + 4 * size
    frame = np.empty(n_fields + (0 if slices is None else scratch_words(len(width))), np.int64)
    start(frame.ctypes.data, record.ctypes.data, n_recent, k, size, n_bits, mask.ctypes.data, costs)
    for q in range(len(queries)):
        query = query_words(queries[q], width)
        row = out.ctypes.data + 8 * q * out.shape[1]
        scratch = (frame.ctypes.data + 8 * n_fields + CACHE_LINE - 1) & -CACHE_LINE
        answer_one(frame.ctypes.data, record.ctypes.data, n_delta, query, limit, mode, row, room, slices, scratch)


@cache
def _entry(n_planes: int, is_sliced: bool) -> Any:
    """`answer_all` for codes of so many words, past numba's dispatcher, which takes longer to look at the arguments."""
    number, words = types.int64, types.UniTuple(types.uint64, n_planes)
    record, queries, out = number[::1], types.uint8[:, ::1], number[:, ::1]
    slices = types.uint64[::1] if is_sliced else types.none
    arguments = record, number, number, queries, number, number, number, out, words, record, slices, number
    return answer_all.compile(arguments)


def answer(
    view: View, queries: Codes, k: int, limit: int, mode: int, out: NDArray[np.int64], allowed: KeyMask | None = None
) -> None:
    """As `kernels.reference.answer`, by the way that `mode` says or, with AUTO, the one that looks cheapest.

    Where scans read slices, the first scan of a base is followed by slicing it, unless its codes are more than a cache
    holds: then a scan waits for memory, however it compares.
    """
    arrays = view.arrays
    n_planes = len(arrays.delta) - 1
    mask = _ALL if allowed is None else _by_address(allowed)
    width, slices = _WIDTHS[n_planes], arrays.sliced if SLICES else None
    entry = _entry(n_planes, SLICES)
    entry(
        arrays.record, view.n_delta, view.n_recent, queries, k, limit, mode, out, width, mask, slices, _COSTS[n_planes]
    )
    if SLICES and not arrays.sliced.size and _was_scanned(out) and 8 * arrays.n_base * n_planes <= CACHED_BYTES:
        arrays.sliced = slices_of(arrays.words)


def _was_scanned(out: NDArray[np.int64]) -> bool:
    return len(out) > 0 and out.item(PATH) in (PATH_SCAN, PATH_SWITCHED)


@jit
def mark(frame, codes, keys, n, stride, query, radius, first_id, first_key, bits):
    """Set the bits of the keys of the live among `n` codes, whose ids follow `first_id`, that lie within a radius."""
    for start in range(0, n, BLOCK):
        near = near_32(codes + 8 * start, stride, query, radius)
        if n - start < BLOCK:
            near &= (_ONE << np.uint64(n - start)) - _ONE
        while near != 0:
            index = start + popcount((near & (~near + _ONE)) - _ONE)
            near &= near - _ONE
            if not load(frame, F_SIFTED) or is_alive(frame, first_id + index):
                bit = load(keys, index) - first_key
                bits[bit >> 3] |= np.uint8(1 << (bit & 7))


@jit
def mark_all(record, n_delta, n_recent, code, radius, width, first_key, bits):
    """Set the bits of the keys of all live codes within a radius of one."""
    fields = np.empty(F_HISTOGRAM, np.int64)
    frame, base, delta = fields.ctypes.data, load(record.ctypes.data, R_WORDS), load(record.ctypes.data, R_DELTA)
    for to, place in ((F_DEAD, R_DEAD), (F_RECENT, R_RECENT)):
        store(frame, to, load(record.ctypes.data, place))
    store(frame, F_N_RECENT, n_recent)
    store(frame, F_SIFTED, load(frame, F_DEAD) | n_recent)
    query, n, stride = query_words(code, width), load(base, N_CODES), load(record.ctypes.data, R_DELTA_STRIDE)
    keys, late_keys = base + 8 * load(base, KEYS_AT), delta + 8 * len(width) * stride
    codes = base + 8 * load(base, CODES_AT)
    mark(frame, codes, keys, n, load(base, STRIDE), query, radius, 0, first_key, bits)
    mark(frame, delta, late_keys, n_delta, stride, query, radius, n, first_key, bits)


def cost_folder() -> Path | None:
    """Where the costs of these loops are kept; None if nothing can be kept."""
    return _CACHE


def processor() -> str:
    """The machine's name for its processor, and what the loops were compiled for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "CPU part")))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    compiled_for = compiler.config.CPU_NAME or "itself"
    return f"{name}, loops for {compiled_for}" + ("" if compiler.config.CPU_FEATURES is None else compiler.features())


def mark_within(view: View, code: Codes, radius: int, first_key: int, bits: Bitmap) -> None:
    """As `kernels.reference.mark_within`."""
    arrays = view.arrays
    width = _WIDTHS[len(arrays.delta) - 1]
    mark_all(arrays.record, view.n_delta, view.n_recent, code, radius, width, first_key, bits)


def slices_of(words: Words) -> Words:
    """The codes of a base as `near_sliced` reads them, zero behind the last. Cost: 10 ms for a million."""
    n, n_planes = len(layout.keys_of(words)), len(layout.planes_of(words))
    n_words = -(-n // SLICED_CODES) * SLICED_CODES * n_planes
    room = np.zeros(n_words + LANES, np.uint64)
    skipped = -room.ctypes.data % CACHE_LINE // room.itemsize
    slices = room[skipped : skipped + n_words]  # a vector that crosses cache lines takes twice as long to load
    fill_slices(words, slices)
    return slices


def _by_address(mask: KeyMask) -> NDArray[np.int64]:
    """A key mask for the loops; it must outlive the call."""
    listed = mask.keys
    record = np.empty(MASK_WORDS, np.int64)
    if listed is None:
        record[:] = MASK_OF_BITS, mask.bits.ctypes.data, 8 * len(mask.bits), mask.first_key, len(mask)
    else:
        record[:] = MASK_OF_KEYS, listed.ctypes.data, 0, 0, len(listed)
    return record


@jit
def fill_slices(words, slices):
    """Write bit after bit of 64 codes at a time, by transposing squares of bits, then mix each seven of them.

    Source: Warren (2012), "Hacker's Delight", section 7-3.
    """
    header = words.view(np.int64)
    n, stride, n_planes = header[N_CODES], header[STRIDE], header[N_PLANES]
    square = np.empty(WORD_BITS, np.uint64)
    for group in range((n + WORD_BITS - 1) // WORD_BITS):
        for plane in range(n_planes):
            codes = words[header[CODES_AT] + plane * stride + WORD_BITS * group :]
            for i in range(WORD_BITS):
                square[WORD_BITS - 1 - i] = codes[i] if WORD_BITS * group + i < n else np.uint64(0)
            width, low = 32, np.uint64(0xFFFFFFFF)
            while width > 0:
                row = 0
                while row < WORD_BITS:
                    swapped = (square[row] ^ (square[row + width] >> np.uint64(width))) & low
                    square[row] ^= swapped
                    square[row + width] ^= swapped << np.uint64(width)
                    row = (row + width + 1) & ~width
                width >>= 1
                low ^= low << np.uint64(width)
            first = SLICED_CODES * n_planes * (group // SLICE) + group % SLICE
            for bit in range(WORD_BITS):
                slices[first + SLICE * (WORD_BITS * plane + bit)] = square[bit]
        for bit in range(0, WORD_BITS * n_planes, MIXED_BITS):
            first = SLICED_CODES * n_planes * (group // SLICE) + SLICE * bit + group % SLICE
            mix(slices.ctypes.data + 8 * first, SLICE, WORD_BITS * n_planes - bit)


@jit
def fill_tables(words):
    """Counting sort of the codes into each table's buckets; within a bucket ids ascend."""
    header = words.view(np.int64)
    n, stride, n_planes = header[N_CODES], header[STRIDE], header[N_PLANES]
    codes = words[header[CODES_AT] :]
    for table in range(header[N_TABLES]):
        row = TABLES_AT + TABLE_WORDS * table
        start, width = header[row + TABLE_START], header[row + TABLE_WIDTH]
        offsets = words[header[row + TABLE_OFFSETS] :].view(np.uint32)
        ids = words[header[row + TABLE_IDS] :].view(np.uint32)
        planes = words[header[row + TABLE_CODES] :]
        counts = np.zeros((1 << width) + 1, np.uint32)
        first, shift = start >> 6, start & 63
        for i in range(n):
            counts[address_at(codes, i, stride, first, shift, width) + 1] += np.uint32(1)
        for b in range(1 << width):
            counts[b + 1] += counts[b]
        for b in range((1 << width) + 1):
            offsets[b] = counts[b]
        for i in range(n):
            bucket = address_at(codes, i, stride, first, shift, width)
            place = np.int64(counts[bucket])
            counts[bucket] += np.uint32(1)
            ids[place] = np.uint32(i)
            for w in range(n_planes):
                planes[w * stride + place] = codes[w * stride + i]


@inlined
def address_at(codes, i, stride, first, shift, width):
    """The `width` bits of code `i` from bit `shift` of its word `first`."""
    bits = codes[first * stride + i] << np.uint64(shift)
    if shift + width > 64:
        bits |= codes[(first + 1) * stride + i] >> np.uint64(64 - shift)
    return np.int64(bits >> np.uint64(64 - width))
