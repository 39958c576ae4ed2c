"""The inner loops of the index, compiled by numba: fill the buckets, scan, probe.

Three things make them fast. Codes are compared eight at a time by an explicit `<8 x i64>` population count (LLVM does
not find it by itself; a plain loop is 7x slower) with the running k-th distance, which few codes pass. What a query
will read is fetched ahead, a step's offsets, then its buckets some way before they are scanned, so that their cache
misses overlap. And inside, arrays are plain addresses: numba counts references at each array that it hands on, nine
tenths of the time of a short query.

What one query knows so far lies in its frame: the fields named below, a histogram of the distances met, and the entries
kept, each a distance with a place in a bucket or an id. Its `bound` is such that the k nearest of what was met lie
within it.

`kernels.select` refuses this module if it answers otherwise than `kernels.reference`. What it takes from other files,
numba compiles in as constants: `COMPILED_IN` names them.
"""

# numba infers the types of what it compiles
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.cpython.unsafe.tuple import tuple_setitem as _tuple_setitem
from numba.extending import intrinsic as _intrinsic
from numpy.typing import NDArray

from service.hashing import codes as code_module
from service.hashing.codes import Codes
from service.index import compiler
from service.index.hamming import layout, view
from service.index.hamming.layout import (
    ANSWER_WORDS,
    CANDIDATE_NS,
    CANDIDATES,
    CODES_AT,
    COST_AT,
    COVERAGE_AT,
    FOUND,
    KEEP_NS,
    KEYS_AT,
    N_BITS,
    N_CODES,
    N_PLANES,
    N_STEPS,
    N_TABLES,
    PATH,
    PATH_PROBE,
    PATH_SCAN,
    PATH_SWITCHED,
    PROBE,
    PROBE_NS,
    PROBES,
    PROBES_AT,
    RADIUS,
    SCAN,
    SCAN_COST,
    STRIDE,
    TABLE_CODES,
    TABLE_IDS,
    TABLE_OFFSETS,
    TABLE_START,
    TABLE_WIDTH,
    TABLE_WORDS,
    TABLES_AT,
    UNLIMITED,
)
from service.index.hamming.view import R_ALLOWED, R_DEAD, R_DELTA, R_DELTA_STRIDE, R_RECENT, R_WORDS, View

# their stubs take the functions for what they compile to
intrinsic: Any = _intrinsic
tuple_setitem: Any = _tuple_setitem

COMPILED_IN = tuple(
    Path(str(module)) for module in (__file__, compiler.__file__, layout.__file__, view.__file__, code_module.__file__)
)
"""Every file of ours that the loops take something from, this one first."""

AHEAD = 1024  # how many codes a scan fetches before it gets there
TRIAL = 0.03  # the part of a scan's cost that probing may take before its prospects are looked at
LANES, BLOCK, FETCHED = 8, 32, 256

_WIDTHS = [(np.uint64(0),) * n_planes for n_planes in range(5)]

# fields of a frame
F_BASE, F_ENTRIES, F_DELTA_KEYS, F_DEAD, F_RECENT, F_N_RECENT, F_ALLOWED, F_SIFTED, F_K, F_CAPACITY = range(10)
F_BOUND, F_WITHIN, F_COUNT, F_LOST, F_TIED_AT, F_TIE_KEY, F_PROBES, F_CANDIDATES, F_SCAN_NS = range(10, 19)
F_CHUNK, CHUNK = 20, 64  # the buckets looked into next: addresses, then first and last entries
LEAD, MIN_LEAD = 1024, 4  # how far ahead codes are fetched, in codes and in buckets: more would push out what waits
F_HISTOGRAM = F_CHUNK + 2 * CHUNK
MIN_ENTRIES = 1024

# an entry: distance, table + 1 of the bucket (0: none), place in the bucket or, without one, id
TABLE_SHIFT, DISTANCE_SHIFT = 32, 48
PLACE_MASK = (1 << DISTANCE_SHIFT) - 1

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I64, LANES)


def _element(builder: Any, kind: Any, address: Any, index: Any) -> Any:
    pointer = builder.inttoptr(address, kind.as_pointer())
    return builder.gep(pointer, [index])


@intrinsic
def load(typingctx: Any, address: Any, index: Any) -> Any:
    """The int64 at `index` words from `address`."""
    return types.int64(types.int64, types.int64), lambda context, builder, signature, args: builder.load(
        _element(builder, _I64, *args)
    )


@intrinsic
def load_word(typingctx: Any, address: Any, index: Any) -> Any:
    """The uint64 at `index` words from `address`."""
    return types.uint64(types.int64, types.int64), lambda context, builder, signature, args: builder.load(
        _element(builder, _I64, *args)
    )


@intrinsic
def load_float(typingctx: Any, address: Any, index: Any) -> Any:
    """The float64 at `index` words from `address`."""
    return types.float64(types.int64, types.int64), lambda context, builder, signature, args: builder.load(
        _element(builder, ir.DoubleType(), *args)
    )


