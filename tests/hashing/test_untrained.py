import io
import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from service.hashing.content import Image, Text
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from tests.oracles import distances as oracle_distances


def test_its_codes_are_the_same_on_every_machine_and_release():
    code = untrained_hash_function(64).encode([Text("the same on every machine")]).codes[0]
    assert code.tobytes().hex() == "6265ce7c089be812"


def test_a_stored_one_of_the_first_release_keeps_its_codes():
    parameters = {"name": "text-hashed", "parameters": {"n_features": 1 << 16}}
    sizes = {"n_features": 1 << 16, "hidden": (), "n_bits": 64, "activation": "relu", "seed": 2002}
    about = {"format": "nearbit-hash-function-1", "featurizer": parameters, "network": sizes}
    thresholds = {"thresholds": np.zeros(64, dtype=np.float32)}
    stored = safetensors.numpy.save(thresholds, {"nearbit": json.dumps(about, sort_keys=True)})
    function = HashFunction.from_bytes(stored, "35baeb06f33c8ee450fa94e8433b3dd421d4db929611d35029fb8c2d69c79797")
    assert function.encode([Text("the same on every machine")]).codes[0].tobytes().hex() == "6265ce7c089be812"
    assert function.to_bytes() == stored


def test_it_stores_no_weights():
    content = untrained_hash_function(256).to_bytes()
    assert len(content) < 2_000
    restored = HashFunction.from_bytes(content)
    text = [Text("restored from its seed")]
    assert (restored.encode(text).codes == untrained_hash_function(256).encode(text).codes).all()


@pytest.mark.parametrize("n_bits", [8, 64, 256])
def test_the_share_of_differing_bits_estimates_the_angle(n_bits):
    words = [f"word{i}" for i in range(40)]
    texts = [Text(" ".join(words[:20])), Text(" ".join(words[10:30])), Text(" ".join(words[20:]))]
    distances = [
        oracle_distances(*untrained_hash_function(n_bits, seed).encode([texts[0], other]).codes)
        for seed in range(4)
        for other in texts[1:]
    ]
    half, none = np.mean(distances[::2]) / n_bits, np.mean(distances[1::2]) / n_bits
    spread = 3 * 0.5 / np.sqrt(4 * n_bits)
    assert abs(half - 1 / 3) < spread  # cosine 1/2: 60 degrees
    assert abs(none - 1 / 2) < spread  # cosine 0: 90 degrees


hashable = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1).filter(
    lambda t: not t.isspace()
)


@settings(max_examples=30)
@given(hashable)
def test_every_text_has_a_code(text):
    assert untrained_hash_function(64).encode([Text(text)]).codes.shape == (1, 8)


def picture(shades):
    file = io.BytesIO()
    PillowImage.fromarray(shades).save(file, "PNG")
    return Image(file.getvalue())


def test_pictures_are_not_alike_for_being_dark_or_bright():
    shades = np.random.default_rng(0).integers(0, 100, (3, 32, 32), dtype=np.uint8)
    codes = untrained_hash_function(64, kind="image").encode([*map(picture, shades), picture(shades[0] + 100)]).codes
    assert oracle_distances(codes[0], codes[3]) == 0
    assert all(16 < oracle_distances(codes[a], codes[b]) < 48 for a, b in ((0, 1), (0, 2), (1, 2)))
