import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from service.errors import CorruptArtifact, InvalidInput
from service.hashing.analysis import Analyzer
from service.hashing.content import Text
from service.hashing.featurizers.text import HashedTextFeaturizer, TextFeaturizer

CORPUS = [
    Text("The cat sat on the mat, the cat slept."),
    Text("A dog and a cat are not alike."),
    Text("Dogs chase cats; the dog sat."),
    Text("东京的天气很好 weather in Tokyo"),
    Text("天气不好, the weather is bad"),
]


def test_features_equal_those_of_scikit_learn():
    ours = TextFeaturizer(max_features=100, min_df=1).fit(CORPUS)
    theirs = TfidfVectorizer(analyzer=Analyzer().terms, sublinear_tf=True, max_features=100).fit(
        [c.text for c in CORPUS]
    )
    assert ours.vocabulary == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(
        ours.transform(CORPUS).toarray(), theirs.transform([c.text for c in CORPUS]).toarray(), rtol=1e-5
    )


def test_the_vocabulary_is_the_commonest_words_that_enough_documents_share():
    assert set(TextFeaturizer(max_features=2, min_df=2).fit(CORPUS).vocabulary) == {"cat", "the"}
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


def test_the_language_of_the_analyzer_stems_words_and_leaves_stop_words_out():
    featurizer = TextFeaturizer(min_df=1, analyzer=Analyzer("en")).fit(CORPUS)
    assert {"cat", "dog", "sat", "weather"} <= set(featurizer.vocabulary)
    assert not {"cats", "dogs", "the", "and"} & set(featurizer.vocabulary)


@pytest.mark.parametrize(
    ("one", "other"),
    [("C++ developer", "C# developer"), ("C# developer", "R developer"), ("iphone 6 case", "iphone 5 case")],
)
def test_texts_that_differ_in_a_sign_or_a_digit_differ_in_features(one, other):
    contents = [Text(one), Text(other)]
    for featurizer in (TextFeaturizer(min_df=1), HashedTextFeaturizer()):
        rows = featurizer.fit(contents).transform(contents).toarray()
        assert rows[0] @ rows[1] < 0.99


def test_parts_of_words_meet_where_words_do_not():
    one, other = Text("hyppääminen"), Text("hyppäämisen")
    words, parts = (TextFeaturizer(min_df=1, parts=parts).fit([one, other]) for parts in ("off", "on"))
    for featurizer, meets in ((words, False), (parts, True)):
        rows = featurizer.transform([one, other]).toarray()
        assert (rows[0] @ rows[1] > 0.3) == meets
    assert len(set(parts.vocabulary)) == len(parts.vocabulary) > len(words.vocabulary)


def test_parts_do_not_push_words_out_of_the_vocabulary():
    words, parts = (TextFeaturizer(max_features=20, parts=parts).fit(CORPUS * 2) for parts in ("off", "on"))
    assert parts.vocabulary[: words.n_features] == words.vocabulary
    assert words.n_features < parts.n_features <= 40


def test_documents_that_share_parts_of_words_only_can_be_learned_from():
    featurizer = TextFeaturizer(min_df=2, parts="on").fit([Text("alphabet"), Text("alphabetic")])
    assert featurizer.transform([Text("alphabetize")]).nnz


@pytest.mark.parametrize(
    ("analyzer", "parts"), [(Analyzer(), "off"), (Analyzer("en"), "on"), (None, "off"), (Analyzer("de"), "auto")]
)
def test_what_is_restored_has_the_analyzer_and_the_parts(analyzer, parts):
    featurizer = TextFeaturizer(min_df=1, analyzer=analyzer, parts=parts).fit(CORPUS)
    restored = TextFeaturizer.restore(*featurizer.state())
    assert (restored.analyzer, restored.uses_parts) == (analyzer, featurizer.uses_parts)
    assert (restored.transform(CORPUS) != featurizer.transform(CORPUS)).nnz == 0
    assert restored.state()[0] == featurizer.state()[0]


def test_a_state_without_an_analyzer_has_the_tokens_of_the_first_release():
    text = [Text("C# ünder_score")]
    hashed = HashedTextFeaturizer.restore({"n_features": 1 << 16}, {})
    assert hashed.transform(text).nnz == 2  # ünder, score
    vocabulary = np.frombuffer(b"score\nc#", dtype=np.uint8)
    arrays = {"vocabulary": vocabulary, "idf": np.ones(2, dtype=np.float32)}
    learned = TextFeaturizer.restore({"max_features": 9, "min_df": 1}, arrays)
    assert learned.transform(text).toarray().tolist() == [[1, 0]]
    assert learned.state()[0] == {"max_features": 9, "min_df": 1}


@pytest.mark.parametrize(
    "stored", [{"version": 99, "language": "en"}, {"version": 1, "language": "xx"}], ids=["version", "language"]
)
def test_an_analyzer_of_another_release_is_a_corrupt_artifact(stored):
    with pytest.raises(CorruptArtifact, match=r"version must be 1, got 99|language must be none or"):
        HashedTextFeaturizer.restore({"n_features": 8, "analyzer": stored}, {})


@pytest.mark.parametrize(
    "featurizer",
    [
        TextFeaturizer(min_df=1).fit(CORPUS),
        TextFeaturizer(min_df=1, parts="on").fit(CORPUS),
        HashedTextFeaturizer(n_features=64),
    ],
)
@given(words=st.lists(st.sampled_from(["the", "cat", "sat", "dogs", "tokyo", "天气", "weather", "zebra", "9"])))
def test_a_bag_is_the_row_of_its_text_to_the_last_digit(featurizer, words):
    text = Text(" ".join([*words, "."]))
    indices, values = featurizer.bag(text)
    row = featurizer.transform([text])
    assert (indices.dtype, values.dtype) == (np.int64, np.float32)
    assert indices.tolist() == row.indices.tolist()
    assert values.tolist() == row.data.tolist()


def test_the_title_of_a_text_is_among_its_words_in_every_way():
    text = Text("sat", title="cat")
    featurizer = TextFeaturizer(min_df=1).fit([text])
    assert featurizer.vocabulary == ["cat", "sat"]
    assert featurizer.bag(text)[0].tolist() == featurizer.transform([text]).indices.tolist() == [0, 1]
