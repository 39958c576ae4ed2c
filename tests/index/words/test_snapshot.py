"""A snapshot is the index it was made from, or is refused and the log says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.index.hamming import snapshot as hamming_snapshot
from service.index.words import Clause, WordIndex, snapshot

QUERY = [Clause((("a", 1.0),)), Clause((("c", 1.0),))]


def some_index() -> WordIndex:
    index = WordIndex()
    index.put(np.arange(100), [["a", "b"], ["c"]] * 50, [["t"], []] * 50)
    index.put(np.array([3, 200]), [["a"], ["neu"]])
    index.delete([5])
    return index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return snapshot.save(some_index(), tmp_path, "abc", 17, "token")


def refusal(folder: Path, name: str = "abc", is_ours: bool = True) -> str:
    with capture_logs() as logs:
        assert snapshot.load(folder, name, lambda seq, token: is_ours) is None
    assert [line["log_level"] for line in logs] == ["warning"]
    assert logs[0]["event"] == "snapshot refused, words are read from SQL"
    return str(logs[0]["reason"])


def test_a_snapshot_holds_the_index_and_its_seq(path: Path) -> None:
    loaded = snapshot.load(path.parent, "abc", lambda seq, token: (seq, token) == (17, "token"))
    assert loaded is not None
    index, seq = loaded
    original = some_index()
    assert (seq, len(index), index.n_terms) == (17, len(original), original.n_terms)
    for mine, theirs in zip(index.search(QUERY, 500), original.search(QUERY, 500), strict=True):
        assert np.array_equal(mine, theirs)
    assert snapshot.peek(path.parent, "abc") == (17, "token")


def test_an_empty_index_can_be_kept(tmp_path: Path) -> None:
    snapshot.save(WordIndex(), tmp_path, "none", 1)
    loaded = snapshot.load(tmp_path, "none")
    assert loaded is not None
    assert len(loaded[0]) == 0
    loaded[0].put(np.array([1]), [["a"]])
    assert loaded[0].search(QUERY, 1).keys.tolist() == [1]


def test_a_mapped_index_takes_writes_and_leaves_the_file_alone(path: Path) -> None:
    before = path.read_bytes()
    loaded = snapshot.load(path.parent, "abc")
    assert loaded is not None
    loaded[0].put(np.array([1]), [["a", "neu"]])
    loaded[0].delete(np.arange(10, 90))
    assert loaded[0].document_frequency("neu") == 2
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_trusted_is_refused(path: Path) -> None:
    good = path.read_bytes()
    for place in (0, 9, 20, 4096, 4500, len(good) - 1):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        assert refusal(path.parent)
    path.write_bytes(good[:-8])
    assert refusal(path.parent)
    path.write_bytes(good)
    assert "another history" in refusal(path.parent, is_ours=False)
    path.rename(snapshot.path_of(path.parent, "def"))
    assert "of index abc" in refusal(path.parent, "def")


def test_snapshots_of_codes_and_of_words_share_a_folder(path: Path) -> None:
    hamming_snapshot.path_of(path.parent, "abc").touch()
    assert (snapshot.names(path.parent), hamming_snapshot.names(path.parent)) == (["abc"], ["abc"])
    assert snapshot.prune(path.parent, ["abc"]) == [path]
    assert hamming_snapshot.names(path.parent) == ["abc"]
