from dataclasses import dataclass

import numpy as np
import pytest
import torch

from service.hashing.content import Text
from training.config import TrainingConfig


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of floats come in one order, and tests leave the other cores alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Corpus:
    ids: list[str]
    contents: list[Text]
    topics: np.ndarray


@pytest.fixture(scope="session")
def corpus():
    """300 documents on 6 topics of 15 words each, with 40 words that say nothing."""
    rng = np.random.default_rng(7)
    topics = rng.integers(6, size=300)
    texts = []
    for topic in topics:
        own = [f"topic{topic}word{i}" for i in rng.integers(15, size=8)]
        texts.append(" ".join([*own, *(f"filler{i}" for i in rng.integers(40, size=5))]))
    return Corpus([f"doc-{i}" for i in range(300)], [Text(text) for text in texts], topics)


@pytest.fixture
def quick():
    """A configuration small enough for a test; options override it."""

    def quick(**options):
        small = {"n_bits": 16, "hidden": (32,), "epochs": 6, "batch_size": 32, "device": "cpu"}
        return TrainingConfig.parse(small | options)

    return quick
