"""Documents to matrices: the split into training, validation and held-out parts, and seeded minibatches."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import BufferedReader
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from service.errors import InvalidContent, InvalidInput
from service.hashing.content import Text
from service.hashing.featurizers import Features
from service.hashing.network import network_input
from training.data.corruption import Corruption
from training.models import Batch
from training.neighbors.exact import unit_rows

HELD_OUT_SHARE = 0.1
VALIDATION_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of documents in each part, ascending.

    A document's part follows from its id alone: it stays when the collection grows, is shuffled or is sampled.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(ids: Sequence[str]) -> Split:
    """Cut documents into 85 % training, 5 % validation and 10 % held-out by the hash of their ids.

    A part that chance left empty gets the document nearest to it, so that no part of two or more is ever empty.

    Raises:
        InvalidInput: fewer than three documents.
    """
    if len(ids) < 3:
        raise InvalidInput(f"a split needs at least 3 documents, got {len(ids)}")
    places = id_places(ids)
    order = np.argsort(places, kind="stable")
    held_out = max(1, int(np.sum(places < HELD_OUT_SHARE)))
    validation = max(1, int(np.sum(places < HELD_OUT_SHARE + VALIDATION_SHARE)) - held_out)
    held_out = min(held_out, len(ids) - 2)
    validation = min(validation, len(ids) - 1 - held_out)
    ends = held_out, held_out + validation
    return Split(np.sort(order[ends[1] :]), np.sort(order[ends[0] : ends[1]]), np.sort(order[: ends[0]]))


def id_places(ids: Sequence[str]) -> NDArray[np.float64]:
    """The place of each id on the line from 0 to 1, uniform and the same everywhere: `(n,)` float64."""
    digests = b"".join(blake2b(i.encode(), digest_size=8, person=b"nearbit-split").digest() for i in ids)
    return np.frombuffer(digests, dtype="<u8") / 2.0**64


def first_by_id(rows: NDArray[np.int64], ids: Sequence[str], n: int) -> NDArray[np.int64]:
    """At most `n` rows, those whose ids come first by hash, ascending."""
    if len(rows) <= n:
        return rows
    return np.sort(rows[np.argsort(id_places([ids[i] for i in rows]), kind="stable")[:n]])


View = Callable[[Features], NDArray[np.float32]]
"""Gives each row of features a place, `(n, n_dims)` float32 of unit length."""


@dataclass(frozen=True)
class Dataset:
    """Features of documents and what a decoder must give for them.

    Attributes:
        features: `(n, F)` float32, CSR or dense.
        sources: `(m, F)` float32, what targets are averaged from.
        averaging: `(n, m)` CSR float32, row i averages the sources into the target of document i; None: source i.
        output: what targets are: counts, bits or reals.
        n_drawn: how many documents, in the mean, each step of learning draws into a target; 0 takes all.
        view: gives places, whose cosines are added to those of the features; None leaves similarities out.
    """

    features: Features
    sources: Features
    averaging: csr_matrix | None
    output: str = "counts"
    n_drawn: int = 0
    view: View | None = None

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def targets(self, rows: NDArray[np.int64], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Targets of some documents, `(len(rows), n_outputs)` float32; rows of counts sum to one (or zero).

        Args:
            rows: of the documents.
            rng: draws which documents are averaged, `n_drawn` in the mean; None averages all.
        """
        if self.averaging is None:
            mean = self.sources[rows]
        else:
            weights = self.averaging[rows]
            if rng is not None and self.n_drawn:
                kept = rng.random(weights.nnz, dtype=np.float32) < self.n_drawn * len(rows) / max(weights.nnz, 1)
                # Scaled, so that sums keep their mean where they are not scaled to one below.
                weights.data *= kept / max(float(kept.mean()), 1e-6)
                weights.eliminate_zeros()
            mean = weights @ self.sources
        dense: NDArray[np.float32] = mean if isinstance(mean, np.ndarray) else mean.toarray()
        if self.output == "counts":
            sums = dense.sum(axis=1, keepdims=True)
            dense /= np.where(sums > 0, sums, 1)
        return dense

    def row_length(self) -> float:
        """Root mean square of the Euclidean length of the features' rows; 1 if all are zero."""
        entries = self.features if isinstance(self.features, np.ndarray) else self.features.data
        return float(np.sqrt(np.square(entries).sum(dtype=np.float64) / len(self))) or 1.0

    def mean_target(self) -> NDArray[np.float32]:
        """Mean over all targets, `(F,)` float32; of counts before their scaling, itself scaled to sum to one."""
        shares = np.ones(len(self), dtype=np.float32)
        if self.averaging is not None:
            shares = np.asarray(self.averaging.sum(axis=0), dtype=np.float32).ravel()
        sums = np.asarray(self.sources.T @ shares, dtype=np.float32).ravel()
        total = float(sums.sum()) if self.output == "counts" else len(self)
        return sums / max(total, 1e-12)

    def _similarities(self, features: Features, device: torch.device) -> torch.Tensor | None:
        """Of each pair of rows, cosine of features (sparse ones have unit length) plus cosine of places."""
        if self.view is None:
            return None
        places = self.view(features)
        cosines = unit_rows(features) if isinstance(features, np.ndarray) else features
        products = cosines @ cosines.T
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        return torch.from_numpy(dense + places @ places.T).to(device)

    def batches(
        self,
        batch_size: int,
        corruption: float,
        progress: tuple[float, float],
        rng: np.random.Generator,
        device: torch.device,
        corruption_kind: str = "masking",
    ) -> Iterator[Batch]:
        """One pass in random order; a last batch of one document is left out (its bits cannot be balanced).

        Args:
            batch_size: documents per batch.
            corruption: how much of each input is corrupted, see `Corruption`.
            progress: share of the training done before and after this pass.
            rng: draws the order and the corruption.
            device: where batches go.
            corruption_kind: masking, gaussian or salt_pepper.
        """
        corrupting = Corruption.of(self.features, corruption_kind, corruption)
        order = rng.permutation(len(self))
        starts = [s for s in range(0, len(order), batch_size) if len(order) - s > 1]
        for i, start in enumerate(starts):
            rows = order[start : start + batch_size]
            features = self.features[rows]
            clean = network_input(features, device)
            done = progress[0] + (progress[1] - progress[0]) * i / len(starts)
            target = torch.from_numpy(self.targets(rows, rng)).to(device)
            noisy = network_input(corrupting.apply(features, rng), device) if corruption > 0 else clean
            cases = torch.from_numpy(rows).to(device)
            yield Batch(noisy, clean, target, done, cases, self._similarities(features, device))


