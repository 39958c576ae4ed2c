"""A database file without a service."""

from importlib.metadata import EntryPoints
from pathlib import Path

import pytest
from pydantic import ValidationError

import nearbit
from nearbit import opening
from tests.client.conftest import opened

TEXTS = [f"{'bread and butter' if n % 2 else 'sails and masts'} number {n}" for n in range(120)]


def test_what_was_added_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = str(tmp_path / "new folder" / "notes.db")
    with opened(path) as client:
        client.create("notes").add(["How to bake bread"])
    client.close()
    with opened(path) as client:
        assert client.collection("notes").search("bread")[0].text == "How to bake bread"


def test_the_environment_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARBIT_ADMIN_KEY", "secret")
    monkeypatch.setenv("NEARBIT_PORT", "none")
    with opened(str(tmp_path / "notes.db")) as client:
        assert client.collections() == []


def test_a_wrong_setting_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        opened(str(tmp_path / "notes.db"), no_such_setting=1)
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be read as one" * 50)
    with pytest.raises(Exception, match="database"):
        opened(str(tmp_path / "text.db"))


def test_without_the_service_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "entry_points", lambda **_: EntryPoints([]))
    with pytest.raises(nearbit.NotInstalled, match="pip install nearbit"):
        nearbit.open("notes.db")


@pytest.mark.long
def test_codes_are_learned_rolled_back_lines_imported_and_duplicates_found_without_a_service(tmp_path: Path) -> None:
    shares: list[float | None] = []
    with opened(str(tmp_path / "notes.db")) as client:
        notes = client.create("notes")
        notes.add(TEXTS)
        notes.retrain(epochs=1, force=True, progress=lambda stage, share: shares.append(share))
        assert shares[-1] == 1.0
        assert [space.state for space in notes.spaces()] == ["active", "retired"]
        assert notes.roll_back().version == 1
        job = notes.import_lines(["a line", {"id": "b", "text": "b"}, b'{"id": "c"}'])
        assert [error["line"] for error in notes.import_errors(job)] == [3]
        assert notes.get("b").text == "b"
        with pytest.raises(nearbit.NotFound):
            notes.duplicates()
        assert notes.find_duplicates(0, by="words").params["radius"] == 0
        notes.add([{"id": "c", "text": "number of boats"}, {"id": "d", "text": "NUMBER of boats"}])
        notes.find_duplicates(0, filter={"x": {"exists": False}})
        assert ["c", "d"] in [[one.id for one in group.documents] for group in notes.duplicates().items]
        waiting = notes.retrain(wait=False, epochs=1, force=True)
    with opened(str(tmp_path / "notes.db")) as client:  # the job that was left is done now
        assert client.wait(waiting).state == "succeeded"
