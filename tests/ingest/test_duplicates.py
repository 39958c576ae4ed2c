"""Near duplicates of new documents, against a model that puts them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hashing.content import Contents, Text
from service.hashing.encoded import Encoded
from service.ingest import duplicates
from service.ingest.duplicates import DuplicateCheck, DuplicatesOf
from service.store import documents
from service.store.documents import NewDocument
from tests.oracles import distance
from tests.use_cases import UseCases, run

N_BITS = 32


class MadeUpCodes:
    """An encoder whose code of a text is the number that the text is."""

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        codes = np.array([code_of(content.whole) for content in contents], np.uint8)  # type: ignore[union-attr]
        n = len(codes)
        return Encoded(codes, np.ones(n, np.int64), np.zeros((n, N_BITS), np.uint8))


def code_of(text: str) -> list[int]:
    return [*int(text).to_bytes(N_BITS // 8, "big")]


@pytest.fixture
def made_up(use_cases: UseCases) -> UseCases:
    use_cases.documents.encoder = MadeUpCodes()  # type: ignore[assignment]
    return use_cases


def put(
    use_cases: UseCases, new: Sequence[tuple[str | None, int]], report: int | None = None, skip: int | None = None
) -> list[DuplicatesOf]:
    added = run(use_cases.documents.add(use_cases.collection.name, made(new), DuplicateCheck(report, skip)))
    assert added.duplicates is not None
    assert [put is None for put in added.documents] == [found.skipped for found in added.duplicates]
    return added.duplicates


def made(new: Sequence[tuple[str | None, int]]) -> list[NewDocument]:
    return [NewDocument(id, Text(str(number)), {}) for id, number in new]


def stored(use_cases: UseCases) -> dict[str, int]:
    with use_cases.database.read() as connection:
        found = documents.page(connection, use_cases.collection.id, 0, 10_000)
    return {one.id: int(one.content.whole) for one in found}  # type: ignore[union-attr]


class Model:
    """Documents that are put one by one, each compared with all others first."""

    def __init__(self) -> None:
        self.codes: dict[str, bytes] = {}

    def put(self, id: str, number: int, report: int | None, skip: int | None) -> tuple[bool, set[tuple[str, int]]]:
        """Whether it was skipped, and the others within reach."""
        code, radius = bytes(code_of(str(number))), max(report or 0, skip or 0)
        apart = {other: distance(code, known) for other, known in self.codes.items() if other != id}
        near = {(other, d) for other, d in apart.items() if d <= radius}
        skipped = skip is not None and any(d <= skip for d in apart.values())
        if not skipped:
            self.codes[id] = code
        return skipped, near


Batch = tuple[list[tuple[str, int]], int | None, int | None, bool]
radii = st.one_of(st.none(), st.integers(0, 4))
batches = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40)), min_size=1, max_size=6, unique_by=lambda d: d[0]
        ),
        radii,
        radii,
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(batches)
def test_documents_count_as_if_they_came_one_by_one(made_up: UseCases, batches: list[Batch]) -> None:
    run(made_up.changes.delete(made_up.collection.name, [*stored(made_up)]))
    model = Model()
    for new, report, skip, follow in batches:
        if follow:
            made_up.follower.poll()
        found = put(made_up, new, report, skip)
        for (id, number), one in zip(new, found, strict=True):
            skipped, near = model.put(id, number, report, skip)
            assert one.skipped == skipped
            assert one.count == len(near)
            assert [d for _, d in one.nearest] == sorted(d for _, d in near)[: duplicates.LISTED]
            assert set(one.nearest) <= near
        assert {id: bytes(code_of(str(number))) for id, number in stored(made_up).items()} == model.codes


def test_a_document_is_never_a_duplicate_of_itself(made_up: UseCases) -> None:
    put(made_up, [("a", 1)])
    for _ in range(2):
        assert put(made_up, [("a", 1)], report=4, skip=4) == [DuplicatesOf(0, [], skipped=False)]
        made_up.follower.poll()


def test_of_two_copies_without_an_id_the_second_is_skipped_and_names_the_first(made_up: UseCases) -> None:
    added = run(made_up.documents.add("texts", made([(None, 7), (None, 7)]), DuplicateCheck(skip=0)))
    assert added.duplicates is not None
    first = added.documents[0]
    assert first is not None
    assert added.documents[1] is None
    assert added.duplicates[1] == DuplicatesOf(1, [(first.id, 0)], skipped=True)


def test_a_batch_of_nothing_but_duplicates_changes_nothing(made_up: UseCases) -> None:
    put(made_up, [("a", 1)])
    with made_up.database.read() as connection:
        before = documents.locate(connection, "texts", "a").last_seq
    added = run(made_up.documents.add("texts", made([("b", 1), ("c", 1)]), DuplicateCheck(skip=0)))
    assert added.documents == [None, None]
    assert added.seq == before
    assert stored(made_up) == {"a": 1}


@pytest.mark.parametrize("follows", [False, True])
def test_of_two_requests_at_once_with_one_document_one_stores_it(made_up: UseCases, follows: bool) -> None:
    """The first has looked up what is near when the second commits."""
    put(made_up, [("other", 7 << 20), ("gone", 3)])
    if follows:
        made_up.follower.poll()
    look_up = duplicates.Lookup.of
    raced = []

    def look_up_then_lose(*arguments: Any) -> duplicates.Lookup:
        found = look_up(*arguments)
        if not raced:
            raced.append(True)
            put(made_up, [("b", 1)], skip=0)
            run(made_up.changes.delete("texts", ["gone"]))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.ingest.documents.Lookup.of", look_up_then_lose)
        found = put(made_up, [("a", 1), ("c", 2)], report=2, skip=0)
    assert found == [DuplicatesOf(1, [("b", 0)], skipped=True), DuplicatesOf(1, [("b", 2)], skipped=False)]
    assert stored(made_up) == {"other": 7 << 20, "b": 1, "c": 2}


def test_a_lookup_that_is_far_behind_is_made_again(made_up: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_LOOKUP_BEHIND", 1)
    look_up = duplicates.Lookup.of
    n_lookups = []

    def look_up_then_lose(*arguments: Any) -> duplicates.Lookup:
        found = look_up(*arguments)
        n_lookups.append(1)
        if len(n_lookups) == 1:
            run(made_up.documents.add("texts", made([("b", 1), ("c", 99)])))
        return found

    monkeypatch.setattr("service.ingest.documents.Lookup.of", look_up_then_lose)
    assert put(made_up, [("a", 1)], report=0) == [DuplicatesOf(1, [("b", 0)], skipped=False)]
    assert len(n_lookups) == 2


@pytest.mark.parametrize("follows", [False, True])
def test_where_all_that_were_counted_are_replaced_the_others_still_count(
    made_up: UseCases, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    monkeypatch.setattr(duplicates, "COUNTED", 2)
    put(made_up, [("a", 0), ("b", 0), ("c", 1)])
    if follows:
        made_up.follower.poll()
    found = put(made_up, [("a", 1 << 9 | 1 << 10), ("b", 1 << 9 | 1 << 11), ("d", 0)], report=2, skip=1)
    assert found[2] == DuplicatesOf(2, [("c", 1), ("a", 2), ("b", 2)], skipped=True)


def test_a_batch_is_large(made_up: UseCases) -> None:
    """A thousand copies: one is stored, and each other one names it."""
    found = put(made_up, [(f"d{i}", 5) for i in range(1_000)], skip=0)
    assert found[1:] == [DuplicatesOf(1, [("d0", 0)], skipped=True)] * 999
    assert stored(made_up) == {"d0": 5}
    assert [one.count for one in put(made_up, [(f"e{i}", 5) for i in range(1_000)], report=0)] == [
        min(i + 1, duplicates.COUNTED) for i in range(1_000)
    ]
