"""An import while the service is killed and started again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flows.processes import Api, Process, running, until

pytestmark = pytest.mark.long

N = 12_000


def test_an_import_waits_for_a_service_that_restarts_and_counts_exactly(url: str, folder: Path) -> None:
    file = folder / "documents.jsonl"
    with file.open("w") as lines:
        for i in range(N):
            id = {} if i % 10 == 0 else {"id": f"d{i}"}
            lines.write(json.dumps({**id, "text": f"text number {i}"}) + "\n")
        lines.write('{"id": "d1", "text": "once more"}\n')
    api = Api(url, folder)
    with running(api):
        api.put("/collections/texts", {"n_bits": 32})
        api.post("/collections/texts/documents", {"documents": [{"id": "d2", "text": "was there"}]})
        command = ["-m", "service", "import", str(file), "-c", "texts", "--url", f"http://127.0.0.1:{api.port}"]
        importing = Process(command, folder, "import", COLUMNS="200")
        with running(importing):
            until(lambda: api.get("/collections/texts")["n_documents"] > 1_000, "a part to be stored")
            api.kill()
            restarted = Api(url, folder, port=api.port)
            with running(restarted):
                assert importing.wait() == 0, importing.log.read_text()
                assert restarted.get("/collections/texts")["n_documents"] == N
    assert (
        f"read {N + 1:,} lines: {N:,} documents are in 'texts' ({N - 1:,} new, 1 replaced), 1 doubles, 0 refused"
        in importing.log.read_text()
    )
