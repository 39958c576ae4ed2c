import gzip
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, identity

from service.errors import InvalidInput
from training.data.batches import Dataset, first_by_id, read_corpus, split


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=60, unique=True))
def test_a_split_puts_every_document_in_one_part_and_leaves_none_empty(ids):
    parts = split(ids)
    rows = np.concatenate([parts.train, parts.validation, parts.held_out])
    assert sorted(rows.tolist()) == list(range(len(ids)))
    assert min(len(parts.train), len(parts.validation), len(parts.held_out)) >= 1


def test_held_out_documents_stay_held_out_when_the_collection_grows_or_is_shuffled():
    before = [f"doc-{i}" for i in range(500)]
    after = [f"doc-{i}" for i in reversed(range(2000))]
    held_out = {before[i] for i in split(before).held_out}
    assert held_out == {after[i] for i in split(after).held_out} & set(before)
    assert 30 < len(held_out) < 75


def test_two_documents_cannot_be_split():
    with pytest.raises(InvalidInput, match="at least 3 documents, got 2"):
        split(["a", "b"])


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return csr_matrix(rng.random((70, 12), dtype=np.float32) * (rng.random((70, 12)) < 0.4))


def batches(dataset, seed):
    rng = np.random.default_rng(seed)
    return list(dataset.batches(32, 0.0, (0.25, 0.5), rng, torch.device("cpu")))


def test_one_pass_gives_every_document_once_with_its_own_target(features):
    dataset = Dataset(features, features, None)
    seen = torch.cat([batch.target for batch in batches(dataset, 1)]).numpy()
    expected = features.toarray() / np.maximum(features.toarray().sum(axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(seen[np.lexsort(seen.T)], expected[np.lexsort(expected.T)], rtol=1e-6)


def test_batches_follow_from_the_seed_and_tell_how_far_training_is(features):
    dataset = Dataset(features, features, None)
    first, again, other = batches(dataset, 1), batches(dataset, 1), batches(dataset, 2)
    assert all(torch.equal(a.target, b.target) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].target, other[0].target)
    progress = [batch.progress for batch in first]
    assert progress[0] == 0.25
    assert progress == sorted(progress)
    assert progress[-1] < 0.5


def test_targets_are_means_of_the_sources_that_sum_to_one(features):
    averaging = csr_matrix(np.full((70, 70), 1 / 70, dtype=np.float32))
    targets = Dataset(features, features, averaging).targets(np.array([3, 4]))
    mean = features.toarray().mean(axis=0)
    np.testing.assert_allclose(targets, np.tile(mean / mean.sum(), (2, 1)), rtol=1e-5)


def test_the_mean_target_is_where_the_decoder_may_start(features):
    plain = Dataset(features, features, None).mean_target()
    averaged = Dataset(features, features, identity(70, dtype=np.float32, format="csr")).mean_target()
    np.testing.assert_allclose(plain, averaged, rtol=1e-5)
    assert plain.sum() == pytest.approx(1, abs=1e-5)


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


def test_the_first_by_id_are_the_same_in_a_grown_collection():
    ids = [f"doc-{i}" for i in range(300)]
    few = first_by_id(np.arange(300), ids, 20)
    assert len(few) == 20
    assert (np.diff(few) > 0).all()
    # Documents that join later push some out, and bring no other in.
    fewer = first_by_id(np.arange(200), ids, 20)
    assert set(few[few < 200]) <= set(fewer)
    np.testing.assert_array_equal(first_by_id(np.arange(5), ids, 20), np.arange(5))
