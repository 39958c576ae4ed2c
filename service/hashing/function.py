"""The hash function: featurizer, encoder network and thresholds, from contents to codes, and to one file and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import safetensors
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.errors import CorruptArtifact
from service.hashing.codes import Codes, pack
from service.hashing.content import Contents
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded, confidence
from service.hashing.featurizers import Features, Featurizer, restore_featurizer
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer
from service.hashing.forward import Forward
from service.hashing.network import EncoderNetwork, SparseBatch, network_input

FORMAT = "nearbit-hash-function-1"
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class HashFunction:
    """Maps contents to binary codes.

    Attributes:
        featurizer: contents to `(n, n_features)` features.
        network: features to `(n, n_bits)` logits.
        thresholds: `(n_bits,)` float32; bit i is one where logit i is greater than thresholds[i].
        seed: if given, the network's weights follow from it and are not stored (see `untrained`).
        device: where the network runs.
    """

    featurizer: Featurizer
    network: EncoderNetwork
    thresholds: NDArray[np.float32]
    seed: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def n_bits(self) -> int:
        """Width of the codes."""
        return self.network.n_bits

    def encode(self, contents: Contents) -> Encoded:
        """Codes of contents; no content, no codes."""
        if len(contents) == 1 and isinstance(self.featurizer, TextFeaturizer | HashedTextFeaturizer):
            bag = self.featurizer.bag(contents[0])
            margins = (self._forward.logits(bag) - self.thresholds)[None]  # (1, n_bits)
            n_known = np.array([len(bag[0])], dtype=np.int64)
        else:
            features = self.features(contents)
            margins, n_known = self._margins(features), n_known_features(features)
        return Encoded(pack(margins > 0), n_known, confidence(margins))

    def features(self, contents: Contents) -> Features:
        """Features of contents, `(n, n_features)`: what the network sees of them."""
        return self.featurizer.transform(contents)

    def codes_of(self, features: Features) -> Codes:
        """Codes `(n, n_bits // 8)` of features `(n, n_features)`."""
        return pack(self._margins(features) > 0)

    def _margins(self, features: Features) -> NDArray[np.float32]:
        """Logits of features less their thresholds, `(n, n_bits)`: equal contents have equal signs in every batch."""
        logits = self.logits(features)
        self._forward.settle(features, logits, self.thresholds)
        return logits - self.thresholds

    @cached_property
    def _forward(self) -> Forward:
        """The network for one content at a time."""
        return self.network.in_numpy()

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Real-valued outputs of the network, `(n, n_bits)` float32, before the sigmoid and the thresholds."""
        out = np.empty((features.shape[0], self.n_bits), dtype=np.float32)
        for rows in _slices(features.shape[0]):
            part = features if rows == slice(0, features.shape[0]) else features[rows]
            out[rows] = self._outputs(network_input(part, self.device))
        return out

    def _outputs(self, rows: SparseBatch | Tensor) -> NDArray[np.float32]:
        """The logits of what the network takes."""
        with torch.inference_mode():
            outputs: NDArray[np.float32] = self.network(rows).cpu().numpy()
        return outputs

    def to(self, device: torch.device | str) -> HashFunction:
        """The same hash function on another device."""
        device = torch.device(device)
        return HashFunction(self.featurizer, self.network.to(device), self.thresholds, self.seed, device)

    def to_bytes(self) -> bytes:
        """One safetensors file with JSON metadata; equal functions give equal bytes."""
        parameters, arrays = self.featurizer.state()
        tensors = {f"featurizer.{name}": array for name, array in arrays.items()}
        tensors["thresholds"] = self.thresholds
        if self.seed is None:
            weights = self.network.state_dict()
            tensors |= {f"network.{name}": np.ascontiguousarray(w.cpu().numpy()) for name, w in weights.items()}
        about = {
            "format": FORMAT,
            "featurizer": {"name": self.featurizer.name, "parameters": parameters},
            "network": {
                "n_features": self.network.n_features,
                "hidden": self.network.hidden,
                "n_bits": self.network.n_bits,
                "activation": self.network.activation,
                "seed": self.seed,
            },
        }
        return safetensors.numpy.save(tensors, {"nearbit": json.dumps(about, sort_keys=True)})

    @classmethod
    def from_bytes(cls, content: bytes, digest: str | None = None) -> HashFunction:
        """The hash function that `to_bytes` wrote.

        Raises:
            CorruptArtifact: the bytes do not match `digest`, or are no hash function of this format.
        """
        name = f"hash function {digest[:12]}" if digest else "hash function"
        if digest is not None and digest_of(content) != digest:
            raise CorruptArtifact(name, f"its digest is {digest_of(content)[:12]}")
        try:
            tensors = safetensors.numpy.load(content)
            header_size = int.from_bytes(content[:8], "little")
            about = json.loads(json.loads(content[8 : 8 + header_size])["__metadata__"]["nearbit"])
            if about["format"] != FORMAT:
                raise CorruptArtifact(name, f"format must be {FORMAT}, got {about['format']!r}")
            return _assemble(about, tensors)
        except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CorruptArtifact(name, str(error)) from error


def _assemble(about: dict[str, dict[str, object]], tensors: dict[str, NDArray[np.generic]]) -> HashFunction:
    kept = about["featurizer"]
    arrays = {k.removeprefix("featurizer."): v for k, v in tensors.items() if k.startswith("featurizer.")}
    featurizer = restore_featurizer(str(kept["name"]), cast("dict[str, object]", kept["parameters"]), arrays)
    sizes = dict(about["network"])
    seed = cast("int | None", sizes.pop("seed"))
    network = EncoderNetwork(**sizes)  # type: ignore[arg-type]
    if seed is None:
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    else:
        network.draw_signs(seed)
    return HashFunction(featurizer, network.eval(), tensors["thresholds"].astype(np.float32), seed)


def n_known_features(features: Features) -> NDArray[np.int64]:
    """Number of nonzero features of each row: `(n,)`."""
    if isinstance(features, np.ndarray):
        return np.asarray(np.count_nonzero(features, axis=1), dtype=np.int64)
    return np.diff(features.indptr).astype(np.int64)


def _slices(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS_AT_ONCE, n)) for start in range(0, n, _ROWS_AT_ONCE))
