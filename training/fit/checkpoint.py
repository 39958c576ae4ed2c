"""The state of an unfinished training run in one file, from which a killed fit resumes."""

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
    """SHA-256 (hex) of the training features and the description of a run: only a run with an equal one is resumed."""
    digest = hashlib.sha256(about.encode())
    arrays = [features] if isinstance(features, np.ndarray) else [features.indptr, features.indices, features.data]
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], about: dict[str, Any]
) -> None:
    """Write model, optimizer, best weights and a description to `folder`, whole or not at all.

    Args:
        folder: created if missing.
        model: its weights are saved.
        optimizer: its state is saved.
        best: the best weights so far, by name.
        about: description as JSON; its "fingerprint" is compared on loading.
    """
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
    """The best weights and the description of a saved run, whose state is put into `model` and `optimizer`.

    Args:
        folder: where `save` wrote.
        expected: fingerprint of the run to resume.
        model: takes the saved weights.
        optimizer: takes the saved state.

    Returns:
        None, with model and optimizer unchanged, if there is no file, if it cannot be read, or if it belongs to another
        run: training then starts from the beginning.
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
