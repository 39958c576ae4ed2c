"""TrainingConfig: what may be said about a training; `n_bits` is the dial, the rest follows from it unless said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from service.errors import InvalidInput
from service.hashing.codes import check_n_bits
from service.training_options import TrainingOptions
from training.models import Plan


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Options from `name=value` pairs: values as JSON where they are, text otherwise.

    Raises:
        InvalidInput: a pair without an equals sign.
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
    """One training run: the options of any training, and what only the width of codes and pictures need."""

    n_bits: int = Field(64, description="Width of the codes in bits: a multiple of 8 between 8 and 256.")
    image_size: int = Field(32, ge=4, le=256, description="Width and height that pictures are resized to, in pixels.")
    image_color: bool = Field(False, description="Keep the colors of pictures.")

    @field_validator("n_bits")
    @classmethod
    def _check_n_bits(cls, n_bits: int) -> int:
        try:
            return check_n_bits(n_bits)
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    def plan(self, n_documents: int, output: str = "counts") -> Plan:
        """Every number of the run: what was said, then the variant's preset, then what follows from the dial.

        Args:
            n_documents: training documents.
            output: what their features are: counts, bits or reals.
        """
        batch_size = _batch_size(n_documents)
        steps_per_epoch = -(-n_documents // batch_size)
        by_size = {
            "epochs": min(200, max(_least_epochs(steps_per_epoch), round(1400 / steps_per_epoch))),
            "batch_size": batch_size,
            "output": output,
        }
        said = self.said
        merged: dict[str, Any] = {**self.settled, **{n: v for n, v in by_size.items() if n not in said}}
        merged["n_bits"] = self.n_bits
        # A neighborhood is about one document in a hundred: more would blur a small corpus into one.
        if "neighbors" not in said:
            merged["neighbors"] = min(merged["neighbors"], max(3, n_documents // 75))
        if "refined_neighbors" not in said:
            merged["refined_neighbors"] = min(merged["refined_neighbors"], max(5, n_documents // 75))
        merged["first_epochs"] = 0
        if merged["neighbors"] and merged["first_share"]:  # each of the two networks has an epoch, if there are two
            share = max(1, round(merged["first_share"] * merged["epochs"]))
            merged["first_epochs"] = min(share, merged["epochs"] - 1)
        merged["epochs"] -= merged["first_epochs"]
        return Plan(**{name: merged[name] for name in Plan.__dataclass_fields__ if name in merged})


def _batch_size(n_documents: int) -> int:
    """32 for a few documents, then 128; up to 512 where four epochs of larger batches are still 6,000 steps."""
    size = 128 if n_documents >= 1024 else 32
    while 128 <= size < 512 and 4 * n_documents >= 6000 * 2 * size:
        size *= 2
    return size


def _least_epochs(steps_per_epoch: int) -> int:
    """Six; as few as four where these are 4,000 steps."""
    return max(4, min(6, -(-4000 // steps_per_epoch)))
