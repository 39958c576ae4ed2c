from __future__ import annotations

from pathlib import Path

import pytest

LONG = ("test_database.py", "test_hold.py", "test_import.py", "test_jobs.py", "test_restore.py")
"""Flows whose parts the tests of the rooms show faster: leases, deletion, promotion, import, restore, bounds."""


@pytest.hookimpl(tryfirst=True)  # before marks are looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as long what starts many processes, and what does so again on PostgreSQL."""
    for item in items:
        if item.path.parent == Path(__file__).parent and (item.path.name in LONG or "postgresql" in item.name):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a flow's processes keep their logs and checkpoints."""
    return tmp_path
