"""Compiler: numba with our options, and with a cache whose name is a hash of every file that is compiled in.

numba looks at the file of a function only, but the loops hold constants of other files too: after an upgrade that moves
a field of a layout, loops from its cache would read raw memory at the old offsets.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba import njit
from numba.core import config as _config

config: Any = _config
_DECORATING = threading.Lock()
"""Two threads may import loops at once; one that put the folder back would leave the other the working directory."""


def folder_name(sources: Iterable[Path]) -> str:
    """A name that another content of any of the files changes.

    Raises:
        OSError: a file cannot be read.
    """
    digest = sha256()
    for source in sources:
        digest.update(sha256(source.read_bytes()).digest())
    return f"nearbit-{digest.hexdigest()[:16]}"


def cache_folder(sources: Sequence[Path]) -> Path | None:
    """A folder that can be written to; None if there is none, and the loops are then compiled in each process.

    `NUMBA_CACHE_DIR` says where; without it, beside the first of the sources or, where they are read-only, in the
    user's cache.
    """
    try:
        name = folder_name(sources)
    except OSError:  # no files to read: the program was packed into one
        return None
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        places = [Path(given)]
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        places = [sources[0].parent / "__pycache__", Path(home) / "nearbit"]
    return next((place / name for place in places if _is_writable(place / name)), None)


def cache_of(loops: Any) -> Path | None:
    """The cache folder of a module of compiled loops, which names the files that are compiled in."""
    return cache_folder(loops.COMPILED_IN)


def stamp(folder: Path, what: str) -> Path:
    """A file that is there once these loops are in the cache folder, for this processor and these versions."""
    cpu = config.CPU_NAME or get_host_cpu_name()
    about = sys.implementation.cache_tag, numba.__version__, llvmlite.__version__, cpu, features()
    return folder / f"{what.replace(' ', '-')}.{sha256(repr(about).encode()).hexdigest()[:16]}"


@contextmanager
def compiling_alone(folder: Path | None, what: str) -> Iterator[None]:
    """Compile some loops while no other process does, unless they are in the cache; the others find them there then.

    Without a folder that can be written to, each process compiles.
    """
    if folder is None or (done := stamp(folder, what)).exists():
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):
            file = stack.enter_context(done.with_name(f"{done.name}.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
        with suppress(OSError):
            done.touch()


def features() -> str:
    """What LLVM is told that the processor has, as "+avx2,-sse4a": the machine's own, or `NUMBA_CPU_FEATURES`."""
    given = config.CPU_FEATURES
    return str(get_host_cpu_features().flatten() if given is None else given)


def compiling(cache: Path | None, **options: Any) -> Any:
    """A decorator that compiles at the first call and, if there is a folder, keeps the result in it for later."""

    def decorate(function: Any) -> Any:
        with _DECORATING:
            before, config.CACHE_DIR = config.CACHE_DIR, str(cache or "")  # numba takes the folder from there, now
            try:
                return njit(cache=cache is not None, nogil=True, error_model="numpy", boundscheck=False, **options)(
                    function
                )
            finally:
                config.CACHE_DIR = before

    return decorate


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
