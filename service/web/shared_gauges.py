"""Gauges of the workers of one `serve`: each writes its own to a file, and whichever is asked answers with all."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from service.threads import run_in_thread

Sample = tuple[str, str, dict[str, str], float]
"""Name, help, labels and value of a gauge."""

Gauges = Callable[[], Iterable[Sample]]
"""The gauges of this process as they are now."""

_WRITTEN_EVERY_S = 2.0


class SharedGauges:
    """The gauges of this process, and of others that write theirs to the same folder.

    Args:
        gauges: of this process.
        folder: where each process has a file; None: it is the only one.
        pid: of this process.
    """

    def __init__(self, gauges: Gauges, folder: Path | None, pid: int | None = None) -> None:
        self._gauges = gauges
        self._folder = folder
        self._pid = os.getpid() if pid is None else pid

    def samples(self) -> list[Sample]:
        """The gauges of all processes, with `pid` among their labels: of this one as they are now, of others as they
        were at most a few seconds ago. Blocks while it reads their files."""
        found = _labeled(self._gauges(), self._pid)
        if self._folder is not None:
            for file in sorted(self._folder.glob("gauges-*.json")):
                pid = int(file.stem.rpartition("-")[2])
                if pid != self._pid and _is_alive(pid):
                    with suppress(OSError, ValueError):  # it has just ended
                        found += _labeled(map(tuple, json.loads(file.read_bytes())), pid)
        return found

    def write(self) -> None:
        """Write the gauges of this process for the others. Blocks."""
        if self._folder is not None:
            file = self._folder / f"gauges-{self._pid}.json"
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(list(self._gauges())))
            partial.replace(file)

    async def keep_written(self) -> None:
        """Write them every few seconds, until this is cancelled."""
        while self._folder is not None:
            with suppress(OSError):  # a full disk, or the folder is gone as `serve` ends
                await run_in_thread(self.write)
            await asyncio.sleep(_WRITTEN_EVERY_S)


def _labeled(samples: Iterable[Sample], pid: int) -> list[Sample]:
    return [(name, text, {**labels, "pid": str(pid)}, value) for name, text, labels, value in samples]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
