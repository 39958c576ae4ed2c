from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.corpus import documents
from tests.flows.processes import Api


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated, empty database."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


def fill(api: Api, n: int, collection: str = "texts", n_bits: int = 32) -> None:
    """A collection of that many small documents."""
    api.put(f"/collections/{collection}", {"n_bits": n_bits})
    for start in range(0, n, 1_000):
        api.post(f"/collections/{collection}/documents", {"documents": documents(min(1_000, n - start), start)})
