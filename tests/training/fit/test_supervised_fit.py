from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from service.errors import InvalidInput
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
    assert precision(corpus, config, labels) > precision(corpus, config, None) + 0.15


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
