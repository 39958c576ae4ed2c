"""The variants of the autoencoder, one file each, and their registry MODELS."""

from __future__ import annotations

from training.models.base import Autoencoder, Batch
from training.models.contractive import Contractive
from training.models.denoising import Denoising
from training.models.losses import Losses
from training.models.neighbor import Neighbor
from training.models.plan import Plan
from training.models.predictive_sparse import PredictiveSparse
from training.models.rbm import BoltzmannMachine
from training.models.recirculation import Recirculation
from training.models.semantic_hashing import SemanticHashing
from training.models.sparse import Sparse
from training.models.stacked import Stacked
from training.models.undercomplete import Undercomplete
from training.models.variational import Variational

MODELS: dict[str, type[Autoencoder]] = {
    "contractive": Contractive,
    "denoising": Denoising,
    "neighbor": Neighbor,
    "predictive_sparse": PredictiveSparse,
    "rbm": BoltzmannMachine,
    "recirculation": Recirculation,
    "semantic_hashing": SemanticHashing,
    "sparse": Sparse,
    "stacked": Stacked,
    "undercomplete": Undercomplete,
    "variational": Variational,
}

__all__ = ["MODELS", "Autoencoder", "Batch", "Losses", "Plan"]
