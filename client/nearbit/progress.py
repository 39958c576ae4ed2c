"""Bars of progress for what takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

Report = Callable[[str, float | None], None]
"""Called with what is being done, and which share of it is done, from 0 to 1; None if that is not known."""

Progress = bool | Report
"""True for a bar on standard error, False for none, or a function that is called instead."""

_WIDTH = 24


def report_of(progress: Progress) -> Report:
    """The function that shows progress."""
    if progress is True:
        return _Bar(sys.stderr).show
    if progress is False:
        return _show_nothing
    return progress


def _show_nothing(stage: str, share: float | None) -> None:
    pass


class _Bar:
    """One line that is written again and again, and stays when all is done."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._shown = ""

    def show(self, stage: str, share: float | None) -> None:
        share = None if share is None else min(max(share, 0.0), 1.0)
        n_full = round(_WIDTH * (share or 0.0))
        percent = "" if share is None else f" {share:4.0%}"
        line = f"{'█' * n_full}{'░' * (_WIDTH - n_full)}{percent} {stage}"
        if line != self._shown:
            end = "\n" if share == 1 else ""
            self._output.write(f"\r{line.ljust(len(self._shown))}{end}")
            self._output.flush()
            self._shown = "" if end else line
