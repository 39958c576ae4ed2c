import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from benchmarks.corpora import read
from service.errors import InvalidInput


def counts(seed: int, n: int) -> csr_matrix:
    drawn = random_array((n, 12), density=0.4, rng=np.random.default_rng(seed), format="csr")
    whole = csr_matrix(drawn, dtype=np.float32)
    whole.data = np.ceil(3 * whole.data)
    return whole


def stored(path: Path, change: dict[str, Any] | None = None, *, scale: float = 1.0) -> Path:
    arrays: dict[str, Any] = {}
    for seed, (split, n) in enumerate({"train": 30, "cv": 5, "test": 8}.items()):
        rows = counts(seed, n) * scale
        arrays |= {f"{split}_{part}": getattr(rows, part) for part in ("data", "indices", "indptr", "shape")}
        arrays[f"{split}_labels"] = np.eye(3, dtype=np.uint8)[np.arange(n) % 3]
    arrays |= change or {}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def texts(path: Path, splits: list[str]) -> Path:
    lines = [{"id": str(i), "label": i % 2, "split": s, "text": f"a word{i % 2} more"} for i, s in enumerate(splits)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_counts_are_weighed_and_scaled_to_unit_length(tmp_path: Path) -> None:
    corpus = read(stored(tmp_path / "bow.npz"))
    lengths = np.sqrt(np.asarray(corpus.train.power(2).sum(axis=1))).ravel()
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)


def test_weights_are_read_as_they_are_from_a_file_named_for_them(tmp_path: Path) -> None:
    corpus = read(stored(tmp_path / "news-tfidf.npz", scale=0.173))
    expected = counts(0, 30).toarray()
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(corpus.train.toarray(), expected, rtol=1e-5)


def test_weights_in_a_file_of_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no counts; weights are read from a file named tfidf"):
        read(stored(tmp_path / "bow.npz", scale=0.173))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test_data": None}, "lacks test_data"),
        ({"test_labels": None, "cv_indptr": None}, "lacks cv_indptr, test_labels"),
        ({"test_labels": np.zeros((8, 3))}, "no label of a test document occurs"),
        ({"test_labels": np.ones((7, 3))}, "8 test documents have 7 rows of labels"),
        ({"train_data": -counts(0, 30).data}, "values below 0"),
        ({"train_data": np.full_like(counts(0, 30).data, np.nan)}, "values below 0 or none at all"),
    ],
)
def test_a_file_that_would_be_misread_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read(stored(tmp_path / "bow.npz", change))


def test_no_test_documents_at_all_are_refused(tmp_path: Path) -> None:
    nothing = {"test_data": [], "test_indices": [], "test_indptr": [0], "test_shape": (0, 12)}
    with pytest.raises(InvalidInput, match="no documents of the split 'test'"):
        read(stored(tmp_path / "bow.npz", {**nothing, "test_labels": np.zeros((0, 3))}))


@pytest.mark.parametrize("splits", [["train"] * 40, ["test"] * 40, ["train", "dev"] * 20])
def test_texts_without_a_test_split_are_refused(tmp_path: Path, splits: list[str]) -> None:
    with pytest.raises(InvalidInput, match="must have documents of the split 'test' and of another one"):
        read(texts(tmp_path / "corpus.jsonl", splits))
