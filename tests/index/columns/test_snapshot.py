"""A snapshot is the columns that it was made from, or is refused and the log says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.index.columns import ColumnIndex, snapshot
from service.index.columns.filters import Exists, OneOf, Prefix, Range
from service.index.words import snapshot as words_snapshot

FIELDS = ("n", "text", "few", "rare", "score", "yes", "list")


def some_columns() -> ColumnIndex:
    index = ColumnIndex()
    index.put(
        np.arange(100),
        [
            {"n": i, "text": f"text {i}", "few": "ab"[i % 2], "score": i / 7, "yes": i % 3 == 0, "list": [i, "a"]}
            for i in range(100)
        ],
    )
    index.put(np.array([3, 200]), [{"n": -5, "rare": "\u673a\u5668"}, {"rare": 1.5}])
    index.delete([5])
    return index


def answers(index: ColumnIndex) -> list[object]:
    view, keys = index.view(), np.arange(201)
    found: list[object] = [view.ordered(keys, field, True).tolist() for field in FIELDS]
    found += [view.count(field, None, 1_000) for field in FIELDS]
    for filter in (Range("n", "f", gte=7, lt=50), Prefix("text", "f", "text 1"), OneOf("rare", "f", (1.5,))):
        found.append(view.mask(filter).allowed_keys().tolist())
    return [*found, view.mask(Exists("rare", "f")).allowed_keys().tolist(), view.field_names(9), len(index)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return snapshot.save(some_columns(), tmp_path, "abc", 17, "token")


def refusal(folder: Path) -> str:
    with capture_logs() as logs:
        assert snapshot.load(folder, "abc") is None
    assert [line["event"] for line in logs] == ["snapshot refused, columns are read from SQL"]
    return str(logs[0]["reason"])


def test_a_snapshot_holds_the_columns_and_their_seq(path: Path) -> None:
    loaded = snapshot.load(path.parent, "abc", lambda seq, token: (seq, token) == (17, "token"))
    assert loaded is not None
    assert loaded[1] == 17
    assert answers(loaded[0]) == answers(some_columns())


def test_no_columns_can_be_kept(tmp_path: Path) -> None:
    snapshot.save(ColumnIndex(), tmp_path, "none", 1)
    loaded = snapshot.load(tmp_path, "none")
    assert loaded is not None
    assert len(loaded[0]) == 0


def test_mapped_columns_take_writes_and_leave_the_file_alone(path: Path) -> None:
    before = path.read_bytes()
    loaded, original = snapshot.load(path.parent, "abc"), some_columns()
    assert loaded is not None
    for index in (loaded[0], original):
        index.put(np.array([1, 300]), [{"text": "new", "rare": True}, {"n": 2**62}])
        index.delete([7, 8])
    assert answers(loaded[0]) == answers(original)
    assert answers(ColumnIndex(loaded[0].base())) == answers(original)
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [0, 9, 13, 40, 4_100, 5_000, -1])
def test_a_flipped_byte_is_noticed(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert refusal(path.parent)


def test_a_file_that_is_cut_short_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-64])
    assert "checksum" in refusal(path.parent)


def test_a_snapshot_of_words_is_none_of_columns(path: Path) -> None:
    assert words_snapshot.names(path.parent) == []
    path.write_bytes(b"nb-words" + path.read_bytes()[8:])
    assert "nb-words" in refusal(path.parent)
