"""docs/notebook.ipynb: its cells run in their order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_shows_what_its_cells_gave_in_one_run() -> None:
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert [output["output_type"] for cell in cells for output in cell["outputs"]].count("execute_result") > 5


@pytest.mark.long
def test_the_cells_of_the_notebook_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    trained = 0
    for cell in code_cells():
        source = "".join(cell["source"])
        trained += source.count("retrain(progress=True)")
        short = source.replace("retrain(progress=True)", "retrain(epochs=2, force=True)")
        exec(compile(short, "docs/notebook.ipynb", "exec"), names)
    assert trained == 1
    assert names["job"].state == "succeeded"
    assert names["report"]["n_queries"] > 50
