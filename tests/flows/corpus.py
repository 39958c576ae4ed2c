"""Small texts about a few subjects, from one seed: enough for codes to be learned in seconds."""

from __future__ import annotations

import random
from typing import Any

from tests.flows.processes import Api

_SUBJECTS = {
    "cooking": "bread oven flour butter sugar recipe bake kitchen dough yeast salt pan",
    "sailing": "boat wind sail harbor anchor knot mast tide rudder crew deck wave",
    "music": "piano violin chord melody rhythm concert score choir tempo string bass note",
    "space": "orbit rocket planet moon star telescope gravity launch comet galaxy probe crater",
    "garden": "soil seed rose tomato water spade compost hedge lawn root flower prune",
    "money": "bank loan interest stock market bond price tax budget profit debt fund",
}
_COMMON = ["the", "a", "of", "with", "for", "very", "small", "big"]


def documents(n: int, start: int = 0, seed: int = 7) -> list[dict[str, Any]]:
    """`n` documents with ids d{start}, d{start + 1}, ..."""
    out = []
    for i in range(start, start + n):
        rng = random.Random(seed * 1_000_003 + i)
        subject = rng.choice(sorted(_SUBJECTS))
        words = rng.choices(_SUBJECTS[subject].split(), k=12) + rng.choices(_COMMON, k=4)
        rng.shuffle(words)
        out.append({"id": f"d{i}", "text": " ".join(words), "metadata": {"subject": subject}})
    return out


def fill(api: Api, n: int, collection: str = "texts", n_bits: int = 32) -> None:
    """A collection of that many documents, in the answers of this process when it returns."""
    api.put(f"/collections/{collection}", {"n_bits": n_bits})
    seq = 0
    for start in range(0, n, 1_000):
        stored = api.post(
            f"/collections/{collection}/documents", {"documents": documents(min(1_000, n - start), start)}
        )
        seq = stored["seq"]
    api.get(f"/collections/{collection}/similar", q="bread", at_least_seq=seq)
