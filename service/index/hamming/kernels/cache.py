"""Where the compiled loops are kept: a folder whose name is a hash of every file that is compiled into them.

numba looks at the file of a function only, but the loops hold constants of other files too: after an upgrade that moves
a field of the layout, loops from its cache would read raw memory at the old offsets.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

_HERE = Path(__file__).parent
_HAMMING, _SERVICE = _HERE.parent, _HERE.parents[2]
COMPILED_IN = (
    _HERE / "compiled.py",
    _HAMMING / "layout.py",
    _HAMMING / "view.py",
    _SERVICE / "hashing" / "codes.py",
)
"""Every file of ours that `compiled` takes something from, itself first."""


def folder_name(sources: Iterable[Path] = COMPILED_IN) -> str:
    """A name that another content of any of the files changes.

    Raises:
        OSError: a file cannot be read.
    """
    digest = sha256()
    for source in sources:
        digest.update(sha256(source.read_bytes()).digest())
    return f"nearbit-{digest.hexdigest()[:16]}"


def cache_folder() -> Path | None:
    """A folder that can be written to; None if there is none, and the loops are then compiled in each process.

    `NUMBA_CACHE_DIR` says where; without it, beside the sources or, where they are read-only, in the user's cache.
    """
    try:
        name = folder_name()
    except OSError:  # no files to read: the program was packed into one
        return None
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        places = [Path(given)]
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        places = [_HERE / "__pycache__", Path(home) / "nearbit"]
    return next((place / name for place in places if _is_writable(place / name)), None)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
