import gzip
import io
import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from service.errors import InvalidInput
from service.hashing.content import Embedding, Text
from training.data.readers import read_contents, read_corpus


def picture(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.full((4, 4), shade, dtype=np.uint8)).save(path)


def test_a_folder_gives_its_pictures_labelled_by_the_folder_they_lie_in(tmp_path):
    for name, shade in (("cats/b.png", 1), ("cats/a.JPG", 2), ("dogs/old/c.jpeg", 3)):
        picture(tmp_path / name, shade)
    (tmp_path / "notes.txt").write_text("no picture")
    found = read_contents(tmp_path)
    assert found.ids == ["cats/a.JPG", "cats/b.png", "dogs/old/c.jpeg"]
    assert found.labels == ["cats", "cats", "old"]
    assert found.contents[1].data == (tmp_path / "cats/b.png").read_bytes()


def test_rows_of_a_numpy_file_are_embeddings(tmp_path):
    np.save(tmp_path / "vectors.npy", np.arange(6.0).reshape(3, 2))
    found = read_contents(tmp_path / "vectors.npy")
    assert found.ids == ["0", "1", "2"]
    assert found.contents[1] == Embedding([2, 3])
    assert found.labels is None


def test_digits_as_mnist_comes_are_pictures_with_labels(tmp_path):
    shades = np.random.default_rng(0).integers(0, 256, (3, 5, 5), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", x_train=shades, y_train=np.array([7, 1, 7]))
    found = read_contents(tmp_path / "digits.npz")
    assert found.labels == ["7", "1", "7"]
    np.testing.assert_array_equal(PillowImage.open(io.BytesIO(found.contents[2].data)), shades[2])


def test_lines_of_json_are_texts_and_a_label_on_every_line_is_kept(tmp_path):
    lines = [{"id": "a", "text": "one", "label": 3}, {"id": "b", "text": "two", "label": 5, "group": "g"}]
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = read_contents(tmp_path / "some.jsonl")
    assert found.contents == [Text("one"), Text("two")]
    assert found.labels == ["3", "g"]
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, [*lines, {"id": "c", "text": "three"}])))
    assert read_contents(tmp_path / "some.jsonl").labels is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.npy", None, "no such file"),
        ("bad.npy", b"not numpy", "bad.npy"),
        ("flat.npy", np.arange(3.0), r"shape \(n, width\), got \(3,\)"),
        ("other.npz", {"y_train": np.arange(3)}, "x_train"),
        ("wide.npz", {"x_train": np.zeros((2, 3))}, "uint8"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, reason):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    elif content is not None:
        np.save(tmp_path / name, content)
    with pytest.raises(InvalidInput, match=reason):
        read_contents(tmp_path / name)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no PNG or JPEG file"):
        read_contents(tmp_path)


LINES = [{"id": "a", "text": "one"}, {"_id": 2, "title": "Head", "text": "two"}]


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz"])
def test_a_corpus_is_read_plain_or_zipped(tmp_path, name):
    content = "\n\n".join(json.dumps(line) for line in LINES).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    ids, contents = read_corpus(tmp_path / name)
    assert ids == ["a", "2"]
    assert [content.text for content in contents] == ["one", "Head\ntwo"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "line 2: Expecting"),
        (b"[1]", "line 2: expected an object"),
        (b'{"text": "x"}', "line 2: id must be a string, got None"),
        (b'{"id": "b", "text": 3}', "line 2: text must be a string, got 3"),
        (b'{"id": "b", "text": "  "}', "line 2: text must hold at least one character"),
        (b'{"id": "a", "text": "x"}', "line 2: id 'a' came before, on line 1"),
        (b'{"id": "b", "text": "\xff"}', "line 2: 'utf-8' codec"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b'{"id": "a", "text": "one"}\n' + line)
    with pytest.raises(InvalidInput, match=reason):
        read_corpus(path)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="no such corpus file"):
        read_corpus(tmp_path / "none.jsonl")
