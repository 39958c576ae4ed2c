"""Labelled corpora as features of three splits: word counts, texts, pictures."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from service.errors import InvalidInput
from service.hashing.content import Text
from service.hashing.featurizers import Features
from service.hashing.featurizers.text import TextFeaturizer
from training.data.split import id_positions

_SPLITS = ("train", "cv", "test")
_ARRAYS = (
    *(f"{split}_{part}" for split in _SPLITS for part in ("data", "indices", "indptr", "shape")),
    *("train_labels", "test_labels"),
)


@dataclass(frozen=True)
class Corpus:
    """Features and labels of three splits.

    Attributes:
        name: of the corpus.
        kind: what the features are: counts (rows of unit length) or bits (shades of pixels from 0 to 1).
        train, validation, test: `(n, F)` features.
        train_labels, test_labels: `(n, n_labels)` zeros and ones.
        train_texts, test_texts: the texts themselves; none if the file has counts or pictures.
    """

    name: str
    kind: str
    train: Features
    validation: Features
    test: Features
    train_labels: NDArray[np.float32]
    test_labels: NDArray[np.float32]
    train_texts: tuple[str, ...] = ()
    test_texts: tuple[str, ...] = ()


def read(path: Path) -> Corpus:
    """The corpus in a file: word counts as `bow.npz`, weights as `tfidf.npz`, pictures as MNIST comes, JSONL of texts.

    Raises:
        InvalidInput: it would be misread: weights in a file of counts, no documents to learn from or to ask with, a
            split without labels, labels of which none occurs in both.
    """
    name = f"{path.parent.name}/{path.name}"
    if path.suffix != ".npz":
        return _checked(_texts(path, name))
    with np.load(path) as stored:
        if "x_train" in stored:
            return _checked(_pictures(stored, name))
        return _checked(_words(stored, name, are_weights="tfidf" in path.stem.lower()))


def _checked(corpus: Corpus) -> Corpus:
    for what, features, labels in (
        ("train", corpus.train, corpus.train_labels),
        ("test", corpus.test, corpus.test_labels),
    ):
        if not features.shape[0]:
            raise InvalidInput(f"{corpus.name} has no documents of the split {what!r}")
        if len(labels) != features.shape[0]:
            raise InvalidInput(f"{corpus.name}: {features.shape[0]} {what} documents have {len(labels)} rows of labels")
    if not (corpus.train_labels.sum(axis=0) * corpus.test_labels.sum(axis=0)).any():
        raise InvalidInput(f"{corpus.name}: no label of a test document occurs among the train documents")
    return corpus


def _words(stored: np.lib.npyio.NpzFile, name: str, are_weights: bool) -> Corpus:
    """Counts, weighed here; or weights, taken as they are with rows scaled to unit length."""
    if missing := [array for array in _ARRAYS if array not in stored]:
        raise InvalidInput(f"{name} lacks {', '.join(missing)}")
    counts = {
        s: csr_matrix(
            (stored[f"{s}_data"].astype(np.float32), stored[f"{s}_indices"], stored[f"{s}_indptr"]),
            shape=tuple(stored[f"{s}_shape"]),
        )
        for s in _SPLITS
    }
    labels = {s: stored[f"{s}_labels"].astype(np.float32) for s in ("train", "test")}
    values = np.concatenate([matrix.data for matrix in counts.values()])
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise InvalidInput(f"{name} has values below 0 or none at all, neither counts nor weights of words")
    if are_weights:
        rows = {s: _unit(matrix) for s, matrix in counts.items()}
        return Corpus(name, "counts", rows["train"], rows["cv"], rows["test"], labels["train"], labels["test"])
    if (real := values[values != np.rint(values)]).size:
        raise InvalidInput(f"{name} has values like {real[0]:.3g}, no counts; weights are read from a file named tfidf")
    document_frequency = np.bincount(counts["train"].indices, minlength=counts["train"].shape[1])
    idf = np.log((1 + counts["train"].shape[0]) / (1 + document_frequency)) + 1
    rows = {s: _weigh(matrix, idf) for s, matrix in counts.items()}
    return Corpus(name, "counts", rows["train"], rows["cv"], rows["test"], labels["train"], labels["test"])


def _weigh(counts: csr_matrix, idf: NDArray[np.float64]) -> csr_matrix:
    """Sublinear TF-IDF, rows of unit length: the weighting of the service's own featurizer."""
    weighted = counts.copy()
    weighted.data = ((1 + np.log(counts.data)) * idf[counts.indices]).astype(np.float32)
    return _unit(weighted)


def _unit(rows: csr_matrix) -> csr_matrix:
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return csr_matrix(diags(1 / np.where(norms > 0, norms, 1)) @ rows, dtype=np.float32)


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
    if not is_test.any() or is_test.all():
        given = ", ".join(sorted(set(named.tolist())))
        raise InvalidInput(f"{name} must have documents of the split 'test' and of another one, its splits: {given}")
    is_validation = ~is_test & (places >= 0.1) & (places < 0.15)
    parts = [np.flatnonzero(m) for m in (~is_test & ~is_validation, is_validation, is_test)]
    texts = [[Text(documents[i]["text"].replace("\x00", " ")) for i in part] for part in parts]
    featurizer = TextFeaturizer().fit(texts[0])
    all_labels = sorted({str(d["label"]) for d in documents})
    position = {label: i for i, label in enumerate(all_labels)}
    one_hot = np.eye(len(all_labels), dtype=np.float32)[[position[str(d["label"])] for d in documents]]
    rows = [featurizer.transform(t) for t in texts]
    raw = [tuple(text.text for text in texts[part]) for part in (0, 2)]
    return Corpus(name, "counts", rows[0], rows[1], rows[2], one_hot[parts[0]], one_hot[parts[2]], raw[0], raw[1])
