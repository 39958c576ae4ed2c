"""The variants of the autoencoder: one base, one file each, one registry."""

from __future__ import annotations

from training.models.base import Autoencoder, Batch, Losses, Plan
from training.models.neighbor import Neighbor
from training.models.semantic_hashing import SemanticHashing

MODELS: dict[str, type[Autoencoder]] = {
    "neighbor": Neighbor,
    "semantic_hashing": SemanticHashing,
}

__all__ = ["MODELS", "Autoencoder", "Batch", "Losses", "Plan"]
