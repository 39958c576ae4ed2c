"""Which loops run an index: the compiled ones, if they are there and answer as numpy does; else numpy.

Compiling takes a machine a quarter of a minute, once for each release; loading what was compiled takes half a second.
Whoever needs loops waits for that, but a process that serves does not: there numpy answers meanwhile, many times
slower. A process of its own compiles then, so that no request waits for the interpreter's lock. Of all processes on a
machine one compiles at a time, and the others find in the cache what it has compiled. See docs/decisions/0017.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import ref

import structlog

from service.errors import ConfigurationError
from service.index.background import Background

log = structlog.get_logger(__name__)

Engine = TypeVar("Engine")


class Loops(Generic[Engine]):
    """The loops of an index, of which those to use may change from one moment to the next.

    Args:
        what: for the log, what they run.
        reference: the loops in numpy.
        load: imports the compiled loops.
        is_alike: whether loops answer as numpy does; calls, and so compiles, every one of them.
        command: the arguments of `service.index.fill_cache` that compile them.

    Attributes:
        now: the loops to use.
        reason: why numpy's are used; None if the compiled ones are, or if NEARBIT_KERNEL asks for numpy.

    Raises:
        ConfigurationError: NEARBIT_KERNEL is neither "numba" nor "numpy".
    """

    def __init__(
        self,
        what: str,
        reference: Engine,
        load: Callable[[], Engine],
        is_alike: Callable[[Engine], bool],
        command: Sequence[str],
    ) -> None:
        self.what = what
        self.now = reference
        self.reason: str | None = None
        self._load, self._is_alike, self._command = load, is_alike, command
        self._settled = threading.Event()
        _known.append(ref(self))
        wanted = os.environ.get("NEARBIT_KERNEL", "numba")
        if wanted not in ("numba", "numpy"):
            raise ConfigurationError(f"NEARBIT_KERNEL must be numba or numpy, got {wanted}")
        if wanted == "numpy":
            self._settled.set()
        elif _background is None:
            self._settle()
        else:
            self.reason = "the compiled loops are being loaded, or compiled if this machine never ran them"
            _background.start(partial(self._settle_beside_serving, _background))

    def wait(self) -> None:
        """Until the compiled loops are used, or are known to be of no use."""
        self._settled.wait()

    def _settle(self) -> None:
        """Use the compiled loops if they can be loaded and are right. Blocks, for as long as they are compiled."""
        try:
            self.reason = self._change()
        except ImportError as error:
            log.warning("numba cannot be loaded, the index runs on numpy", index=self.what, error=str(error))
            self.reason = f"numba cannot be loaded: {_in_one_line(error)}"
        except Exception as error:  # whatever a compiler raises: without it the same answers are to be had
            log.error("the index runs on numpy: its loops cannot be compiled", index=self.what, exc_info=True)
            self.reason = f"numba cannot compile the loops: {_in_one_line(error)}"
        finally:
            self._settled.set()

    def _change(self) -> str | None:
        compiled = self._load()
        from service.index import compiler  # needs numba, as what was loaded does

        with compiler.compiling_alone(compiler.cache_of(compiled), self.what):
            is_alike = self._is_alike(compiled)
        if is_alike:
            self.now = compiled
            return None
        log.error("the compiled loops answer otherwise than numpy and are not used", index=self.what)
        return "the compiled loops answer otherwise than numpy"

    def _settle_beside_serving(self, background: Background) -> None:
        if not self._is_compiled():
            log.info("numpy answers until the loops are compiled, once on this machine", index=self.what)
            background.run([sys.executable, "-m", "service.index.fill_cache", *self._command])
        if not background.is_stopping:
            self._settle()

    def _is_compiled(self) -> bool:
        """Whether they are in the cache; also if there is no use in asking another process to put them there."""
        try:
            compiled = self._load()
            from service.index import compiler

            folder = compiler.cache_of(compiled)
            return folder is None or compiler.stamp(folder, self.what).exists()
        except Exception:  # it will be raised again, where it is reported
            return True


def answer_meanwhile() -> None:
    """From now on, let numpy answer in this process while loops are loaded and compiled. Only for a long-lived one."""
    global _background
    _background = _background or Background()


def reasons() -> dict[str, str]:
    """Why numpy runs in place of the compiled loops, by what it runs."""
    in_use = [loops for known in _known.copy() if (loops := known()) is not None]
    return {loops.what: loops.reason for loops in in_use if loops.reason is not None}


_background: Background | None = None
_known: list[ref[Loops[Any]]] = []


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
