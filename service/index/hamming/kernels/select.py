"""Which loops run the index: the compiled ones, if they are there and answer as numpy does; else numpy."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from service.hashing.codes import Codes
from service.index.bits import Bitmap
from service.index.engines import Loops
from service.index.hamming import layout
from service.index.hamming.kernels import calibration, reference
from service.index.hamming.layout import ANSWER_WORDS, AUTO, GATHER, PROBE, SCAN, UNLIMITED, Words
from service.index.hamming.view import View, bitmap
from service.index.key_mask import KeyMask


class Engine(Protocol):
    """The loops, compiled or not; `service.index.hamming.kernels.reference` says what each does."""

    def fill_tables(self, words: Words) -> None:
        """Fill the buckets of a base."""

    def answer(
        self,
        view: View,
        queries: Codes,
        k: int,
        limit: int,
        mode: int,
        out: NDArray[np.int64],
        allowed: KeyMask | None = None,
    ) -> None:
        """Answer queries into the rows of `out`; both arrays must be C-contiguous."""

    def mark_within(self, view: View, code: Codes, radius: int, first_key: int, bits: Bitmap) -> None:
        """Set the bits of the keys of all live codes within a radius of one."""


@lru_cache
def loops_for(n_bits: int) -> Loops[Engine]:
    """The loops for codes of that width: numpy's until the compiled ones are there, if they answer as numpy does.

    Where they cannot be loaded, cannot be compiled or are wrong, numpy goes on to answer the same, many times slower;
    the log says why, and `service.index.engines.reasons` does.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    serves = partial(_serves, n_bits=n_bits)
    return Loops(f"codes of {n_bits} bits", cast(Engine, reference), _compiled, serves, ("codes", str(n_bits)))


def _compiled() -> Engine:
    from service.index.hamming.kernels import compiled

    return cast(Engine, compiled)


def _serves(engine: Engine, n_bits: int) -> bool:
    """Whether an engine answers as numpy does; if so, its ways are chosen by what they cost on this processor."""
    if not answers_alike(engine, n_bits):
        return False
    calibration.calibrate(engine, n_bits)
    return True


def answers_alike(engine: Engine, n_bits: int) -> bool:
    """Whether an engine does as numpy does: same buckets, same answers by all paths, with dead and filtered codes."""
    view = _sample(engine, n_bits)
    if not np.array_equal(view.words, _sample(reference, n_bits).words):
        return False
    queries = np.ascontiguousarray(layout.from_planes(view.delta[:-1, :4], n_bits // 8))
    for allowed in (None, *_masks(view)):
        for k, limit in ((7, n_bits), (UNLIMITED, n_bits // 4)):
            expected = _answers(reference, view, queries, k, limit, SCAN, allowed)
            for mode in (AUTO, SCAN, PROBE, *([] if allowed is None else [GATHER])):
                if not np.array_equal(_answers(engine, view, queries, k, limit, mode, allowed), expected):
                    return False
    return np.array_equal(_marked(engine, view, queries[0]), _marked(cast(Engine, reference), view, queries[0]))


def _masks(view: View) -> list[KeyMask]:
    """Half of the keys as a bitmap, a few that are listed, and none."""
    keys = np.concatenate([view.base_keys, view.delta_keys])
    return [KeyMask.of_keys(chosen) for chosen in (keys[::2], np.append(keys[::40], 1 << 60), keys[:0])]


def _sample(engine: Engine, n_bits: int) -> View:
    """A small table of random codes, half of them near one another, with a delta and deaths of both kinds."""
    n, n_delta = 200, 20
    rng = np.random.default_rng(n_bits)
    codes = rng.integers(0, 256, (n + n_delta, n_bits // 8), np.uint8)
    codes[::2] = codes[0] ^ np.packbits(rng.random((len(codes[::2]), n_bits)) < 0.1, axis=1)
    words = layout.allocate(n, n_bits, 1 if n_bits <= 32 else n_bits // 16)
    layout.keys_of(words)[:] = np.where(np.arange(n) < n // 2, np.arange(n), np.arange(n) * 3 - n)
    layout.to_planes(codes[:n], layout.planes_of(words))
    engine.fill_tables(words)
    view = View.of_base(words)
    layout.to_planes(codes[n:], view.delta[:-1, :n_delta])
    view.delta[-1, :n_delta] = np.arange(n_delta) * 5
    dead = bitmap(n + view.delta.shape[1], np.arange(4, 8))
    return View.of(words, view.delta, n_delta, n + n_delta - 4, dead).without(np.array([3, n + 1]))


def _marked(engine: Engine, view: View, code: Codes) -> Bitmap:
    """The keys of half of the codes, or so, as a bitmap."""
    first_key = int(min(view.base_keys.min(), view.delta_keys.min()))
    bits = np.zeros(1024, np.uint8)
    engine.mark_within(view, code, 4 * len(code), first_key, bits)
    return bits


def _answers(
    engine: Engine, view: View, queries: Codes, k: int, limit: int, mode: int, allowed: KeyMask | None
) -> NDArray[np.int64]:
    """Found, keys and distances of each query, nothing else: paths and counts may differ."""
    room = min(k, view.n_base + view.n_delta)
    out = np.zeros((len(queries), ANSWER_WORDS + 2 * room), np.int64)
    engine.answer(view, queries, k, limit, mode, out, allowed)
    out[:, 1:ANSWER_WORDS] = 0
    return out
