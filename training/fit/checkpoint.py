"""The state of an unfinished training in one file, so that a killed fit goes on from its last epoch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from service.hashing.featurizers import Features

NAME = "epoch.safetensors"


def fingerprint(features: Features, about: str) -> str:
    """SHA-256 of the training features and of a description of the run: equal for a run that may be gone on with."""
    digest = hashlib.sha256(about.encode())
    arrays = [features] if isinstance(features, np.ndarray) else [features.indptr, features.indices, features.data]
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], about: dict[str, Any]
) -> None:
    """Write model, optimizer, best weights (safetensors) and a JSON description, all or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": tensor for name, tensor in state.items()}
    partial = folder / f"{NAME}.partial"
    on_cpu = {name: tensor.cpu().clone() for name, tensor in tensors.items()}
    safetensors.torch.save_file(on_cpu, partial, {"nearbit": json.dumps(about)})
    os.replace(partial, folder / NAME)


def load(
    folder: Path, expected: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Put model and optimizer back; returns best weights and description, or None where nothing fits `expected`.

    A file of another run, or one that cannot be read, is no reason to stop: the training then starts anew.
    """
    try:
        with safetensors.safe_open(folder / NAME, framework="pt") as file:
            about = json.loads(file.metadata()["nearbit"])
            if about["fingerprint"] != expected:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None
    model.load_state_dict(_under("model.", tensors))
    whole = optimizer.state_dict()
    whole["state"] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        i, key = name.split(".", 1)
        whole["state"].setdefault(int(i), {})[key] = tensor
    optimizer.load_state_dict(whole)
    return _under("best.", tensors), about


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
