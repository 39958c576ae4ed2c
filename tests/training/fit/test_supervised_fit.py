from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image as PillowImage

from service.errors import InvalidInput
from service.hashing.content import Content, Embedding, Image
from tests.training.conftest import Corpus
from training.config import TrainingConfig
from training.data.split import split
from training.data.supervision import Supervision
from training.fit.fit import fit
from training.recall import all_distances

Quick = Callable[..., TrainingConfig]


def mixed(topics: np.ndarray) -> list[list[str]]:
    """A label for each document that joins topics which have no word of their own in common."""
    return [[str(topic % 2)] for topic in topics]


def precision(corpus: Corpus, config: TrainingConfig, supervision: Supervision | None) -> float:
    """Share of the 100 training documents nearest to a held-out one that have its mixed label."""
    function = fit(corpus.contents, corpus.ids, config, supervision=supervision).function
    parts, codes = split(corpus.ids), function.encode(corpus.contents).codes
    nearest = np.argsort(all_distances(codes[parts.held_out], codes[parts.train]), axis=1, kind="stable")[:, :100]
    labels = corpus.topics % 2
    return float((labels[parts.train][nearest] == labels[parts.held_out][:, None]).mean())


@pytest.mark.parametrize("aim", ["topics", "nearest"])
def test_codes_bring_together_documents_that_share_a_label(corpus: Corpus, quick: Quick, aim: str) -> None:
    config, labels = quick(epochs=40, aim=aim, rarity=1), Supervision.of(mixed(corpus.topics))
    assert precision(corpus, config, labels) > precision(corpus, config, None) + 0.1


def test_codes_of_a_pair_come_near_or_far_as_people_said(corpus: Corpus, quick: Quick) -> None:
    labels, config = corpus.topics % 2, quick(epochs=40, rarity=1)
    ends = np.random.default_rng(1).choice(split(corpus.ids).train, size=(200, 2))
    alike = labels[ends[:, 0]] == labels[ends[:, 1]]
    pairs = [(int(a), int(b), bool(same)) for (a, b), same in zip(ends, alike, strict=True)]

    def margin(supervision: Supervision | None) -> float:
        """How many bits unlike pairs are farther apart than pairs that are alike."""
        codes = fit(corpus.contents, corpus.ids, config, supervision=supervision).function.encode(corpus.contents).codes
        distances = all_distances(codes, codes)[ends[:, 0], ends[:, 1]]
        return float(distances[~alike].mean() - distances[alike].mean())

    without, supervised = (margin(said) for said in (None, Supervision.of([[] for _ in corpus.ids], pairs)))
    assert supervised > without + 0.5


def test_what_is_said_of_held_out_documents_is_not_learned_from(corpus: Corpus, quick: Quick) -> None:
    labels = mixed(corpus.topics)
    other = [those if row in split(corpus.ids).train else ["2"] for row, those in enumerate(labels)]
    config = quick(epochs=2, rarity=1)
    first, second = (
        fit(corpus.contents, corpus.ids, config, supervision=Supervision.of(said)) for said in (labels, other)
    )
    assert first.function.to_bytes() == second.function.to_bytes()


def test_supervision_that_cannot_be_learned_from_is_refused(corpus: Corpus, quick: Quick) -> None:
    unlike = Supervision.of([[str(i)] for i in range(300)])
    with pytest.raises(InvalidInput, match=r"two of the 2\d\d training documents that share a label"):
        fit(corpus.contents, corpus.ids, quick(), supervision=unlike)
    with pytest.raises(InvalidInput, match="needs variant 'neighbor', got 'sparse'"):
        fit(corpus.contents, corpus.ids, quick(variant="sparse"), supervision=unlike)


@pytest.mark.parametrize("kind", ["embedding", "image"])
def test_codes_of_vectors_and_pictures_learn_labels_too(quick: Quick, kind: str) -> None:
    rng = np.random.default_rng(1)
    centers, groups = rng.random((6, 64)), rng.integers(6, size=300)
    rows = np.clip(centers[groups] + 0.1 * rng.standard_normal((300, 64)), 0, 1).astype(np.float32)
    contents: Sequence[Content] = (
        [Embedding(row) for row in rows] if kind == "embedding" else [picture(row) for row in rows]
    )
    ids = [f"doc-{i}" for i in range(300)]
    options: dict[str, object] = {} if kind == "embedding" else {"image_size": 8, "hidden": (32,)}
    config = TrainingConfig.parse({"n_bits": 16, "epochs": 25, "batch_size": 32, "device": "cpu", **options})
    labels = groups % 2

    def precision_by_label(supervision: Supervision | None) -> float:
        parts = split(ids)
        codes = fit(contents, ids, config, supervision=supervision).function.encode(contents).codes
        nearest = np.argsort(all_distances(codes[parts.held_out], codes[parts.train]), axis=1, kind="stable")[:, :100]
        return float((labels[parts.train][nearest] == labels[parts.held_out][:, None]).mean())

    with_labels = precision_by_label(Supervision.of([[str(label)] for label in labels]))
    without = precision_by_label(None)
    assert with_labels > without + 0.1


def picture(shades: np.ndarray) -> Image:
    """A picture of 8 by 8 pixels."""
    file = io.BytesIO()
    PillowImage.fromarray((255 * shades.reshape(8, 8)).astype(np.uint8)).save(file, "PNG")
    return Image(file.getvalue())
