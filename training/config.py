"""TrainingConfig: the options of one training run, and the plan that follows from them and from the corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from service.errors import InvalidInput
from service.hashing.codes import check_n_bits
from service.training_options import LONGER, OF_VECTORS, TrainingOptions
from training.models import Plan

FEW_TEXTS = 1_800
MANY_WORDS = 4_000
"""At most so many texts, with more words than that, are learned from in fewer and larger steps.

Each step updates the vectors of all words, however few documents are in its batch: with many words, steps take time.
"""
REFINED_WITHOUT_WORDS = 100
"""Most refined neighbors of pictures and vectors. Those of texts are few, so that a code keeps what queries name."""


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Options from `name=value` pairs: a value is read as JSON if it is JSON, else as text.

    Raises:
        InvalidInput: a pair has no equals sign.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set must be name=value, got {pair!r}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


class TrainingConfig(TrainingOptions):
    """The options of one training run: those of every retrain, and the width of the codes."""

    n_bits: int = Field(64, description="Width of the codes in bits: a multiple of 8 between 8 and 256.")

    @field_validator("n_bits")
    @classmethod
    def _check_n_bits(cls, n_bits: int) -> int:
        try:
            return check_n_bits(n_bits)
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    def resolved_for(self, output: str) -> dict[str, Any]:
        """The options, with what features of this kind ask for: codes of vectors keep the nearest, unless told."""
        if output != "reals" or self.variant != "neighbor" or self.aim is not None:
            return self.resolved
        return {**self.resolved, **OF_VECTORS, **self.explicit}

    def plan(self, n_documents: int, output: str = "counts", n_features: int = 0) -> Plan:
        """Every number of the run: explicit options first, then the variant's preset, then what the corpus asks for.

        Args:
            n_documents: number of training documents.
            output: kind of their features: counts, bits or reals.
            n_features: number of features; 0 if not known, which is taken for few.
        """
        explicit, resolved = self.explicit, self.resolved_for(output)
        # Word vectors that start at random need all steps.
        starts_well = output == "counts" and resolved["start_dims"] > 0
        fewer_steps = starts_well and n_documents <= FEW_TEXTS and n_features > MANY_WORDS
        batch_size = 64 if fewer_steps and 256 <= n_documents < 1024 else _batch_size(n_documents)
        steps_per_epoch = -(-n_documents // batch_size)
        n_steps = 500 if fewer_steps else 1400
        longer = LONGER[resolved.get("aim", "topics")]
        by_size = {
            "epochs": min(200, round(longer * max(_least_epochs(steps_per_epoch), round(n_steps / steps_per_epoch)))),
            "batch_size": batch_size,
            "output": output,
        }
        if fewer_steps:
            by_size["learning_rate"] = 5e-3
        merged: dict[str, Any] = {**resolved, **{n: v for n, v in by_size.items() if n not in explicit}}
        merged["n_bits"] = self.n_bits
        # A neighborhood is about one document in a hundred: more would blur a small corpus into one.
        if "neighbors" not in explicit:
            merged["neighbors"] = min(merged["neighbors"], max(3, n_documents // 75))
        if "refined_neighbors" not in explicit:
            most = merged["refined_neighbors"] if output == "counts" else REFINED_WITHOUT_WORDS
            merged["refined_neighbors"] = min(most, max(5, n_documents // 75))
        # The lesser axes of smooth pictures hardly vary: whitened, they would drown the others.
        if output == "bits" and "start_dims" not in explicit:
            merged["start_dims"] = 0
        merged["first_epochs"] = 0
        if merged["neighbors"] and merged["first_share"]:  # each of the two networks gets at least one epoch of two
            share = max(1, round(merged["first_share"] * merged["epochs"]))
            merged["first_epochs"] = min(share, merged["epochs"] - 1)
        merged["epochs"] -= merged["first_epochs"]
        return Plan(**{name: merged[name] for name in Plan.__dataclass_fields__ if name in merged})


def _batch_size(n_documents: int) -> int:
    """Documents in a batch: 32 below 1,024 documents, then 128; up to 512 if four epochs still have 6,000 steps."""
    size = 128 if n_documents >= 1024 else 32
    while 128 <= size < 512 and 4 * n_documents >= 6000 * 2 * size:
        size *= 2
    return size


def _least_epochs(steps_per_epoch: int) -> int:
    """Fewest epochs: six, or as few as four if these have 4,000 steps."""
    return max(4, min(6, -(-4000 // steps_per_epoch)))
