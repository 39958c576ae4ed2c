import pytest

from service.errors import InvalidContent
from service.hashing.content import Text, check_text


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


def test_a_text_over_the_limit_is_refused_with_both_lengths():
    with pytest.raises(InvalidContent, match="at most 10 characters long, got 11"):
        check_text("a" * 11, max_chars=10)


def test_any_other_text_is_content():
    assert Text("naïve 🙂 数").text == "naïve 🙂 数"
