"""A snapshot is the table it was made from, or is refused and the log says why."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.index.hamming import snapshot
from service.index.hamming.table import HammingTable


def some_table() -> HammingTable:
    rng = np.random.default_rng(0)
    table = HammingTable.build(rng.integers(0, 256, (500, 8), np.uint8), np.arange(500))
    table.add(rng.integers(0, 256, (9, 8), np.uint8), np.arange(495, 504))
    table.delete(np.array([3, 497]))
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return snapshot.save(some_table(), tmp_path, "abc", 17)


def refusal(folder: Path, digest: str = "abc") -> str:
    with capture_logs() as logs:
        assert snapshot.load(folder, digest) is None
    assert [line["log_level"] for line in logs] == ["warning"]
    return str(logs[0]["reason"])


def test_a_snapshot_holds_the_table_and_its_seq(path: Path) -> None:
    loaded = snapshot.load(path.parent, "abc")
    assert loaded is not None
    table, seq = loaded
    original, keys = some_table(), np.arange(510)
    assert (seq, len(table)) == (17, len(original))
    for mine, theirs in zip(table.get(keys), original.get(keys), strict=True):
        assert np.array_equal(mine, theirs)
    query = np.zeros((1, 8), np.uint8)
    assert table.search(query, 600)[0].keys.tolist() == original.search(query, 600)[0].keys.tolist()


def test_a_mapped_table_takes_writes_and_leaves_the_file_alone(path: Path) -> None:
    before = path.read_bytes()
    loaded = snapshot.load(path.parent, "abc")
    assert loaded is not None
    loaded[0].add(np.zeros((1, 8), np.uint8), np.array([3]))
    loaded[0].delete(np.array([10]))
    assert loaded[0].search(np.zeros((1, 8), np.uint8), 1)[0].keys.tolist() == [3]
    assert path.read_bytes() == before


def test_no_snapshot_is_no_news(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert snapshot.load(tmp_path, "abc") is None
    assert logs == []


@pytest.mark.parametrize("kept", [0, 100, 4096, 5000])
def test_a_snapshot_cut_short_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path.parent)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**30), bit=st.integers(0, 7))
def test_a_flipped_bit_is_detected(path: Path, place: int, bit: int) -> None:
    good = path.read_bytes()
    bad = bytearray(good)
    bad[place % len(bad)] ^= 1 << bit
    path.write_bytes(bad)
    try:
        assert refusal(path.parent)
    finally:
        path.write_bytes(good)


def test_a_snapshot_of_another_space_is_refused(path: Path) -> None:
    path.rename(snapshot.path_of(path.parent, "def"))
    assert "of space abc" in refusal(path.parent, "def")


def test_a_snapshot_of_an_old_format_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 8, 0)
    path.write_bytes(data)
    assert "format 0" in refusal(path.parent)


def test_a_newer_snapshot_replaces_the_older_and_a_failed_one_does_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.save(some_table(), path.parent, "abc", 18)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        snapshot.save(some_table(), path.parent, "abc", 19)
    loaded = snapshot.load(path.parent, "abc")
    assert loaded is not None
    assert loaded[1] == 18
    assert list(path.parent.iterdir()) == [path]


def test_prune_deletes_only_the_named_spaces(path: Path) -> None:
    other = snapshot.save(some_table(), path.parent, "def", 1)
    assert snapshot.prune(path.parent, {"def", "gone"}) == [other]
    assert list(path.parent.iterdir()) == [path]
