"""Many vectors at once are what each is alone."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import InvalidContent
from service.hashing.content import Embedding, Text, to_row, to_rows
from service.hashing.embedding_models import EmbeddingModel, EmbeddingModels
from service.hashing.given import GivenContent, contents_of
from service.hashing.vector_batches import read_vectors
from service.hashing.vectors import Keep, read_vector, rounded

KEEPS: list[Keep] = ["float32", "float16", "int8"]
MODELS = EmbeddingModels((EmbeddingModel(0, "m", 3), EmbeddingModel(1, "n", 2)), "float16")
ENTRIES = st.one_of(st.floats(width=32), st.floats(-10, 10, width=32), st.sampled_from([0.0, 1e-31, 1e39]))


def forms(vector: list[float]) -> list[object]:
    """A vector in every form in which it may come."""
    with np.errstate(over="ignore"):
        as_float32 = np.array(vector, dtype="<f4")
        halves = as_float32.astype("<f2")
    return [
        vector,
        as_float32,
        halves,
        base64.b64encode(as_float32.tobytes()).decode(),
        base64.b64encode(halves.tobytes()).decode(),
    ]


@given(st.lists(st.tuples(st.lists(ENTRIES, min_size=3, max_size=3), st.integers(0, 4)), min_size=1, max_size=5))
def test_vectors_are_read_and_refused_as_each_alone(drawn: list[tuple[list[float], int]]) -> None:
    given_forms = [forms(vector)[form] for vector, form in drawn]
    for keep in KEEPS:
        together = outcome(lambda keep=keep: read_vectors(given_forms, 3, keep))
        assert together == alone(given_forms, keep)


def outcome(read: Callable[[], NDArray[np.float32]]) -> object:
    """The vectors that were read, or why they were refused, and the place."""
    try:
        return read().tolist()
    except InvalidContent as error:
        return error.reason, error.position


def alone(given_forms: list[object], keep: Keep) -> object:
    """The outcome of reading one vector after the other: that of all, or that of the first that is refused."""
    vectors = []
    for position, form in enumerate(given_forms):
        found = outcome(lambda form=form: rounded(read_vector(form, 3), keep))
        if isinstance(found, tuple):
            return found[0], position
        vectors.append(found)
    return vectors


@given(st.integers(0, 1 << 32), st.integers(1, 5), st.integers(1, 7))
def test_rows_of_many_are_the_rows_of_each(seed: int, n: int, dims: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, dims)).astype(np.float32)
    for keep in KEEPS:
        contents = [Embedding(vector, "a", None, keep) for vector in vectors]
        assert to_rows(contents) == [to_row(content) for content in contents]
        mixed = [*contents, Text("b"), Embedding([1.0] * 8, None, "t", keep)]
        assert to_rows(mixed) == [to_row(content) for content in mixed]
    assert to_rows([]) == []


def test_a_vector_of_another_width_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidContent) as refused:
        contents_of([GivenContent(vector=[1, 2, 3]), GivenContent(vector=[1, 2], model="m")], "embedding", MODELS)
    assert refused.value.position == 1
    assert str(refused.value) == "documents[1]: vector must have 3 entries in this collection, got 2"


def test_contents_of_one_request_cannot_be_changed() -> None:
    (content,) = contents_of([GivenContent(vector=[1, 2, 3])], "embedding", MODELS)
    assert isinstance(content, Embedding)
    with pytest.raises(ValueError, match="read-only"):
        content.vector[0] = 5


def test_vectors_of_two_models_in_one_request_are_each_of_theirs() -> None:
    given_contents = [GivenContent(vector=[1, 2, 3]), GivenContent(vector=[1, 2]), GivenContent(vectors={"n": [3, 4]})]
    contents = contents_of(given_contents, "embedding", MODELS)
    assert [content.model for content in contents if isinstance(content, Embedding)] == [0, 1, 1]
    assert to_rows(contents) == [to_row(content) for content in contents]
    (alone,) = contents_of(given_contents[1:2], "embedding", MODELS)
    assert alone == contents[1]
    assert to_rows([alone]) == [to_row(alone)]


def test_embeddings_made_together_are_those_made_one_by_one() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    beside = [("a", None), (None, None), ("b", "c"), ("d", None), (None, None)]
    together = Embedding.all_of_rounded(2, vectors, beside, "int8")
    one_by_one = [Embedding.of_rounded({2: v}, *texts, "int8") for v, texts in zip(vectors, beside, strict=True)]
    assert together == one_by_one
    assert {(one.keep, one.model, len(one.others), one.vector.flags.writeable) for one in together} == {
        ("int8", 2, 0, False)
    }
