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
    from_row,
    from_wire,
    of_kind,
    to_row,
    to_wire,
)


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
    "content", [Text("a"), Text("a", "its title"), Image(b"\xff\xd8\xff..."), Embedding([1.5, -2])]
)
def test_content_survives_its_row_and_is_stored_in_one_of_two_columns(content):
    row = to_row(content)
    assert from_row(*row) == content
    assert [value is None for value in row[:2]].count(True) == 1


def test_what_a_row_holds_is_not_checked_again_and_an_unknown_kind_is_refused():
    assert from_row(" ", None).text == " "  # what an earlier release took in is shown and deleted like any other
    with pytest.raises(ValueError, match="unknown kind, b'X'"):
        from_row(None, b"X...")


def test_a_text_survives_the_wire_and_no_answer_shows_another_kind_yet():
    assert to_wire(from_wire(text="naïve 🙂")) == {"text": "naïve 🙂"}
    with pytest.raises(TypeError, match="no answer shows content of the kind Embedding"):
        to_wire(Embedding([1]))


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
