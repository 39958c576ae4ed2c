"""Where networks run: the one place that asks torch what this machine has."""

from __future__ import annotations

import torch

from service.errors import ConfigurationError


def resolve_device(name: str) -> str:
    """The torch device of a setting: `auto` is CUDA where there is one, else the CPU.

    Raises:
        ConfigurationError: no such device, or not on this machine.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        raise ConfigurationError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}") from None
    if kind not in ("cpu", "cuda"):
        raise ConfigurationError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"device is {name!r}, but torch {torch.__version__} sees no CUDA device here")
    return name
