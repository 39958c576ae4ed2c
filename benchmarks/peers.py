"""What a user would pick instead of learned codes: two models that give a text a vector, each behind one small call.

Both ship their weights in the wheel (extra `bench`), so nothing is downloaded: `wordllama` averages static vectors of
256 entries of the parts of words; `minilm` is the sentence transformer all-MiniLM-L6-v2, 384 entries, which reads the
first 256 tokens of a text. Vectors are kept in a folder, because MiniLM takes minutes for a corpus.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""`(n, dims)`, rows of unit length."""

CACHE = Path(tempfile.gettempdir()) / "nearbit-peers"


def wordllama(texts: Sequence[str]) -> Vectors:
    """Means of static vectors. Source: Miller (2024), "WordLlama: recycled token embeddings from LLMs"."""
    import wordllama as package

    # Its folder is named as a cache too, because without that it looks for its tokenizer where it does not ship it.
    folder = Path(package.__file__).parent
    model = package.WordLlama.load(cache_dir=folder, disable_download=True)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # a batch is padded to its longest text
    vectors = np.empty((len(texts), model.embedding.shape[1]), dtype=np.float32)
    vectors[order] = model.embed([texts[i] or " " for i in order], norm=True, batch_size=16)
    return np.nan_to_num(vectors)


def minilm(texts: Sequence[str]) -> Vectors:
    """Sentence vectors, computed in bfloat16: cosines differ by less than 1e-4, in less than half the time.

    Source: Wang et al. (2020), "MiniLM: deep self-attention distillation"; Reimers, Gurevych (2019), "Sentence-BERT".
    """
    import torch
    from all_minilm_l6_v2 import extract_model
    from sentence_transformers import SentenceTransformer

    with tempfile.TemporaryDirectory() as folder:
        model = SentenceTransformer(str(extract_model(folder)), device="cpu")
    with torch.autocast("cpu", torch.bfloat16):
        vectors: Vectors = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return vectors.astype(np.float32)


PEERS: dict[str, Callable[[Sequence[str]], Vectors]] = {"wordllama": wordllama, "minilm": minilm}


def embed(peer: str, texts: Sequence[str], cache: Path = CACHE) -> Vectors:
    """Vectors of texts by the peer of that name, read from `cache` if it has them.

    Cost: MiniLM embeds 5 to 150 texts a second on one core, by their length; it blocks for as long.
    """
    digest = blake2b("\0".join(texts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    path = cache / f"{peer}-{digest}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, PEERS[peer](texts))
        partial.rename(path)
    vectors: Vectors = np.load(path)
    return vectors
