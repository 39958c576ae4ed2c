import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from service.errors import InvalidInput
from service.hashing.content import Text
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer, tokens

CORPUS = [
    Text("The cat sat on the mat, the cat slept."),
    Text("A dog and a cat are not alike."),
    Text("Dogs chase cats; the dog sat."),
    Text("东京的天气很好 weather in Tokyo"),
    Text("天气不好, the weather is bad"),
]


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


def test_features_equal_those_of_scikit_learn():
    ours = TextFeaturizer(max_features=100, min_df=1).fit(CORPUS)
    theirs = TfidfVectorizer(analyzer=tokens, sublinear_tf=True, max_features=100).fit([c.text for c in CORPUS])
    assert ours.vocabulary == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(
        ours.transform(CORPUS).toarray(), theirs.transform([c.text for c in CORPUS]).toarray(), rtol=1e-5
    )


def test_the_vocabulary_is_the_commonest_words_that_enough_documents_share():
    assert set(TextFeaturizer(max_features=2, min_df=2).fit(CORPUS).vocabulary) == {"the", "cat"}
    assert "mat" not in TextFeaturizer(max_features=100, min_df=2).fit(CORPUS).vocabulary


def test_documents_without_a_shared_word_cannot_be_learned_from():
    with pytest.raises(InvalidInput, match="no word occurs in 2 of the 2 documents"):
        TextFeaturizer(min_df=2).fit([Text("alpha beta"), Text("gamma delta")])


@pytest.mark.parametrize("featurizer", [TextFeaturizer(), HashedTextFeaturizer()], ids=lambda f: f.name)
def test_rows_have_unit_length_or_are_empty(featurizer):
    features = featurizer.fit(CORPUS).transform([*CORPUS, Text("?!")])
    assert features.format == "csr"
    lengths = np.sqrt(features.multiply(features).sum(axis=1)).A1
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 1, 0], rtol=1e-6)


def test_a_repeated_word_counts_by_the_logarithm_of_its_count():
    featurizer = TextFeaturizer(min_df=1).fit([Text("cat dog")])
    row = featurizer.transform([Text("cat cat cat dog")]).toarray()[0]
    assert row[0] / row[1] == pytest.approx(1 + math.log(3))


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


@pytest.mark.parametrize("featurizer", [TextFeaturizer(min_df=1).fit(CORPUS), HashedTextFeaturizer(n_features=64)])
@given(words=st.lists(st.sampled_from(["the", "cat", "sat", "dogs", "tokyo", "天气", "weather", "zebra", "9"])))
def test_a_bag_is_the_row_of_its_text_to_the_last_digit(featurizer, words):
    text = Text(" ".join([*words, "."]))
    indices, values = featurizer.bag(text)
    row = featurizer.transform([text])
    assert (indices.dtype, values.dtype) == (np.int64, np.float32)
    assert indices.tolist() == row.indices.tolist()
    assert values.tolist() == row.data.tolist()
