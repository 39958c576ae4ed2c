"""An import while the service is killed and started again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flows.processes import Api, Process, Runner, running, until

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


def test_an_import_of_a_long_file_outlives_the_service_and_its_job_runner(url: str, folder: Path) -> None:
    file = folder / "documents.csv"
    with file.open("w") as rows:
        rows.write("id,title,text,year\n")
        rows.writelines(f"d{i},number {i},{'and so on ' * 70},{2000 + i % 20}\n" for i in range(N))
        rows.write("bad,, ,1\n")
    assert file.stat().st_size > 8 << 20
    api, runner = Api(url, folder), Runner(url, folder, dies_after=4)
    with running(api, runner):
        api.put("/collections/texts", {"n_bits": 32})
        command = ["-m", "service", "import", str(file), "-c", "texts", "--url", f"http://127.0.0.1:{api.port}"]
        importing = Process(command, folder, "import", COLUMNS="200")
        with running(importing):
            assert runner.child.wait(120) == -9
            api.kill()
            restarted, other = Api(url, folder, port=api.port), Runner(url, folder)
            with running(restarted, other):
                assert importing.wait(300) == 1, importing.log.read_text()
                assert restarted.get("/collections/texts")["n_documents"] == N
                assert restarted.get("/collections/texts/documents/d7")["metadata"] == {"year": 2007}
    said = importing.log.read_text()
    assert "documents.csv: id from id; title from title; text from text; metadata from year" in said
    assert f"read {N + 1:,} rows: {N:,} documents are in 'texts' ({N:,} new, 0 replaced), 0 doubles, 1 refused" in said
    assert f"row {N + 1}, id bad: " in said
