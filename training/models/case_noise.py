"""Noise that is fixed for each training case: equal in every epoch, computed and not stored."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15


def case_noise(cases: Tensor, n_bits: int, key: int) -> Tensor:
    """Standard normal noise `(B, n_bits)` float32, a function of case, unit and key only.

    With fixed noise the loss of a training set is a deterministic function of the weights, and units saturate so that
    the noise does not change their bits.

    Args:
        cases: `(B,)` int64, numbers of the training cases.
        n_bits: number of units.
        key: number that differs between training runs.

    Source: Salakhutdinov, Hinton (2009), "Semantic hashing", section 4; Steele, Lea, Flood (2014), "Fast splittable
    pseudorandom number generators" (mixing); Box, Muller (1958).
    """
    counters = cases[:, None] * n_bits + torch.arange(n_bits, device=cases.device)  # (B, n_bits)
    drawn = _mixed(counters * _signed(_GOLDEN) + _signed(key))
    # 24 bits give the radius (never zero), 24 other bits the angle.
    radius = torch.sqrt(-2 * torch.log(((drawn & 0xFFFFFF) + 1).float() / (1 << 24)))
    return radius * torch.cos(((drawn >> 24) & 0xFFFFFF).float() * (2 * math.pi / (1 << 24)))


def _mixed(x: Tensor) -> Tensor:
    """The finalizer of SplitMix64 on int64, whose products wrap around."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ _shifted(x, shift)) * _signed(factor)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, n: int) -> Tensor:
    """Logical shift to the right."""
    return (x >> n) & ((1 << (64 - n)) - 1)


def _signed(x: int) -> int:
    x &= (1 << 64) - 1
    return x - (1 << 64) if x >> 63 else x
