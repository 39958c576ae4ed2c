"""Losses, which a model returns for a batch, and the loss functions that several variants use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SIMILARITY_TEMPERATURE = 0.1
"""Divides similarities in `unlikeness`."""
UNIT_TEMPERATURE = 0.2
"""Divides the agreement of code units in `unlikeness`."""
NEAREST_SIMILARITY_TEMPERATURE, NEAREST_UNIT_TEMPERATURE = 0.05, 0.15
"""The same where only the very nearest are to count."""
VECTOR_TEMPERATURES = 0.05, 0.05
"""The same for vectors of another model: equal, so that codes agree as far as the vectors do, not further."""


SUPERVISION = 1.0
"""Weight of the likeness of documents that people said something of, at least: never less than other likeness."""
NAMED = 2.0
"""What stands for a pair that a person named as alike; 1 stands for two documents that share a label."""
ALIKE = 2.0
"""Similarity of a pair that people said is alike: that of a document with itself, the sum of two cosines."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The named parts of a loss, weighted scalars; training minimizes their sum."""

    parts: Mapping[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        return torch.stack(list(self.parts.values())).sum()


def negative_log_likelihood(outputs: Tensor, target: Tensor, output: str) -> Tensor:
    """Negative log-likelihood in nats of targets given outputs, mean over the batch: `()`.

    - counts: cross-entropy with one softmax over all words, per word;
    - bits: cross-entropy with one sigmoid for each feature, summed over features;
    - reals: half the squared error (Gaussians of variance 1, without their constant), summed over features.

    Args:
        outputs: `(B, F)` outputs of the decoder, before softmax or sigmoid.
        target: `(B, F)` targets.
        output: counts, bits or reals.

    Source: Salakhutdinov, Hinton (2009), equation 2; Chaidaroon, Fang (2017), "Variational deep semantic hashing"
    (counts); Goodfellow, Bengio, Courville (2016), "Deep learning", section 6.2.2.
    """
    if output == "counts":
        return F.cross_entropy(outputs, target)
    if output == "bits":
        return F.binary_cross_entropy_with_logits(outputs, target, reduction="sum") / len(target)
    return 0.5 * (outputs - target).square().sum() / len(target)


def output_bias(mean_target: Tensor, output: str) -> Tensor:
    """Outputs `(F,)`, before softmax or sigmoid, whose means are the mean target `(F,)`."""
    if output == "counts":
        return torch.log(mean_target + 1e-6)
    return torch.logit(mean_target, eps=1e-3) if output == "bits" else mean_target


def output_means(outputs: Tensor, output: str, totals: Tensor | float = 1.0) -> Tensor:
    """Means of the features, `(B, F)`, given outputs `(B, F)` before softmax or sigmoid.

    Args:
        outputs: outputs of the decoder.
        output: counts, bits or reals.
        totals: `(B, 1)` sums of the counts of the documents; not used for bits and reals.
    """
    if output == "counts":
        return totals * torch.softmax(outputs, dim=1)
    return torch.sigmoid(outputs) if output == "bits" else outputs


def unlikeness(
    units: Tensor,
    similarities: Tensor,
    similarity_temperature: float = SIMILARITY_TEMPERATURE,
    unit_temperature: float = UNIT_TEMPERATURE,
    rows: Tensor | None = None,
) -> Tensor:
    """Cross-entropy in nats between neighbors by similarity and neighbors by code, mean over the batch: `()`.

    For each document, a softmax of similarities gives every other document of the batch a probability; a softmax of the
    agreement of code units should give it the same one.

    Args:
        units: `(B, n_bits)` code units from 0 to 1.
        similarities: `(B, B)` similarities of the documents.
        similarity_temperature: divides similarities; the lower, the more the nearest count.
        unit_temperature: divides the agreement of units.
        rows: `(B,)` bool, the documents whose neighbors count; the others add 0 to the mean. None: all.

    Source: Hinton, Roweis (2002), "Stochastic neighbor embedding", equations 1 to 4.
    """
    signed = 2 * units.float() - 1  # (B, n_bits)
    by_code = signed @ signed.T / (unit_temperature * units.shape[1])  # (B, B)
    by_similarity = similarities / similarity_temperature  # (B, B)
    own = torch.eye(len(units), dtype=torch.bool, device=units.device)
    far = torch.finfo(by_code.dtype).min
    wanted = torch.softmax(by_similarity.masked_fill(own, far), dim=1)  # (B, B)
    if rows is None:
        return F.cross_entropy(by_code.masked_fill(own, far), wanted)
    each = F.cross_entropy(by_code.masked_fill(own, far), wanted, reduction="none")  # (B,)
    return (each * rows).mean()


def told_similarities(similarities: Tensor, known: Tensor) -> Tensor:
    """Similarities `(B, B)` that follow what people said: pairs known to be alike have the largest, others the least.

    Args:
        similarities: `(B, B)` similarities of the documents.
        known: `(B, B)` 1 for pairs known to be alike, -1 for pairs known not to be, else 0.
    """
    return similarities.masked_fill(known > 0, ALIKE).masked_fill(known < 0, -ALIKE)


def disagreement(units: Tensor, known: Tensor) -> Tensor:
    """Mean squared distance of the codes of named pairs from what was said of them: `()`, 0 to 1 for each pair.

    The units of a pair that is alike should agree wholly, those of one that is not at most by chance.

    Args:
        units: `(B, n_bits)` code units from 0 to 1.
        known: `(B, B)` `NAMED` or `-NAMED` for named pairs; anything between counts nothing.

    Source: Liu et al. (2012), "Supervised hashing with kernels", equation 6; here with a margin.
    """
    signed = 2 * units.float() - 1  # (B, n_bits)
    agreement = signed @ signed.T / units.shape[1]  # (B, B)
    gaps = torch.where(known > 0, 1 - agreement, agreement.clamp_min(0))
    named = known.abs() >= NAMED
    return (gaps.square() * named).sum() / named.sum().clamp_min(1)


def imbalance(units: Tensor) -> Tensor:
    """Mean squared cosine between pairs of bits, 0 to 1: 0 if all bits are balanced and pairwise uncorrelated.

    Each bit is a column of values from -1 to 1 over the batch `(B, n_bits)`; one more column of ones is added, whose
    cosine with a bit is large if the bit is unbalanced. A cosine does not depend on the length of a column, so units
    cannot lower the loss by staying near 0.5.

    Source: Wang, Kumar, Chang (2012), "Semi-supervised hashing for large-scale search", equations 6 to 8, made
    scale-free.
    """
    B, K = units.shape
    columns = torch.cat([2 * units - 1, units.new_ones(B, 1)], dim=1)  # (B, K + 1)
    columns = F.normalize(columns, dim=0)
    cosines = columns.T @ columns  # (K + 1, K + 1)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (K * (K + 1))
