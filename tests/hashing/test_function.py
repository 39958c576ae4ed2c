import numpy as np
import pytest
import torch

from service.errors import CorruptArtifact
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded, confidence
from service.hashing.featurizers.text import TextFeaturizer
from service.hashing.function import HashFunction
from service.hashing.network import EncoderNetwork

CORPUS = [Text(f"document number {i} about {subject}") for i in range(50) for subject in ("cats", "ships", "music")]


@pytest.fixture(scope="module")
def function():
    featurizer = TextFeaturizer(min_df=1).fit(CORPUS)
    network = EncoderNetwork(featurizer.n_features, (20,), 32)
    network.initialize(torch.Generator().manual_seed(5))
    return HashFunction(featurizer, network.eval(), np.full(32, 0.01, dtype=np.float32))


def test_a_bit_is_one_where_its_logit_passes_its_threshold(function):
    logits = function.logits(function.featurizer.transform(CORPUS))
    assert (np.unpackbits(function.encode(CORPUS).codes, axis=1) == (logits > 0.01)).all()


def test_one_text_is_encoded_as_it_is_among_others(function):
    texts = [*CORPUS[:20], Text("zebra"), Text("cats cats ships")]
    whole = function.encode(texts)
    for row, text in enumerate(texts):
        alone = function.encode([text])
        assert alone.codes.tolist() == whole.codes[row : row + 1].tolist()
        assert alone.n_known_features.tolist() == whole.n_known_features[row : row + 1].tolist()


def test_it_counts_the_known_words_of_each_content(function):
    assert function.encode([Text("document cats cats zebra"), Text("zebra")]).n_known_features.tolist() == [2, 0]


def test_a_content_without_a_known_word_still_has_a_code(function):
    assert function.encode([Text("zebra")]).codes.shape == (1, 4)


def test_no_content_has_no_codes(function):
    assert function.encode([]).codes.shape == (0, 4)


def test_what_is_saved_and_loaded_gives_the_same_codes_and_bytes(function):
    content = function.to_bytes()
    loaded = HashFunction.from_bytes(content, digest_of(content))
    assert (loaded.encode(CORPUS).codes == function.encode(CORPUS).codes).all()
    assert loaded.to_bytes() == content


def test_confidence_is_the_distance_of_each_logit_from_its_threshold_in_255ths_of_the_farthest(function):
    margins = np.abs(function.logits(function.featurizer.transform(CORPUS)) - 0.01)
    confidence = function.encode(CORPUS).confidence
    assert (confidence.dtype, confidence.shape) == (np.uint8, (len(CORPUS), 32))
    assert (confidence.max(axis=1) == 255).all()
    np.testing.assert_allclose(confidence / 255, margins / margins.max(axis=1, keepdims=True), atol=0.5 / 255 + 1e-6)


def test_logits_that_lie_on_their_thresholds_have_no_confidence():
    assert confidence(np.zeros((2, 8), dtype=np.float32)).tolist() == [[0] * 8] * 2


def test_rows_of_what_was_encoded_can_be_cut_out_and_joined(function):
    whole = function.encode(CORPUS)
    joined = Encoded.joined([whole[:40], whole[40:41], whole[41:]])
    for name in ("codes", "n_known_features", "confidence"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_many_rows_are_encoded_in_slices_to_the_same_codes(function, monkeypatch):
    whole = function.encode(CORPUS).codes
    monkeypatch.setattr("service.hashing.function._ROWS_AT_ONCE", 7)
    assert (function.encode(CORPUS).codes == whole).all()


@pytest.mark.parametrize("position", [3, 40, -1])
def test_a_flipped_byte_is_refused_and_named(function, position):
    content = bytearray(function.to_bytes())
    digest = digest_of(bytes(content))
    content[position] ^= 1
    with pytest.raises(CorruptArtifact, match=f"hash function {digest[:12]} is corrupt"):
        HashFunction.from_bytes(bytes(content), digest)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not a safetensors file at all"])
def test_bytes_that_are_no_hash_function_are_refused(content):
    with pytest.raises(CorruptArtifact):
        HashFunction.from_bytes(content)


def test_a_file_cut_short_is_refused_even_without_its_digest(function):
    with pytest.raises(CorruptArtifact):
        HashFunction.from_bytes(function.to_bytes()[:-10])
