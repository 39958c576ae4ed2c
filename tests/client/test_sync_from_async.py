"""The client without `await` is what its source says."""

import importlib.util
from pathlib import Path

_SCRIPT = Path(__file__).parents[2] / "client" / "sync_from_async.py"


def test_the_derived_files_are_those_of_their_source() -> None:
    spec = importlib.util.spec_from_file_location("sync_from_async", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    expected = {path.name: script.derived(path.read_text("utf-8")) for path in script.SOURCE.glob("*.py")}
    assert {path.name: path.read_text("utf-8") for path in script.DERIVED.glob("*.py")} == expected