@intrinsic
def load_half(typingctx: Any, address: Any, index: Any) -> Any:
    """The uint32 at `index` half words from `address`, as int64."""
    return types.int64(types.int64, types.int64), lambda context, builder, signature, args: builder.zext(
        builder.load(_element(builder, _I32, *args)), _I64
    )


@intrinsic
def store(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an int64 at `index` words from `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _element(builder, _I64, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """Have the cache line at `address` brought near; nothing happens if there is none."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], _I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [pointer, *(ir.Constant(_I32, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def popcount(typingctx: Any, word: Any) -> Any:
    """Number of ones in a uint64."""
    return types.int64(types.uint64), lambda context, builder, signature, args: builder.ctpop(args[0])


def _splat(builder: Any, value: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _near_codegen(n_vectors: int) -> Any:
    """Code for the mask of the `8 * n_vectors` codes from an address that lie within `bound` bits of the query."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address, stride, query, bound = args
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        popcounts = cgutils.get_or_insert_function(builder.module, kind, "llvm.ctpop.v8i64")
        limit = _splat(builder, bound)
        words = [_splat(builder, builder.extract_value(query, plane)) for plane in range(signature.args[2].count)]
        mask = ir.Constant(_I64, 0)
        for vector in range(n_vectors):
            at: Any = ir.Constant(_I64, vector * LANES)
            distances = ir.Constant(_VECTOR, [0] * LANES)
            for word in words:
                pointer = builder.bitcast(_element(builder, _I64, address, at), _VECTOR.as_pointer())
                block = builder.load(pointer, align=8)
                distances = builder.add(distances, builder.call(popcounts, [builder.xor(block, word)]))
                at = builder.add(at, stride)
            near = builder.bitcast(builder.icmp_unsigned("<=", distances, limit), _I8)
            mask = builder.or_(mask, builder.shl(builder.zext(near, _I64), ir.Constant(_I64, vector * LANES)))
        return mask

    return codegen


@intrinsic
def near_8(typingctx: Any, address: Any, stride: Any, query: Any, bound: Any) -> Any:
    """Mask of the 8 codes from `address` that lie within `bound` bits of the query; planes are `stride` words apart."""
    return types.uint64(types.int64, types.int64, query, types.int64), _near_codegen(1)


@intrinsic
def near_32(typingctx: Any, address: Any, stride: Any, query: Any, bound: Any) -> Any:
    """Mask of the 32 codes from `address` that lie within `bound` bits of the query."""
    return types.uint64(types.int64, types.int64, query, types.int64), _near_codegen(BLOCK // LANES)


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
def visible(frame, code_id):
    """Whether an answer may hold the code: neither deleted nor filtered away."""
    dead, allowed = load(frame, F_DEAD), load(frame, F_ALLOWED)
    if dead != 0 and has_bit(dead, code_id):
        return False
    recent, gone = load(frame, F_RECENT), False
    for i in range(load(frame, F_N_RECENT)):
        gone |= load_half(recent, i) == code_id
    return not gone and (allowed == 0 or has_bit(allowed, code_id))


@inlined
def key_at(frame, base, place):
    """The key of an entry's place."""
    table, code_id = (place >> TABLE_SHIFT) - 1, place & ((1 << TABLE_SHIFT) - 1)
    if table >= 0:
        ids = base + 8 * load(base, TABLES_AT + TABLE_WORDS * table + TABLE_IDS)
        code_id = load_half(ids, code_id)
    n = load(base, N_CODES)
    return (
        load(base + 8 * load(base, KEYS_AT), code_id) if code_id < n else load(load(frame, F_DELTA_KEYS), code_id - n)
    )


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
def scan(frame, codes, n, stride, query, first_id):
    """Keep what lies within the bound of `n` codes whose ids follow `first_id`."""
    for start in range(0, n, BLOCK):
        for line in range(0, BLOCK, 8):
            prefetch(codes + 8 * (start + AHEAD + line))
        near = near_32(codes + 8 * start, stride, query, load(frame, F_BOUND))
        if near == 0:
            continue
        if n - start < BLOCK:
            near &= (_ONE << np.uint64(n - start)) - _ONE
        while near != 0:
            index = start + popcount((near & (~near + _ONE)) - _ONE)
            near &= near - _ONE
            distance = ones(difference(codes + 8 * index, stride, query))
            if distance <= load(frame, F_BOUND) and visible(frame, first_id + index):
                keep(frame, distance, first_id + index)


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
            if not load(frame, F_SIFTED) or visible(frame, load_half(ids, index)):
                keep(frame, distance, ((table + 1) << TABLE_SHIFT) | index)
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


@jit
def worth_probing(base, frame, step, load_seen):
    """Whether finishing by probes looks cheaper than a scan."""
    scan_cost = load(frame, F_SCAN_NS)
    if step >= load(base, N_STEPS):
        return False
    spent = load(frame, F_PROBES) * PROBE_NS + load(frame, F_CANDIDATES) * CANDIDATE_NS
    if spent + load(frame, F_COUNT) * KEEP_NS < TRIAL * scan_cost:
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
    cost, probes = load(base, COST_AT), load(base, PROBES_AT)
    n_probes = load_float(base, probes + expected + 1) - load_float(base, probes + step)
    ahead = load_float(base, cost + expected + 1) - load_float(base, cost + step)
    return max(ahead, n_probes * (PROBE_NS + CANDIDATE_NS * load_seen)) < scan_cost


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
def start(frame, record, n_recent, k, size, n_bits):
    """Fill in what does not change from query to query."""
    base, delta = load(record, R_WORDS), load(record, R_DELTA)
    n_planes = (n_bits + 63) >> 6
    store(frame, F_BASE, base)
    store(frame, F_ENTRIES, frame + 8 * (F_HISTOGRAM + n_bits + 1))
    store(frame, F_DELTA_KEYS, delta + 8 * n_planes * load(record, R_DELTA_STRIDE))
    for to, place in ((F_DEAD, R_DEAD), (F_RECENT, R_RECENT), (F_ALLOWED, R_ALLOWED)):
        store(frame, to, load(record, place))
    store(frame, F_N_RECENT, n_recent)
    store(frame, F_SIFTED, load(record, R_DEAD) | n_recent | load(record, R_ALLOWED))
    store(frame, F_K, k)
    store(frame, F_CAPACITY, size)
    kept = k * (1 + np.log(max(1.0, load(base, N_CODES) / k))) if k < UNLIMITED else 0.0
    store(frame, F_SCAN_NS, np.int64(load_float(base, SCAN_COST) + KEEP_NS * kept))


@jit
def answer_one(frame, record, n_delta, query, limit, mode, out, room):
    """Answer one query into a row at address `out`."""
    base = load(record, R_WORDS)
    n, n_bits = load(base, N_CODES), load(base, N_BITS)
    delta, delta_stride = load(record, R_DELTA), load(record, R_DELTA_STRIDE)
    reset(frame, n_bits)
    store(frame, F_BOUND, limit)
    store(frame, F_PROBES, 0)
    store(frame, F_CANDIDATES, n_delta)
    path, radius = PATH_SCAN, -1
    scan(frame, delta, n_delta, delta_stride, query, n)
    if mode != SCAN and load(base, N_TABLES):
        radius = probe(frame, query, mode)
        path = PATH_SWITCHED if radius < 0 else PATH_PROBE
        if radius < 0:
            reset(frame, n_bits)
            scan(frame, delta, n_delta, delta_stride, query, n)
    if radius < 0:
        scan(frame, base + 8 * load(base, CODES_AT), n, load(base, STRIDE), query, 0)
        store(frame, F_CANDIDATES, load(frame, F_CANDIDATES) + n)
        radius = limit
    finish(frame, out, room)
    store(out, PATH, path)
    store(out, RADIUS, radius)


@jit
def answer_all(record, n_delta, n_recent, queries, k, limit, mode, out, width):
    """Answer `(q, n_bytes)` queries; the type of the tuple `width` says at compile time how many words a code has."""
    n_bits = 8 * queries.shape[1]
    room = (out.shape[1] - ANSWER_WORDS) // 2
    size = max(4 * k, MIN_ENTRIES) if k < UNLIMITED else room
    frame = np.empty(F_HISTOGRAM + n_bits + 1 + 4 * size, np.int64)
    start(frame.ctypes.data, record.ctypes.data, n_recent, k, size, n_bits)
    for q in range(len(queries)):
        query = query_words(queries[q], width)
        row = out.ctypes.data + 8 * q * out.shape[1]
        answer_one(frame.ctypes.data, record.ctypes.data, n_delta, query, limit, mode, row, room)


@cache
def _entry(n_planes: int) -> Any:
    """`answer_all` for codes of so many words, past numba's dispatcher, which takes longer to look at the arguments."""
    number, words = types.int64, types.UniTuple(types.uint64, n_planes)
    record, queries, out = number[::1], types.uint8[:, ::1], number[:, ::1]
    return answer_all.compile((record, number, number, queries, number, number, number, out, words))


def answer(view: View, queries: Codes, k: int, limit: int, mode: int, out: NDArray[np.int64]) -> None:
    """As `kernels.reference.answer`, by buckets or by a scan, whichever looks cheaper unless `mode` says."""
    arrays = view.arrays
    n_planes = len(arrays.delta) - 1
    _entry(n_planes)(arrays.record, view.n_delta, view.n_recent, queries, k, limit, mode, out, _WIDTHS[n_planes])


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