def read_corpus(path: Path) -> tuple[list[str], list[Text]]:
    """Ids and texts of a JSONL file, plain or gzip: one `{"id": ..., "text": ...}` a line.

    `_id` is taken for `id`, a `title` is put before the text, other keys are left alone; empty lines are skipped.

    Raises:
        InvalidInput: a line that is no such object, or an id that came before; the message names the line.
    """
    ids: list[str] = []
    texts: list[Text] = []
    lines_of: dict[str, int] = {}
    with open_corpus(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                name, text = _document(json.loads(line))
            except (ValueError, InvalidContent) as error:
                raise InvalidInput(f"{path}, line {number}: {error}") from error
            if name in lines_of:
                raise InvalidInput(f"{path}, line {number}: id {name!r} came before, on line {lines_of[name]}")
            lines_of[name] = number
            ids.append(name)
            texts.append(text)
    return ids, texts


def open_corpus(path: Path) -> gzip.GzipFile | BufferedReader:
    """A corpus file, plain or gzip, to read bytes from."""
    if not path.is_file():
        raise InvalidInput(f"no such corpus file: {path}")
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _document(parsed: object) -> tuple[str, Text]:
    if not isinstance(parsed, dict):
        raise ValueError(f'expected an object {{"id": ..., "text": ...}}, got {type(parsed).__name__}')
    name, text, title = parsed.get("id", parsed.get("_id")), parsed.get("text"), parsed.get("title")
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise ValueError(f"id must be a string, got {name!r}")
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {text!r}")
    return str(name), Text(f"{title}\n{text}" if isinstance(title, str) and title else text)
