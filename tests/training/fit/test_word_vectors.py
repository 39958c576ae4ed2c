import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_rows

from service.hashing.network import SparseBatch
from training.fit.word_vectors import WordVectors
from training.loops.select import loops

N_WORDS, WIDTH, ROWS = 300, 24, 160


@pytest.fixture(params=["numba", "numpy"])
def engine(request, monkeypatch):
    monkeypatch.setenv("NEARBIT_KERNEL", request.param)
    loops.cache_clear()
    yield request.param
    loops.cache_clear()


def learned(by_word: bool, n_steps: int, settle_every: int = 1000) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    """Word vectors, and Adam's state of them, after steps of which each sees a tenth of the words or fewer."""
    rng = np.random.default_rng(0)
    vectors = torch.nn.Parameter(torch.from_numpy(rng.standard_normal((N_WORDS, WIDTH)).astype(np.float32)))
    optimizer = torch.optim.Adam([vectors], fused=True)
    words = WordVectors(vectors, optimizer) if by_word else None
    target = torch.from_numpy(rng.standard_normal((ROWS, WIDTH)).astype(np.float32))
    for i in range(n_steps):
        rows = csr_matrix(random_rows(ROWS, N_WORDS, 0.0007, rng=rng, dtype=np.float32, format="csr"))
        rows.data = np.where(rng.random(rows.nnz) < 0.3, 0, rows.data + 0.5).astype(np.float32)
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - i / n_steps)
        optimizer.zero_grad()
        sums = torch.from_numpy(rows.toarray()) @ vectors if words is None else words.sums(SparseBatch.of(rows))
        (sums - target).square().sum().backward()
        if words is not None:
            words.step(sums.grad)
        optimizer.step()
        if words is not None and i % settle_every == settle_every - 1:
            words.settle()
    if words is not None:
        words.settle()
    return vectors.detach().numpy().copy(), optimizer.state[vectors]


@pytest.mark.parametrize("settle_every", [1000, 7])
def test_words_that_wait_for_their_batches_end_where_plain_adam_brings_them(engine, settle_every):
    expected, state = learned(by_word=False, n_steps=60)
    vectors, own_state = learned(by_word=True, n_steps=60, settle_every=settle_every)
    np.testing.assert_allclose(vectors, expected, atol=2e-4)
    for name in ("step", "exp_avg", "exp_avg_sq"):
        np.testing.assert_allclose(own_state[name], state[name], rtol=1e-3, atol=1e-7)


def test_threads_change_no_digit_of_a_word_vector():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone, _ = learned(by_word=True, n_steps=20)
        torch.set_num_threads(3)
        together, _ = learned(by_word=True, n_steps=20)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(alone, together)
