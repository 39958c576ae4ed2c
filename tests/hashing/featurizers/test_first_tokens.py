import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hashing.featurizers.first_tokens import first_tokens as tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sort an ARRAY: sort_values(x, 2nd)!", ["sort", "an", "array", "sort", "values", "2nd"]),
        ("a b c", []),
        ("naïve Café", ["naïve", "café"]),
        ("机器学习", ["机器", "器学", "学习"]),
        ("ภาษา", ["ภา", "าษ", "ษา"]),
        ("한국어 검색", ["한국", "국어", "검색"]),
        ("日", ["日"]),
        ("用Python排序list", ["用", "python", "排序", "list"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
    ],
)
def test_words_where_the_script_has_spaces_bigrams_where_it_has_none(text, expected):
    assert tokens(text) == expected


@given(st.text())
def test_every_text_has_tokens_and_they_survive_a_line_based_file(text):
    assert all(token and "\n" not in token for token in tokens(text))


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0301\u0323\u0334\u05b0\U0001d165", "\u0f73\uff9e\u0301\u0344"])
def test_a_text_of_nothing_but_combining_marks_takes_no_longer_than_any_other(marks):
    """Normalisation sorts a run of marks in quadratic time: 9 s for 100,000, in which no other thread runs."""
    text = "a" + marks * (100_000 // len(marks))
    assert max(map(len, tokens(text))) < 1_000
    assert tokens(text + " said") == [*tokens(text), "said"]
    stacked = "a" + marks * (100 // len(marks))
    assert tokens(stacked + " said") == [*tokens(stacked), "said"]


@given(
    st.lists(
        st.text(alphabet="aAΣσ é\u0301\u0323\ufb01\ufdfa好東。ไทย한İ_1٣\u200d", max_size=40), min_size=1, max_size=20
    )
)
def test_a_long_text_has_the_tokens_of_its_lines(lines):
    lines *= 1 + 20_000 // (1 + sum(map(len, lines)) + len(lines))
    assert tokens("\n".join(lines)) == [token for line in lines for token in tokens(line)]


def test_a_long_text_without_white_space_loses_a_token_in_thousands():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    wanted = {text[i : i + 2] for i in range(len(text) - 1)}
    assert len(wanted - set(tokens(text))) <= 2
