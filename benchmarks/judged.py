"""Documents and queries of a set, as texts: what each query should find, by label or by judgment."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.split import id_positions


@dataclass(frozen=True)
class TextTask:
    """Documents, queries, and what is right.

    Attributes:
        name: of the set.
        ids: `n` ids of the documents, unique.
        documents: `n` texts.
        queries: `q` texts.
        gains: `(q, n)` float32, gain of each document for each query: a judgment, or 1 for an equal label.
        is_judged: the gains are judgments.
    """

    name: str
    ids: list[str]
    documents: list[str]
    queries: list[str]
    gains: NDArray[np.float32]
    is_judged: bool


def read_task(path: Path, most: int = 0) -> TextTask:
    """The task of a `corpus.jsonl[.gz]`: judged if `queries.jsonl[.gz]` lies beside it, else labelled.

    Queries of a labelled set are its split `test`, or a tenth chosen by id; at most a thousand are asked.

    Args:
        path: of the corpus.
        most: documents at most, those with the smallest hashes of their ids; 0: all. Judged sets are read whole.
    """
    beside = [path.parent / f"queries.jsonl{suffix}" for suffix in (".gz", "")]
    queries = next((file for file in beside if file.exists()), None)
    return _labelled(path, most) if queries is None else _judged(path, queries)


def _judged(path: Path, queries_path: Path) -> TextTask:
    rows = list(_lines(path))
    ids = [str(row["_id"]) for row in rows]
    documents = [f"{row.get('title') or ''}\n{row['text']}".strip() for row in rows]
    judgments = next(file for name in ("qrels_test.tsv", "qrels.tsv") if (file := path.parent / name).exists())
    position = {id: i for i, id in enumerate(ids)}
    gains: dict[str, dict[int, float]] = {}
    with judgments.open() as file:
        for query, document, gain in list(csv.reader(file, delimiter="\t"))[1:]:
            if document in position and float(gain) > 0:
                gains.setdefault(query, {})[position[document]] = float(gain)
    asked = [(row["text"], gains[str(row["_id"])]) for row in _lines(queries_path) if str(row["_id"]) in gains]
    matrix = np.zeros((len(asked), len(ids)), dtype=np.float32)
    for i, (_, right) in enumerate(asked):
        matrix[i, list(right)] = list(right.values())
    return TextTask(path.parent.name, ids, documents, [text for text, _ in asked], matrix, True)


def _labelled(path: Path, most: int, most_queries: int = 1_000) -> TextTask:
    rows = [row for row in _lines(path) if row["text"].strip()]
    places = id_positions([str(row["id"]) for row in rows])
    has_splits = any(row.get("split") == "test" for row in rows)
    is_query = np.array([row.get("split") == "test" if has_splits else p < 0.1 for row, p in zip(rows, places)])  # noqa: B905
    asked, kept = np.flatnonzero(is_query), np.flatnonzero(~is_query)
    asked = np.sort(asked[np.argsort(places[asked])[:most_queries]])
    kept = np.sort(kept[np.argsort(places[kept])[: most or None]])
    labels = np.array([str(row["label"]) for row in rows])
    gains = (labels[asked][:, None] == labels[kept][None, :]).astype(np.float32)  # (q, n)
    texts = [row["text"].replace("\x00", " ") for row in rows]
    ids, documents = [str(rows[i]["id"]) for i in kept], [texts[i] for i in kept]
    return TextTask(path.parent.name, ids, documents, [texts[i] for i in asked], gains, False)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from map(json.loads, file)
