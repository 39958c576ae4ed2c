"""The dense product of two sparse matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.loops.select import loops


def dense_product(left: csr_matrix, right: csr_matrix) -> NDArray[np.float32]:
    """The product `(n, m)` of CSR matrices `(n, k)` and `(k, m)`, both float32.

    Cost: one multiplication for each pair of entries that meet; a sparse product also sorts them.
    """
    out = np.zeros((left.shape[0], right.shape[1]), dtype=np.float32)
    add = loops().now.add_products
    add(left.indices, left.data, left.indptr, right.indptr, right.indices, right.data, out, 0, len(out))
    return out
