"""Real documents for the page: some hundreds of the standard library's docstrings, as the demonstration reads them.

`python -m tests.ui.corpus FILE` writes them as lines of JSON. It imports all of these modules, so it should run in a
process of its own.
"""

from __future__ import annotations

import json
import sys
import warnings
from itertools import takewhile
from pathlib import Path

from service.cli.demo.corpus import docstrings

EVERY = 9


def write(path: Path) -> None:
    """Write every ninth docstring of the standard library."""
    warnings.simplefilter("ignore")
    of_library = list(takewhile(lambda one: one.package in sys.stdlib_module_names, docstrings()))
    with path.open("w", encoding="utf-8") as out:
        for one in of_library[::EVERY]:
            metadata = {"package": one.package, "module": one.module, "kind": one.kind}
            out.write(json.dumps({"id": one.name, "title": one.name, "text": one.text, "metadata": metadata}) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
