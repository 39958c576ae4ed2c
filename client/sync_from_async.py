"""Derive `nearbit/_sync` from `nearbit/_async`, so that both have one source.

    python client/sync_from_async.py

A test fails while the derived files are not what this script makes.
"""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent / "nearbit"
SOURCE, DERIVED = _HERE / "_async", _HERE / "_sync"

_NOTE = "# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.\n"
_REPLACED = {
    r"async def": "def",
    r"async with": "with",
    r"async for": "for",
    r"await ": "",
    r"Awaitable, ": "",
    r"Awaitable\[Any\]": "Any",
    r"asynccontextmanager": "contextmanager",
    r"asyncio\.sleep": "time.sleep",
    r"import asyncio": "import time",
    r"aclose\b": "close",
    r"aread\b": "read",
    r"aiter_lines\b": "iter_lines",
    r"__aenter__": "__enter__",
    r"__aexit__": "__exit__",
    r"\b_async\b": "_sync",
    r"\bAsync(?=[A-Z])": "",
    r"with `await`; `nearbit._sync` is derived from it by `sync_from_async.py`": "without `await`",
}
_TOKENS = re.compile("|".join(f"({pattern})" for pattern in _REPLACED))
_NEW = tuple(_REPLACED.values())


def derived(source: str) -> str:
    """The file without `await` that belongs to one with it."""

    def new(found: re.Match[str]) -> str:
        assert found.lastindex is not None
        return _NEW[found.lastindex - 1]

    return _NOTE + _TOKENS.sub(new, source)


def main() -> None:
    """Write the derived files, and delete those that have no source."""
    for path in DERIVED.glob("*.py"):
        if not (SOURCE / path.name).exists():
            path.unlink()
    for path in SOURCE.glob("*.py"):
        (DERIVED / path.name).write_text(derived(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
