from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a flow's processes keep their logs and checkpoints."""
    return tmp_path
