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
