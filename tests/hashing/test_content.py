import base64
import sys
import unicodedata

import numpy as np
import pytest

from service.errors import InvalidContent
from service.hashing.content import (
    _SEEN,
    Embedding,
    Image,
    Text,
    check_content,
    check_contents,
    document_to_wire,
    from_row,
    from_wire,
    models_of,
    of_kind,
    of_model,
    text_of,
    to_row,
    to_wire,
)
from service.hashing.embedding_models import EmbeddingModel, EmbeddingModels
from service.hashing.given import GivenContent, contents_of
from tests.hashing.pictures import PNG


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not white space"),
        (" \t\n\u3000", "not white space"),
        ("a\x00b", "NUL"),
        ("a\ud800", "lone surrogate at character 1"),
    ],
)
def test_a_text_that_cannot_be_stored_or_hashed_is_refused(text, reason):
    with pytest.raises(InvalidContent, match=reason):
        Text(text)


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u00ad\n", "\u2060\u200d\u200c\u202e", "\u180e\U000e0020"])
def test_a_text_of_which_nothing_can_be_seen_is_blank(text):
    with pytest.raises(InvalidContent, match="not white space or a format character"):
        check_content(from_wire(text=text))
    check_content(from_wire(text=text + "."))
    assert Text(text).text == text  # one that was stored before this was refused is still encoded


def test_every_format_character_and_white_space_is_blank_and_nothing_else():
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        known = unicodedata.category(character) != "Cn"  # an older Python knows fewer format characters
        blank = character.isspace() or unicodedata.category(character) == "Cf"
        if known and blank != (_SEEN.search(character) is None):
            raise AssertionError(f"U+{number:04X}")


def test_the_first_of_many_texts_that_is_refused_is_named_by_its_position():
    check_contents([Text("a"), Text("b")], max_chars=1)
    for texts, position in ((["a", " ", "\u200b"], 1), (["a", "b", "\u200b"], 2), (["a", "bb"], 1)):
        with pytest.raises(InvalidContent, match=rf"^texts\[{position}\]: text must") as caught:
            check_contents([from_wire(text=text) for text in texts], max_chars=1)
        assert caught.value.position == position
    with pytest.raises(InvalidContent, match=r"^documents\[0\]: "):
        check_contents([from_wire(text="")], name="documents")


def test_a_text_over_the_limit_is_refused_with_both_lengths():
    with pytest.raises(InvalidContent, match="at most 10 characters long, got 11"):
        check_content(Text("a" * 11), max_chars=10)


def test_any_other_text_is_content():
    assert Text("naïve 🙂 数").text == "naïve 🙂 数"


@pytest.mark.parametrize(
    "content",
    [
        Text("a"),
        Text("a", "its title"),
        Image(b"\xff\xd8\xff..."),
        Embedding([1.5, -2]),
        Embedding([1.5, -2], "its text", "its title", "int8"),
        Embedding([0.1, 3e38], None, "a title alone", "float16"),
    ],
)
def test_content_survives_its_row(content):
    restored = from_row(*to_row(content))
    assert restored == content
    assert to_row(restored) == to_row(content)


def test_what_a_row_holds_is_not_checked_again_and_an_unknown_kind_is_refused():
    assert from_row(" ", None).text == " "  # what an earlier release took in is shown and deleted like any other
    with pytest.raises(ValueError, match="unknown kind, b'X'"):
        from_row(None, b"X...")


def test_an_answer_shows_what_can_be_read_of_a_content():
    assert to_wire(from_wire(text="naïve 🙂")) == {"text": "naïve 🙂"}
    assert to_wire(Embedding([1], "its text", "its title")) == {"text": "its text"}
    assert to_wire(Embedding([1])) == to_wire(Image(PNG)) == {}


def models_named(keep="float16", **widths):
    models = [EmbeddingModel(number, name, dims) for number, (name, dims) in enumerate(widths.items())]
    return EmbeddingModels(tuple(models), keep)


def b64(vector, dtype):
    return base64.b64encode(np.array(vector, dtype).tobytes()).decode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", Text("naïve 🙂", "its title")),
        ("embedding", Embedding([0.1, -2, 3e-20], keep="float16")),
        ("embedding", Embedding([0.1, -2, 3], "its text", "its title", "int8")),
        ("embedding", Embedding([0.1, -2, 3], model=2)),
        ("embedding", Embedding([0.1, -2, 3], "its text", "its title", "int8", 0, {1: [1, 2], 2: [0.1, 2, 3]})),
        ("image", Image(PNG)),
    ],
)
def test_what_an_answer_shows_of_a_document_can_be_put_again(kind, content):
    models = models_named(v1=3, v2=2, v3=3, keep=content.keep) if kind == "embedding" else None
    (back,) = contents_of([GivenContent(**document_to_wire(content, models))], kind, models)
    assert back == content


