"""Every variant on every kind of content, and variants composed by options alone."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from service.errors import InvalidInput
from service.hashing.content import Embedding, Image, Text
from service.hashing.function import HashFunction
from service.training_options import VARIANTS
from training.config import TrainingConfig
from training.fit.fit import fit
from training.models import MODELS

N = 90
IDS = [str(i) for i in range(N)]


def texts():
    rng = np.random.default_rng(0)
    return [Text(" ".join(f"topic{i % 3}word{w}" for w in rng.integers(12, size=10))) for i in range(N)]


def embeddings():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 12))
    return [Embedding(centres[i % 3] + 0.3 * rng.normal(size=12)) for i in range(N)]


def images():
    rng = np.random.default_rng(0)
    found = []
    for i in range(N):
        file = io.BytesIO()
        shades = rng.integers(0, 60, (6, 6), dtype=np.uint8)
        shades[2 * (i % 3)] = 250
        PillowImage.fromarray(shades).save(file, "PNG")
        found.append(Image(file.getvalue()))
    return found


CONTENTS = {"text": texts(), "embedding": embeddings(), "image": images()}


def small(variant, **options):
    sizes = {} if "hidden" in VARIANTS[variant].preset else {"hidden": (24,)}
    explicit = {"n_bits": 16, "epochs": 60, "device": "cpu", "image_size": 6, "min_df": 1, "variant": variant}
    return TrainingConfig.parse(explicit | sizes | options)


def nearer(codes):
    """How much nearer codes of one topic are than codes of two, in bits."""
    bits = np.unpackbits(codes, axis=1)
    distances = (bits[:, None] != bits[None]).sum(axis=2)
    same = (np.arange(N)[:, None] - np.arange(N)) % 3 == 0
    return distances[~same].mean() - distances[same].mean()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", sorted(CONTENTS))
@pytest.mark.parametrize("variant", sorted(MODELS))
def test_every_variant_learns_codes_of_every_kind_of_content_that_survive_a_file(variant, kind):
    contents = CONTENTS[kind]
    # Contrastive divergence takes long to leave where it began on a few short texts.
    longer = {"epochs": 100, "learning_rate": 0.1, "patience": 100} if (variant, kind) == ("rbm", "text") else {}
    result = fit(contents, IDS, small(variant, **longer))
    losses = [record.loss for record in result.history]
    assert min(losses[1:]) < losses[0]
    codes = result.function.encode(contents).codes
    restored = HashFunction.from_bytes(result.function.to_bytes())
    np.testing.assert_array_equal(restored.encode(contents).codes, codes)
    assert nearer(codes) > 0.3


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("neighbor", {"corruption": 0.3, "corruption_kind": "salt_pepper", "noise": 4.0}),
        ("denoising", {"neighbors": 5, "noise": 4.0, "balance": 0.3, "corruption_kind": "gaussian"}),
        ("sparse", {"neighbors": 5, "noise_start": 1.0, "noise": 2.0, "corruption": 0.3}),
        ("contractive", {"neighbors": 5, "sampled_bits": True, "noise": 1.0, "jacobian": "exact"}),
        ("variational", {"neighbors": 5, "corruption": 0.3, "balance": 0.3, "code": "linear"}),
        ("predictive_sparse", {"neighbors": 5, "corruption": 0.3, "balance": 0.3}),
        ("stacked", {"neighbors": 5, "corruption": 0.3, "balance": 0.3}),
        ("undercomplete", {"neighbors": 5, "mirrored": True, "output": "bits"}),
    ],
)
def test_options_compose_with_variants(variant, options):
    result = fit(CONTENTS["text"], IDS, small(variant, **options))
    losses = [record.loss for record in result.history]
    assert np.isfinite(losses).all()
    assert nearer(result.function.encode(CONTENTS["text"]).codes) > 0.3


SWEEP = {
    "activation": "tanh",
    "output": "bits",
    "code": "linear",
    "mirrored": True,
    "corruption_kind": "gaussian",
    "neighbors": 1_000,
    "lsa_dims": 1_000,
    "start_dims": 1_000,
    "drawn_neighbors": 1_000,
    "first_share": 0.99,
    "first_bits": 4,
    "output_words": 5,
    "noise": 100,
    "noise_kind": "fixed",
    "sampled_bits": True,
    "likeness": 1_000,
    "seed": (1 << 32) - 1,
}


@pytest.mark.long
@pytest.mark.parametrize("base", [{}, {"neighbors": 5, "first_share": 0.4}], ids=["alone", "two networks"])
@pytest.mark.parametrize("variant", sorted(MODELS))
def test_options_that_are_accepted_can_be_learned_with(variant, base):
    """Each of them on top of a variant: refused before it runs, or run to the end."""
    n_run = 0
    for name, value in SWEEP.items():
        try:
            config = small(variant, **base | {"epochs": 2, "n_bits": 8, name: value})
        except InvalidInput as error:
            assert name in str(error) or base.keys() & VARIANTS[variant].fixed.keys()  # noqa: PT017
            continue
        n_run += 1
        assert fit(CONTENTS["text"][:30], IDS[:30], config).function.n_bits == 8
    assert n_run > 2 or base.keys() & VARIANTS[variant].fixed.keys()


def test_an_option_of_another_variant_is_refused_with_its_owners():
    with pytest.raises(InvalidInput, match="target_rate is an option of sparse, variant 'neighbor' has no use"):
        TrainingConfig.parse({"variant": "neighbor", "target_rate": 0.1})


def test_contents_that_cannot_be_of_the_asked_kind_are_refused():
    with pytest.raises(InvalidInput, match="output 'bits' needs features between 0 and 1, they lie between -"):
        fit(CONTENTS["embedding"], IDS, small("denoising", output="bits"))
