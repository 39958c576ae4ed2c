"""Instructions that the compiled loops need and numba does not offer: memory by address, prefetch, vector popcounts."""

# numba infers the types of what it compiles
# mypy: allow-untyped-decorators, allow-untyped-calls

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

# its stub takes the functions for what they compile to
intrinsic: Any = _intrinsic

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
LANES, BLOCK = 8, 32
"""Words of a vector, and codes that a step of a scan compares."""
_VECTOR = ir.VectorType(_I64, LANES)
SLICE, WORD_BITS = 4, 64
"""Words that hold one bit of each code of a slice, and bits of a word."""
SLICED_CODES = SLICE * WORD_BITS
"""Codes of a slice."""
MIXED = (0b11, 0b101, 0b11000, 0b101000, 0b111111, 0b1000111, 0b1111111)
"""Which of each seven bits of a code, the first the lowest, are added up without carry in place of each (`mixed`)."""
MIXED_BITS = len(MIXED)


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
def load_unaligned(typingctx: Any, address: Any) -> Any:
    """The uint64 at an address that need not be a multiple of eight."""
    return types.uint64(types.int64), lambda context, builder, signature, args: builder.load(
        builder.inttoptr(args[0], _I64.as_pointer()), align=1
    )


@intrinsic
def load_byte(typingctx: Any, address: Any) -> Any:
    """The byte at an address, as uint64."""
    return types.uint64(types.int64), lambda context, builder, signature, args: builder.zext(
        builder.load(builder.inttoptr(args[0], _I8.as_pointer())), _I64
    )


@intrinsic
def store(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write an int64 at `index` words from `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _element(builder, _I64, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def store_float(typingctx: Any, address: Any, index: Any, value: Any) -> Any:
    """Write a float64 at `index` words from `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _element(builder, ir.DoubleType(), args[0], args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), codegen


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


def _add(builder: Any, a: Any, b: Any, late: Any) -> tuple[Any, Any]:
    """Sum and carry of three bits in each place; the way from `late`, which is ready last, is the shortest."""
    differ = builder.xor(a, b)
    return builder.xor(differ, late), builder.or_(builder.and_(a, b), builder.and_(differ, late))


def _count_seven(builder: Any, mixed: list[Any]) -> tuple[Any, Any, Any]:
    """The number of seven bits, weight by weight, from what `MIXED` makes of them: 11 operations, 20 from the bits.

    Three adders of three bits and one for their carries. An adder needs of its bits a, b, c but the sum s = a ^ b ^ c,
    p = a ^ b and v = a ^ c: the carry is s ^ (p | v). All three are ready for the first adders, and for the third,
    which adds up their sums. Of the carries, too, only differences are needed, in which most terms cancel out.
    """
    p, v, q, w, sums_differ, last_differs, ones = mixed
    either, other = builder.or_(p, v), builder.or_(q, w)
    both, any_differs = builder.and_(sums_differ, last_differs), builder.or_(sums_differ, last_differs)
    carries_differ = builder.xor(builder.xor(either, other), sums_differ)
    last_carry_differs = builder.xor(either, both)
    twos = builder.xor(carries_differ, builder.xor(ones, any_differs))
    fours = builder.xor(twos, builder.or_(carries_differ, last_carry_differs))
    return ones, twos, fours


def _sliced_codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Carry-save adders: numbers of one bit in 256 places are added three by three, to numbers of the next weight."""
    slices, query, excess, out = args[:4]
    kind = ir.VectorType(_I64, SLICE)
    n_bits = WORD_BITS * signature.args[4].count
    n_weights = n_bits.bit_length()

    def vector(address: Any, place: int) -> Any:
        return builder.bitcast(_element(builder, _I64, address, ir.Constant(_I64, place * SLICE)), kind.as_pointer())

    def read(address: Any, place: int) -> Any:
        return builder.load(vector(address, place), align=8)

    waiting = [[read(excess, weight)] for weight in range(n_weights)] + [[]]

    def put(weight: int, bits: Any) -> None:
        waiting[weight].append(bits)
        if weight < n_weights and len(waiting[weight]) == 3:
            late, a, b = waiting[weight]
            total, carry = _add(builder, a, b, late)
            waiting[weight] = [total]
            put(weight + 1, carry)

    whole = n_bits // MIXED_BITS * MIXED_BITS
    differing = (builder.xor(read(slices, place), read(query, place)) for place in range(n_bits))
    for _ in range(whole // MIXED_BITS):
        for weight, bits in enumerate(_count_seven(builder, [next(differing) for _ in range(MIXED_BITS)])):
            put(weight, bits)
    for bits in differing:
        put(0, bits)
    for weight in range(n_weights):
        if len(waiting[weight]) == 2:
            a, b = waiting[weight]
            waiting[weight] = [builder.xor(a, b)]
            put(weight + 1, builder.and_(a, b))
    far = waiting[n_weights][0]
    for more in waiting[n_weights][1:]:
        far = builder.or_(far, more)
    near = builder.not_(far)
    for place, bits in enumerate([near, *(left[0] for left in waiting[:n_weights])]):
        builder.store(bits, vector(out, place), align=8)
    all_near = builder.bitcast(near, ir.IntType(64 * SLICE))
    return builder.icmp_unsigned("!=", all_near, ir.Constant(ir.IntType(64 * SLICE), 0))


@intrinsic
def near_sliced(typingctx: Any, slices: Any, query: Any, excess: Any, out: Any, words: Any) -> Any:
    """Whether any of the 256 codes of a slice lies near the query.

    Args:
        slices: address of the codes, bit after bit: four words that hold that bit of each code; each seven bits mixed
            as `MIXED` says.
        query: address of four words for each bit of the query, mixed alike, all zeros or all ones.
        excess: address of four words for each weight, 1 first, all zeros or all ones: the number that, added to a
            distance, makes it overflow where it is too large.
        out: address to write to: four words of which codes are near, then for each weight that bit of the sums.
        words: a tuple of as many words as a code has.
    """
    return types.boolean(types.int64, types.int64, types.int64, types.int64, words), _sliced_codegen


@intrinsic
def near_8(typingctx: Any, address: Any, stride: Any, query: Any, bound: Any) -> Any:
    """Mask of the 8 codes from `address` that lie within `bound` bits of the query; planes are `stride` words apart."""
    return types.uint64(types.int64, types.int64, query, types.int64), _near_codegen(1)


@intrinsic
def near_32(typingctx: Any, address: Any, stride: Any, query: Any, bound: Any) -> Any:
    """Mask of the 32 codes from `address` that lie within `bound` bits of the query."""
    return types.uint64(types.int64, types.int64, query, types.int64), _near_codegen(BLOCK // LANES)
