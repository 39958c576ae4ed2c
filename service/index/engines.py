"""Which loops run an index: the compiled ones, if they are there and answer as numpy does; else numpy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import structlog

from service.errors import ConfigurationError

log = structlog.get_logger(__name__)

Engine = TypeVar("Engine")


def chosen(
    what: str, reference: Engine, load: Callable[[], Engine], is_alike: Callable[[Engine], bool]
) -> tuple[Engine, str | None]:
    """The loops to use, and why numpy's run in place of the compiled ones; None if they do not, or are wanted.

    Args:
        what: for the log, what they run.
        reference: the loops in numpy.
        load: imports the compiled loops.
        is_alike: whether loops answer as numpy does.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """
    wanted = os.environ.get("NEARBIT_KERNEL", "numba")
    if wanted not in ("numba", "numpy"):
        raise ConfigurationError(f"NEARBIT_KERNEL must be numba or numpy, got {wanted}")
    if wanted == "numpy":
        return reference, None
    try:
        compiled = load()
        if is_alike(compiled):
            return compiled, None
    except ImportError as error:
        log.warning("numba cannot be loaded, the index runs on numpy", index=what, error=str(error))
        return reference, f"numba cannot be loaded: {_in_one_line(error)}"
    except Exception as error:  # whatever a compiler raises: without it the same answers are to be had
        log.error("the index runs on numpy: its loops cannot be compiled", index=what, exc_info=True)
        return reference, f"numba cannot compile the loops: {_in_one_line(error)}"
    log.error("the compiled loops answer otherwise than numpy and are not used", index=what)
    return reference, "the compiled loops answer otherwise than numpy"


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
