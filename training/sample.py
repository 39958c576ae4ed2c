"""Sample: the documents that a training learns from and is judged on, and what people said of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from service.hashing.content import Content, of_model
from service.hashing.embedding_models import FIRST
from service.store import document_samples, documents, pairs
from service.store.documents import Document
from service.store.pairs import Pair
from service.store.spaces import CodeSpace
from training.data.supervision import Supervision

_PAIRS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Sample:
    """Documents of a collection.

    Attributes:
        contents: what the space encodes of each.
        ids: of each.
        metadata: of each.
        pairs: what people said, of documents of the sample alone.
    """

    contents: list[Content]
    ids: list[str]
    metadata: list[Mapping[str, Any]]
    pairs: list[Pair]

    @classmethod
    def read(cls, connection: Connection, space: CodeSpace, n: int, seed: int, *, with_pairs: bool) -> Sample:
        """At most `n` documents of the collection of a space, chosen at random; with pairs, all documents of these too.

        Documents without a vector of the model that the space encodes are left out.
        """
        model = None if space.model == FIRST else space.model
        chosen = document_samples.sample(connection, space.collection_id, n, seed, model)
        said = _all_pairs(connection, space.collection_id) if with_pairs else []
        chosen += _lacking(connection, space.collection_id, chosen, said)
        found = [(content, one) for one in chosen if (content := of_model(one.content, space.model)) is not None]
        ids = [one.id for _, one in found]
        known = set(ids)
        return cls(
            [content for content, _ in found],
            ids,
            [one.metadata for _, one in found],
            [pair for pair in said if pair.a in known and pair.b in known],
        )

    def said(self, field: str | None) -> Supervision:
        """What is known of the documents: by a metadata field, if one is named, and by the pairs of the sample."""
        rows = {id: row for row, id in enumerate(self.ids)}
        labels = [labels_of(one, field) for one in self.metadata]
        return Supervision.of(labels, [(rows[pair.a], rows[pair.b], pair.similar) for pair in self.pairs])


def labels_of(metadata: Mapping[str, Any], field: str | None) -> list[str]:
    """The labels of a document: the value of a metadata field, or each item of a list; none where it has no value."""
    value = None if field is None else metadata.get(field)
    items = value if isinstance(value, list) else [value]
    return [json.dumps(item, sort_keys=True) for item in items if item is not None]


def _all_pairs(connection: Connection, collection_id: int) -> list[Pair]:
    found: list[Pair] = []
    while part := pairs.page(connection, collection_id, found[-1].number if found else 0, _PAIRS_AT_ONCE):
        found += part
    return found


def _lacking(
    connection: Connection, collection_id: int, chosen: Sequence[Document], said: Sequence[Pair]
) -> list[Document]:
    """The documents of pairs that were not chosen, as far as they exist."""
    lacking = {id for pair in said for id in (pair.a, pair.b)} - {one.id for one in chosen}
    return documents.by_ids(connection, collection_id, sorted(lacking), float("inf"))[0]
