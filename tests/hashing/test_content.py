import sys
import unicodedata

import numpy as np
import pytest

from service.errors import InvalidContent
from service.hashing.content import (
    _SEEN,
    Embedding,
    GivenContent,
    Image,
    Text,
    check_content,
    check_contents,
    contents_of,
    document_to_wire,
    from_row,
    from_wire,
    of_kind,
    text_of,
    to_row,
    to_wire,
)
from service.hashing.vectors import VectorSettings
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


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text", Text("naïve 🙂", "its title")),
        ("embedding", Embedding([0.1, -2, 3e-20], keep="float16")),
        ("embedding", Embedding([0.1, -2, 3], "its text", "its title", "int8")),
        ("image", Image(PNG)),
    ],
)
def test_what_an_answer_shows_of_a_document_can_be_put_again(kind, content):
    settings = VectorSettings(3, keep=content.keep) if kind == "embedding" else None
    assert contents_of([GivenContent(**document_to_wire(content))], kind, settings) == [content]


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
    settings = VectorSettings(2) if kind == "embedding" else None
    with pytest.raises(InvalidContent, match=rf"^documents\[0\]: {reason}"):
        contents_of([GivenContent(**given)], kind, settings)


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
