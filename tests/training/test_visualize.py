import json
import re
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from service.errors import ConfigurationError, InvalidInput
from service.hashing.content import Text
from training.config import TrainingConfig
from training.data.readers import Collection, read_contents
from training.visualize import draw_maps

CONFIG = TrainingConfig(image_size=8, epochs=15, hidden=(32,), device="cpu", min_df=1)
NAMES = ["autoencoder, two units", "autoencoder, 32 units, then t-SNE", "PCA", "Isomap", "locally linear embedding"]


@pytest.fixture
def digits(tmp_path):
    found = load_digits()
    shades = (found.images[:300] * 15).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=shades, y_train=found.target[:300])
    return read_contents(tmp_path / "digits.npz")


def test_a_picture_and_a_page_that_needs_no_other_show_five_maps(digits, tmp_path):
    maps = draw_maps(digits, tmp_path / "out", "digits <8 x 8>", CONFIG, sample=120)
    assert [found.name for found in maps] == NAMES
    assert all(found.positions.shape == (120, 2) for found in maps)
    assert min(found.trustworthiness for found in maps) > 0.6  # places drawn at random have 0.5
    assert (tmp_path / "out/map.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "out/map.html").read_text()
    assert "digits &lt;8 x 8&gt;" in page
    assert not re.search(r"https?://|<link|src=\"", page)
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert [found["name"] for found in data["maps"]] == NAMES
    assert data["labels"] == [str(i) for i in range(10)]
    assert len(data["shown"]) == len(data["label_of"]) == 120
    assert data["shown"][0].startswith("data:image/png;base64,")


def test_maps_of_texts_show_their_beginnings_and_cannot_break_out_of_the_page(tmp_path):
    rng = np.random.default_rng(0)
    texts = [Text(" ".join(rng.choice([f"w{i % 3}{j}" for j in range(9)], 12)) + " </script>") for i in range(60)]
    draw_maps(Collection([str(i) for i in range(60)], texts), tmp_path, "texts", CONFIG)
    page = (tmp_path / "map.html").read_text()
    assert page.count("</script>") == 2
    assert texts[0].text.split()[0] in page


def test_equal_seeds_give_equal_maps(digits, tmp_path):
    first, second = (draw_maps(digits, tmp_path, "digits", CONFIG, sample=60) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-6)


def test_fewer_contents_than_a_map_needs_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="at least 50 contents, got 1"):
        draw_maps(Collection(["a"], [Text("a")]), tmp_path, "one", CONFIG)


def test_without_matplotlib_the_extra_is_named(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match=r"nearbit\[plots\]"):
        draw_maps(digits, tmp_path, "digits", CONFIG)