@pytest.mark.parametrize(
    ("kind", "given", "reason"),
    [
        ("text", {"vector": [1]}, "vector is not for a collection of kind text, whose documents have text"),
        ("text", {}, "text is missing: the collection is of kind text"),
        ("embedding", {"text": "a"}, "vector is missing: the collection is of kind embedding"),
        ("embedding", {"vector": [1, 2], "image": "aa"}, "image is not for a collection of kind embedding"),
        ("image", {"image": "aa", "title": "a"}, "title is not for a collection of kind image"),
        ("image", {"image": "a"}, "image must be standard base64"),
        ("image", {"image": "aaaa"}, "an image must be the bytes of a PNG or JPEG file"),
    ],
)
def test_content_that_is_not_of_the_kind_is_refused_with_its_place(kind, given, reason):
    models = models_named(v1=2) if kind == "embedding" else None
    with pytest.raises(InvalidContent, match=rf"^documents\[0\]: {reason}"):
        contents_of([GivenContent(**given)], kind, models)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"vector": [1], "model": "v4"}, "model must be one of the collection's, v1, v2, v3, got 'v4'"),
        ({"vector": [1, 2], "model": "v1"}, "vector must have 3 entries in this collection, got 2"),
        ({"vector": [1]}, "vector must have as many entries as a model of this collection: 3 of model v1, 2 of model"),
        ({"model": "v1"}, "vector is missing"),
        ({"vectors": {}}, "vectors must hold at least one vector, by the name of its model"),
        ({"vectors": {"v1": [1, 2, 3]}, "vector": [1, 2]}, "vector and model must not stand beside vectors"),
        ({"vectors": {"v1": [1, 2, 3]}, "model": "v1"}, "vector and model must not stand beside vectors"),
        ({"vectors": {"v4": [1]}}, "vectors.v4: model must be one of the collection's, v1, v2, v3, got 'v4'"),
        ({"vectors": {"v1": [1, 2, 3], "v2": [0, 0]}}, "vectors.v2: vector must not be zero"),
    ],
)
def test_a_vector_that_is_of_no_model_of_the_collection_is_refused(given, reason):
    with pytest.raises(InvalidContent, match=rf"^documents\[0\]: {reason}"):
        contents_of([GivenContent(**given)], "embedding", models_named(v1=3, v2=2, v3=3))


def test_a_vector_without_a_model_is_of_the_oldest_of_its_width():
    models = models_named(v1=3, v2=2, v3=3)
    forms = [[1, 2, 3], [1, 2], b64([1, 2, 3], "<f4"), b64([1, 2, 3], "<f2"), b64([1, 2], "<f4"), b64([1, 2], "<f2")]
    contents = contents_of([GivenContent(vector=one) for one in forms], "embedding", models)
    assert [content.model for content in contents] == [0, 1, 0, 0, 1, 1]
    assert [len(content.vector) for content in contents] == [3, 2, 3, 3, 2, 2]


def test_a_hash_function_takes_the_vector_of_its_model_and_no_other():
    content = Embedding([1, 2], "a", None, "float32", 1, {3: [4, 5, 6]})
    assert of_model(content, 1) == Embedding([1, 2], "a", model=1)
    assert of_model(content, 3) == Embedding([4, 5, 6], "a", model=3)
    assert of_model(content, 0) is of_model(content, 2) is None
    assert (models_of(content), models_of(Text("a")), models_of(Embedding([1]))) == (0b1010, 1, 1)
    assert of_model(Text("a"), 0) == Text("a")
    assert content != Embedding([1, 2], "a", None, "float32", 1, {3: [4, 5, 7]})
    assert content != Embedding([1, 2], "a", None, "float32", 1)


def test_the_text_and_the_title_beside_a_vector_are_checked_as_any_other():
    for broken in (Embedding([1], " "), Embedding([1], "aaa"), Embedding([1], None, "a\x00")):
        with pytest.raises(InvalidContent):
            check_content(broken, max_chars=2)
    check_content(Embedding([1], "a", "its title"), max_chars=2)


def test_the_words_of_a_content_are_its_title_and_its_text():
    assert text_of(Text("b", "a")) == text_of(Embedding([1], "b", "a")) == "a\nb"
    assert [text_of(one) for one in (Embedding([1], "b"), Embedding([1], None, "a"))] == ["b", "a"]
    assert text_of(Embedding([1])) == text_of(Image(PNG)) == text_of(None) == ""


def test_an_image_is_the_bytes_of_a_png_or_jpeg_file():
    assert Image(b"\x89PNG\r\n\x1a\n...").data
    assert Image(b"\xff\xd8\xff\xe0...").data
    with pytest.raises(InvalidContent, match="PNG or JPEG file, these begin b'GIF89a'"):
        Image(b"GIF89a")


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([], r"shape \(0,\)"),
        (3.0, r"shape \(\)"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([1.0, float("nan"), 2.0], "entry 1 is not"),
        ([1.0, 2.0, 1e39], "entry 2 is not"),
        (["a", "b"], "list of numbers"),
    ],
)
def test_an_embedding_that_is_no_finite_vector_is_refused(vector, reason):
    with pytest.raises(InvalidContent, match=reason):
        Embedding(vector)


def test_an_embedding_is_a_copy_that_none_can_change():
    given = np.ones(3)
    embedding = Embedding(given)
    given[0] = 2
    assert embedding == Embedding([1, 1, 1])
    assert hash(embedding) == hash(Embedding([1, 1, 1]))
    with pytest.raises(ValueError, match="read-only"):
        embedding.vector[0] = 2


def test_contents_of_one_kind_pass_and_another_kind_is_named_with_its_place():
    texts = [Text("a"), Text("b")]
    assert of_kind(texts, Text) is texts
    with pytest.raises(InvalidContent, match=r"documents\[1\]: must be of the kind Text here, got Embedding"):
        of_kind([Text("a"), Embedding([1.0])], Text)
