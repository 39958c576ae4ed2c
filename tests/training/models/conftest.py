from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from training.config import TrainingConfig
from training.data.batches import Dataset
from training.fit.run import TrainingRun


@pytest.fixture(scope="session")
def digits():
    """1,797 digits of 8 x 8 shades from 0 to 1."""
    return (load_digits().data / 16).astype(np.float32)


@pytest.fixture
def learn():
    """Train a variant on dense features through the one loop; returns the `TrainingRun`, model and history in it."""

    def learn(variant, features, *, targets=None, patience=1000, **plan):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        config = TrainingConfig(variant=variant, n_bits=8, device="cpu", patience=patience)
        output = plan.pop("output", "bits")
        whole = replace(config.plan(len(features), output), **plan)
        train = Dataset(features, features if targets is None else targets, None, whole.output)
        run = TrainingRun(train, train, whole, config)
        run.run(None, lambda: None, None)
        torch.set_num_threads(threads)
        return run

    return learn
