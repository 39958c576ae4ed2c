import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_rows

from training.loops import reference
from training.loops.products import dense_product
from training.loops.select import answers_alike, loops


class Wrong:
    """Numpy's loops, one of which does nothing."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        return (lambda *_: 0) if name == self.name else getattr(reference, name)


def test_the_compiled_loops_do_as_numpy_does(monkeypatch):
    monkeypatch.setenv("NEARBIT_KERNEL", "numba")
    from training.loops import compiled

    assert answers_alike(compiled)


@pytest.mark.parametrize("name", ["by_word", "sum_rows", "catch_up", "adam", "add_products", "keep_best"])
def test_loops_of_which_one_is_wrong_are_refused(name):
    try:
        assert not answers_alike(Wrong(name))
    except IndexError:  # none of the others can go on without it
        assert name == "by_word"


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 30), st.integers(1, 9), st.floats(0, 1))
def test_a_dense_product_is_the_product(seed, n, k, m, density):
    rng = np.random.default_rng(seed)
    left, right = (csr_matrix(random_rows(*shape, density, rng=rng, dtype=np.float32)) for shape in ((n, k), (k, m)))
    np.testing.assert_allclose(dense_product(left, right), (left @ right).toarray(), atol=1e-5)


def test_numpy_runs_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("NEARBIT_KERNEL", "numpy")
    loops.cache_clear()
    assert loops().now is reference
    loops.cache_clear()
