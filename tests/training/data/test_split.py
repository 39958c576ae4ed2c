import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from training.data.split import first_by_id, split


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


def test_the_first_by_id_are_the_same_in_a_grown_collection():
    ids = [f"doc-{i}" for i in range(300)]
    few = first_by_id(np.arange(300), ids, 20)
    assert len(few) == 20
    assert (np.diff(few) > 0).all()
    # Documents that join later push some out, and bring no other in.
    fewer = first_by_id(np.arange(200), ids, 20)
    assert set(few[few < 200]) <= set(fewer)
    np.testing.assert_array_equal(first_by_id(np.arange(5), ids, 20), np.arange(5))
