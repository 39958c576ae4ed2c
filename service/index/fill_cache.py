"""`python -m service.index.fill_cache words`, `columns` or `codes 64`: compile loops, so that others find them.

It ends when its standard input is closed, as it is when the process that asks for it ends in any way.
"""

from __future__ import annotations

import os
import sys
import threading

from service.index.columns.kernels import select as columns
from service.index.hamming.kernels import select as hamming
from service.index.words.kernels import select as words

_NICENESS = 5
"""Requests go first where there are not enough cores."""


def main(what: str, n_bits: str = "64") -> None:
    """Compile the loops of the words, of the columns, or of the codes of one width, and keep them."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    os.nice(_NICENESS)
    if what == "words":
        words.loops()
    elif what == "columns":
        columns.loops()
    else:
        hamming.loops_for(int(n_bits))


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):  # past sys.stdin's lock, which the interpreter wants when it ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
