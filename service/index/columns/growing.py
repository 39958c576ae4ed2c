"""Growing: an array that one thread appends to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Growing:
    """An array that one thread appends to, while others read what was there when they looked."""

    __slots__ = ("_array", "_n")

    def __init__(self, dtype: Any) -> None:
        self._array: NDArray[Any] = np.empty(0, dtype)
        self._n = 0

    def append(self, values: Any) -> None:
        """Add some values behind those there are."""
        n = self._n + len(values)
        if n > len(self._array):
            larger = np.empty(max(n, min(2 * n, n + (1 << 20)) if self._n else n), self._array.dtype)
            larger[: self._n] = self._array[: self._n]
            self._array = larger
        self._array[self._n : n] = values
        self._n = n

    def now(self) -> NDArray[Any]:
        """What is there now; the part before its end never changes."""
        n = self._n  # before the array, which only grows
        return self._array[:n]

    @property
    def memory_bytes(self) -> int:
        """Bytes of the array, with the room to grow."""
        return self._array.nbytes
