from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.index.hamming import costs
from service.index.hamming.costs import MOST, USUAL
from service.index.hamming.kernels.select import loops_for


@pytest.fixture
def dear_scans() -> Iterator[None]:
    """Scans of codes of up to 64 bits cost so much that whatever can do without one does, on any processor."""
    loops_for(64)  # whose costs are measured now, not later
    before = costs.in_use.copy()
    scans = {name: getattr(USUAL, name) * MOST for name in ("scan", "scan_memory", "scan_test")}
    costs.use(USUAL._replace(**scans), 1)
    yield
    costs.in_use[:] = before
