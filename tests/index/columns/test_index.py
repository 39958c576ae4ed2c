"""What columns cost, and what they do with odd input."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from service.errors import InvalidInput
from service.index.columns import ColumnIndex
from service.index.columns import index as module
from service.index.columns.filters import And, Contains, Exists, Not, OneOf, Prefix, Range
from service.index.columns.values import LONGEST_NAME


def columns(**values: object) -> ColumnIndex:
    index = ColumnIndex()
    index.put(np.array([1]), [values])
    return index


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Range("year", "filter.year.gte", gte="abc"), "filter.year.gte: year holds numbers, got the text 'abc'"),
        (OneOf("year", "where", ("a", True)), "where: year holds numbers, got the text 'a', the boolean true"),
        (Prefix("list", "filter.list", "1"), "filter.list: list holds numbers and booleans, got the text '1'"),
        (
            Contains("year", "filter.year", 5),
            "filter.year: year holds numbers, must be a text or a list to contain something, got the number 5",
        ),
        (Range("lang", "filter.lang", lt=1), "filter.lang: lang holds texts, got the number 1"),
        (Range("lang", "filter.lang", lt=1, gt="a"), "the bounds of a range must be numbers, or texts"),
        (Range("lang", "filter.lang", lt=True), "got the boolean true"),
        (Range("nowhere", "filter.nowhere"), "got none"),
    ],
)
def test_a_condition_of_a_wrong_type_is_named(condition: Range, message: str) -> None:
    view = columns(year=2026, lang="en", list=[1, False]).view()
    for filter in (condition, And((Not(condition),))):
        with pytest.raises(InvalidInput) as caught:
            view.mask(filter)
        assert message in str(caught.value)


def test_a_filter_costs_the_more_the_more_there_is_to_compare() -> None:
    index = ColumnIndex()
    index.put(np.arange(640), [{"year": 2000 + i, "lang": f"l{i}", "list": [i, -i]} for i in range(640)])
    view = index.view()
    year, lang = Range("year", "filter", gte=2100), OneOf("lang", "filter", ("l1",))
    assert 640 <= view.cost(year) <= 4 * 640 + 100
    assert view.cost(And((year, Not(lang)))) >= view.cost(year) + 640
    assert view.cost(OneOf("year", "filter", tuple(range(100)))) > 4 * view.cost(year)
    for costly in (Prefix("lang", "filter", "l"), Range("lang", "filter", lt="l5"), Contains("list", "filter", 3)):
        assert view.cost(costly) > 4 * view.cost(year)
    assert view.cost(Exists("nowhere", "filter")) > 4 * view.cost(year) or not view.alive.size


def test_the_type_of_deleted_values_does_not_count() -> None:
    index = columns(year=2026)
    index.put(np.array([2]), [{"year": "old"}])
    wanted = OneOf("year", "filter", ("old",))
    assert index.view().mask(wanted).allowed_keys().tolist() == [2]
    index.delete([2])
    with pytest.raises(InvalidInput):
        index.view().mask(wanted)
    index.delete([1])
    assert index.view().mask(wanted).allowed_keys().tolist() == []


def test_keys_and_metadata_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"got \(1,\) and 2"):
        ColumnIndex().put(np.array([1]), [{}, {}])


def test_a_name_that_is_too_long_has_no_values() -> None:
    name = "n" * LONGEST_NAME
    index = columns(**{name: {"a": 1}, name + "n": 1, "a": 1})
    assert index.view().field_names(9) == ["a"]


def test_numbers_that_are_none_have_no_value_and_others_are_exact_however_many_come() -> None:
    numbers = [float("nan"), float("inf"), 0.5, 1.0, 2**63 - 1, 2**63, -(2.0**63), 1e300, True, None, 1e-9]
    for n in (1, 100):
        index = ColumnIndex()
        for i, number in enumerate(numbers):
            index.put(np.arange(n) + n * i, [{"x": number}] * n)
        counts = index.view().count("x", None, 20)
        expected = [-(2**63), 1e-9, 0.5, 1, 2**63 - 1, 2.0**63, 1e300, float("inf"), True]
        assert counts.values == [(number, n) for number in expected]
        assert counts.n_missing == 2 * n
        for number in expected:
            assert len(index.view().mask(OneOf("x", "filter", (number,)))) == n


@pytest.mark.long
def test_fields_that_one_document_has_take_memory_by_their_values() -> None:
    """Where each had columns of its own they would take a thousand bytes."""
    index = ColumnIndex()
    tracemalloc.start()
    for key in range(200):
        index.put(np.array([key]), [{f"{key} {i}": i for i in range(1_000)}])
    index = ColumnIndex(index.base())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.n_fields == 200_000
    assert taken < 100 * 200_000
    assert 0.5 < index.memory_bytes / taken < 1.5
    assert index.view().mask(Exists("7 7", "filter")).allowed_keys().tolist() == [7]


def test_the_memory_of_columns_is_told() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    tracemalloc.start()
    index = ColumnIndex()
    for first in range(0, n, 1_000):
        keys = np.arange(first, first + 1_000)
        index.put(keys, [{"n": int(k), "few": f"v{k % 9}", "id": f"{k:x}", "x": float(rng.random())} for k in keys])
    index = ColumnIndex(index.base())
    index.view().mask(OneOf("id", "filter", ("a",)))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.8 < index.memory_bytes / taken < 1.1
    assert index.memory_bytes < 40 * n


@pytest.mark.parametrize("in_a_thread", [0, 1 << 20])
def test_readers_see_each_write_whole(in_a_thread: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten documents always have the same value; bases are made meanwhile."""
    monkeypatch.setattr(module, "_IN_A_THREAD", in_a_thread)
    index, keys, stop, errors = ColumnIndex(), np.arange(10), threading.Event(), []
    index.put(keys, [{"n": 0, "t": "0"}] * 10)

    def read() -> None:
        while not stop.is_set():
            view = index.view()
            values = set(view.values(keys, "n"))
            n = next(iter(values))
            found = view.mask(And((OneOf("n", "filter", (n or 0,)), OneOf("t", "filter", (str(n),)))))
            if len(values) != 1 or len(found) != 10 or view.count("t", None, 9).values != [(str(n), 10)]:
                errors.append((values, len(found)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(1, 1_500):
        index.put(keys, [{"n": n, "t": str(n)}] * 10)
    stop.set()
    for reader in readers:
        reader.join()
    index.wait()
    assert errors == []
    assert index.view().values(keys, "n") == [1_499] * 10


def test_integers_of_any_size_and_sign_stay_exact_beside_each_other() -> None:
    numbers = [-1, 2**40, 2**53 + 1, 2**63 - 1, *range(600)]
    index = ColumnIndex()
    index.put(np.arange(len(numbers)), [{"n": number} for number in numbers])
    view = ColumnIndex(index.base()).view()
    assert view.values(np.arange(len(numbers)), "n") == numbers
    assert view.mask(OneOf("n", "filter", (2**53 + 1,))).allowed_keys().tolist() == [2]
    assert view.mask(Range("n", "filter", gt=2**53, lt=2**63 - 1)).allowed_keys().tolist() == [2]
