"""Labelled corpora as features of three splits: word counts, texts, pictures."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from service.hashing.content import Text
from service.hashing.featurizers import Features
from service.hashing.featurizers.text import TextFeaturizer
from training.data.split import id_positions


@dataclass(frozen=True)
class Corpus:
    """Features and labels of three splits.

    Attributes:
        name: of the corpus.
        kind: what the features are: counts (rows of unit length) or bits (shades of pixels from 0 to 1).
        train, validation, test: `(n, F)` features.
        train_labels, test_labels: `(n, n_labels)` zeros and ones.
    """

    name: str
    kind: str
    train: Features
    validation: Features
    test: Features
    train_labels: NDArray[np.float32]
    test_labels: NDArray[np.float32]


def read(path: Path) -> Corpus:
    """The corpus in a file: `bow.npz`, an `.npz` of pictures as MNIST comes, or JSONL of texts with labels."""
    name = f"{path.parent.name}/{path.name}"
    if path.suffix != ".npz":
        return _texts(path, name)
    with np.load(path) as stored:
        return _pictures(stored, name) if "x_train" in stored else _counts(stored, name)


def _counts(stored: np.lib.npyio.NpzFile, name: str) -> Corpus:
    counts = {
        s: csr_matrix(
            (stored[f"{s}_data"].astype(np.float32), stored[f"{s}_indices"], stored[f"{s}_indptr"]),
            shape=tuple(stored[f"{s}_shape"]),
        )
        for s in ("train", "cv", "test")
    }
    labels = {s: stored[f"{s}_labels"].astype(np.float32) for s in ("train", "test")}
    document_frequency = np.bincount(counts["train"].indices, minlength=counts["train"].shape[1])
    idf = np.log((1 + counts["train"].shape[0]) / (1 + document_frequency)) + 1
    rows = {s: _weigh(matrix, idf) for s, matrix in counts.items()}
    return Corpus(name, "counts", rows["train"], rows["cv"], rows["test"], labels["train"], labels["test"])


def _weigh(counts: csr_matrix, idf: NDArray[np.float64]) -> csr_matrix:
    """Sublinear TF-IDF, rows of unit length: the weighting of the service's own featurizer."""
    weighted = counts.copy()
    weighted.data = ((1 + np.log(counts.data)) * idf[counts.indices]).astype(np.float32)
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return csr_matrix(diags(1 / np.where(norms > 0, norms, 1)) @ weighted, dtype=np.float32)


def _pictures(stored: np.lib.npyio.NpzFile, name: str) -> Corpus:
    """Pixels and digits; every twentieth training picture validates."""
    pixels = {
        s: stored[f"x_{s}"].reshape(len(stored[f"x_{s}"]), -1).astype(np.float32) / 255 for s in ("train", "test")
    }
    one_hot = np.eye(int(stored["y_train"].max()) + 1, dtype=np.float32)
    validates = np.arange(len(pixels["train"])) % 20 == 0
    train, validation = pixels["train"][~validates], pixels["train"][validates]
    return Corpus(
        name,
        "bits",
        train,
        validation,
        pixels["test"],
        one_hot[stored["y_train"][~validates]],
        one_hot[stored["y_test"]],
    )


def _texts(path: Path, name: str) -> Corpus:
    """Texts by their own `split`, else a tenth of them, chosen by id, is the test."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        documents = [json.loads(line) for line in file]
    documents = [d for d in documents if d["text"].strip()]
    places = id_positions([str(d["id"]) for d in documents])
    named = np.array([d.get("split", "test" if p < 0.1 else "train") for d, p in zip(documents, places, strict=True)])
    is_test = named == "test"
    is_validation = ~is_test & (places >= 0.1) & (places < 0.15)
    parts = [np.flatnonzero(m) for m in (~is_test & ~is_validation, is_validation, is_test)]
    texts = [[Text(documents[i]["text"].replace("\x00", " ")) for i in part] for part in parts]
    featurizer = TextFeaturizer().fit(texts[0])
    all_labels = sorted({str(d["label"]) for d in documents})
    position = {label: i for i, label in enumerate(all_labels)}
    one_hot = np.eye(len(all_labels), dtype=np.float32)[[position[str(d["label"])] for d in documents]]
    rows = [featurizer.transform(t) for t in texts]
    return Corpus(name, "counts", rows[0], rows[1], rows[2], one_hot[parts[0]], one_hot[parts[2]])
