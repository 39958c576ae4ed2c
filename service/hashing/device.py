"""Where networks run: the one place that asks torch what this machine has."""

from __future__ import annotations

import torch

from service.cores import usable_cores
from service.errors import ConfigurationError


def share_cores(n_processes: int) -> int:
    """Let torch use one process's share of the cores where `n_processes` like it run; return how many threads it has.

    Without it each takes all cores, and they wait for each other. Fewer, set before (`OMP_NUM_THREADS`), stay.
    """
    torch.set_num_threads(min(torch.get_num_threads(), max(1, usable_cores() // n_processes)))
    return torch.get_num_threads()


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
