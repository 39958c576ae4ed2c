"""What takes long to import is imported by whoever needs it, so that processes are ready soon."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRINT_IMPORTED = "import sys; {}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
LEARNING = {"torch", "sklearn", "scipy", "narwhals"}
DATABASES = {"alembic", "psycopg"}
SERVING = {"numba", "llvmlite", "fastapi", "uvicorn"}


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("import service.web.app", LEARNING | DATABASES | {"numba", "llvmlite", "typer"}),
        ("import service.processes.serve", LEARNING | DATABASES | {"numba", "llvmlite", "typer"}),
        ("import training.worker", LEARNING | DATABASES | SERVING | {"typer"}),
        ("import service.processes.jobs", LEARNING | DATABASES | SERVING | {"typer"}),
        ("import service.cli.commands", LEARNING | DATABASES | SERVING | {"numpy", "sqlalchemy"}),
    ],
)
def test_a_process_starts_without_what_it_may_never_need(program: str, unwanted: set[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", PRINT_IMPORTED.format(program)], capture_output=True, text=True, check=True
    )
    assert set(child.stdout.split()) & unwanted == set()
