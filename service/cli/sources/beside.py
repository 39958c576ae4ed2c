"""Files that go with a file of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BesideVectors:
    """Files with a line for each vector.

    Attributes:
        ids: one id a line, or a `.npy` file of them; without it, and without ids in a `.npz` file, rows are numbered.
        metadata: one JSON object a line.
        texts: one text a line; where the file ends in `.jsonl`, one JSON string, or object with `text` and `title`.
    """

    ids: Path | None = None
    metadata: Path | None = None
    texts: Path | None = None

    @property
    def given(self) -> dict[str, Path]:
        """Those that are given, by name."""
        named = {"ids": self.ids, "metadata": self.metadata, "texts": self.texts}
        return {name: path for name, path in named.items() if path is not None}
