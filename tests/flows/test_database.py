"""A PostgreSQL server that goes away under traffic and comes back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start_postgres
from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, Process, running, until
from tests.flows.traffic import Traffic

pytestmark = pytest.mark.long


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL server of this test's own."""
    with tempfile.TemporaryDirectory(prefix="nbpg-") as short:
        server = start_postgres(short)
        yield server
        server.cleanup()


def test_a_database_restart_is_told_as_503_and_recovered_from(server: Any, folder: Path) -> None:
    url = server.get_uri()
    Process(["-m", "service", "migrate"], folder, "migrate", NEARBIT_DATABASE_URL=url).wait()
    api = Api(url, folder, "--workers", "1")
    with running(api):
        fill(api, 200)
        with Traffic([api], "texts", ["bread oven", "boat wind"], allowed=(200, 503)) as traffic:
            until(lambda: traffic.n_answers > 10, "answers before")
            server.stop()
            until(lambda: traffic.n_refused > 3, "refusals while it is gone")
            refused = api.http.post("/collections/texts/documents", json={"documents": documents(1, start=900)})
            assert refused.status_code == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert int(refused.headers["Retry-After"]) >= 1
            assert api.http.get(f"http://127.0.0.1:{api.port}/readyz").status_code == 503
            server.start()
            n_before = traffic.n_answers
            until(lambda: traffic.n_answers > n_before + 10, "answers after")
        assert traffic.faults == []
        added = api.post("/collections/texts/documents", {"documents": documents(5, start=950)})
        found = api.get("/collections/texts/similar", q="bread", k=1_000, at_least_seq=added["seq"], fields="id")
        assert len(found["matches"]) == 205
