"""Whatever was put, replaced and deleted, columns answer as a look at every document does."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.index.columns import ColumnView, merge, tail, values
from service.index.columns import index as module
from service.index.columns.filters import And, Contains, Exists, Filter, Not, OneOf, Or, Prefix, Range
from service.index.columns.index import ColumnIndex
from service.index.columns.layout import of_words, to_words
from service.index.key_mask import KeyMask
from tests.examples import examples
from tests.index.columns import oracle

integers = st.sampled_from([0, 1, 2, -1, 7, 300, 2**53 + 1, 2**63 - 1, -(2**63), 2**40]) | st.integers(-3, 3)
floats = st.sampled_from([0.0, -0.0, 1.0, 0.5, -0.5, 1.5, 2.0**53, 2.0**63, -(2.0**63), -(2.0**64), 1e300, 5e-324])
plain = st.sampled_from(
    ["", "a", "ab", "abc", "b", "\u00e9", "\ud7ff", "\uffff", "\U0001f44d", "\u673a\u5668", "a\x00", "A"]
)
dates = st.sampled_from(
    ["2026-11-30", "2026-11-30T14:05:00Z", "2026-11-30 14:05", "2026-11-30T16:05:00+02:00", "1969-12-31", "2026-02-30"]
)
texts = plain | dates
scalars = st.one_of(integers, floats, texts, st.booleans())
names = st.sampled_from(["a", "b", "a.b", "c"])
members: Any = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(names, members, max_size=4)
keys = st.integers(0, 12) | st.integers(1_000, 1_003) | st.sampled_from([-5, 10**15])
fields = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "b.a", "c.a", "nowhere"])


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    bounds = draw(st.sampled_from([integers | floats, plain, dates]))
    sides = draw(st.sets(st.sampled_from(["gt", "gte", "lt", "lte"]), min_size=1, max_size=2))
    return Range(draw(fields), "filter", **{side: draw(bounds) for side in sorted(sides)})


conditions: Any = st.one_of(
    st.builds(OneOf, fields, st.just("filter"), st.lists(scalars, max_size=7).map(tuple)),
    ranges(),
    st.builds(Exists, fields, st.just("filter")),
    st.builds(Contains, fields, st.just("filter"), scalars),
    st.builds(Prefix, fields, st.just("filter"), texts),
)
filters: Any = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.tuples(keys, documents), max_size=6)),
        st.tuples(st.just("delete"), st.lists(keys, max_size=4)),
        st.tuples(st.just("merge"), st.none()),
    ),
    max_size=6,
)


def made(steps: list[tuple[str, Any]]) -> tuple[ColumnIndex, dict[int, oracle.Document]]:
    """Columns after some steps, and what they should hold."""
    index, held = ColumnIndex(), {}
    for step, argument in steps:
        if step == "put":
            index.put(np.array([key for key, _ in argument], np.int64), [one for _, one in argument])
            held |= dict(argument)
        elif step == "delete":
            index.delete(argument)
            held = {key: one for key, one in held.items() if key not in argument}
        else:
            index = ColumnIndex(of_words(to_words(index.base())))
    return index, held


def outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except InvalidInput:
        return InvalidInput


@pytest.fixture(autouse=True, params=[0, 4, 32])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bases are made often, beside the writer or not, and fields of more than a few values have columns."""
    monkeypatch.setattr(module, "_IN_A_THREAD", 0 if request.param == 4 else 1 << 20)
    monkeypatch.setattr(module, "_SMALL_TAIL", 6)
    monkeypatch.setattr(merge, "MOST", request.param)
    monkeypatch.setattr(tail, "_FEW", request.param // 2)
    monkeypatch.setattr(values, "_SEVERAL", 1 + request.param)


@examples(250)
@given(steps, st.lists(filters, min_size=1, max_size=4))
def test_the_documents_that_pass_a_filter(steps: Any, filters: list[Filter]) -> None:
    index, held = made(steps)
    view = index.view()
    assert len(index) == len(view) == len(held)
    assert view.all_keys().allowed_keys().tolist() == sorted(held)
    for filter in [*filters, *filters]:  # the second time some are remembered
        found = outcome(lambda asked: view.mask(asked).allowed_keys().tolist(), filter)
        assert found == outcome(oracle.mask, held, filter), filter


@examples(150)
@given(steps, fields, st.none() | st.sets(keys), st.integers(0, 4) | st.just(100))
def test_the_counts_of_values(steps: Any, field: str, within: set[int] | None, limit: int) -> None:
    index, held = made(steps)
    mask = None if within is None else KeyMask.of_keys(within)
    found = index.view().count(field, mask, limit)
    expected, n_missing = oracle.count({k: d for k, d in held.items() if within is None or k in within}, field)
    assert [(oracle.rank(value)[1], n) for value, n in found.values] == expected[:limit]
    assert (found.n_distinct, found.n_missing) == (len(expected), n_missing)
    assert found.n_other == sum(n for _, n in expected[limit:])


@examples(100)
@given(steps, fields, st.none() | st.sets(keys), st.lists(st.tuples(integers | floats, integers | floats), max_size=3))
def test_the_counts_of_ranges(steps: Any, field: str, within: set[int] | None, bounds: Any) -> None:
    index, held = made(steps)
    mask = None if within is None else KeyMask.of_keys(within)

    def expected() -> list[int]:
        masks = [oracle.mask(held, Range(field, "facets", gte=first, lt=end)) for first, end in bounds]
        return [sum(within is None or key in within for key in keys) for keys in masks]

    assert outcome(index.view().count_ranges, field, mask, bounds) == outcome(expected)


@examples(150)
@given(steps, fields, st.booleans(), st.lists(keys, unique=True), st.booleans(), st.integers(0, 12))
def test_the_order_of_documents(
    steps: Any, field: str, descending: bool, others: list[int], is_sorted: bool, limit: int
) -> None:
    index, held = made(steps)
    asked = [*held, *(key for key in others if key not in held)]
    asked = sorted(asked) if is_sorted else asked
    view = index.view()
    places = view.ordered(np.array(asked, np.int64), field, descending)
    assert [asked[place] for place in places] == oracle.ordered(held, asked, field, descending)
    assert view.ordered(np.array(asked, np.int64), field, descending, limit).tolist() == places[:limit].tolist()
    values = view.sort_values(np.array(asked, np.int64), field, descending)
    for key, found in zip(asked, values, strict=True):
        assert view.sort_value(key, field, descending) == found
        assert (None if found is None else oracle.rank(found)) == oracle.first(held.get(key, {}), field, descending)


@examples(100)
@given(steps, fields, st.lists(keys, unique=True))
def test_the_values_of_documents(steps: Any, field: str, asked: list[int]) -> None:
    index, held = made(steps)

    def expected() -> list[Any]:
        if any(oracle.has_list(held.get(key, {}), field) for key in asked):
            raise InvalidInput("a list")
        return [next(map(oracle.rank, oracle.values(held.get(key, {}), field)), None) for key in asked]

    def found() -> list[Any]:
        values = index.view().values(np.array(asked, np.int64), field)
        return [None if value is None else oracle.rank(value) for value in values]

    assert outcome(found) == outcome(expected)


@examples(100)
@given(steps, st.integers(1, 5))
def test_the_names_of_fields(steps: Any, limit: int) -> None:
    index, held = made(steps)
    counts: dict[str, int] = {}
    for document in held.values():
        for name in {name for name, _, _ in oracle.leaves(document)}:
            counts[name] = counts.get(name, 0) + 1
    view = index.view()
    assert view.field_names(limit) == sorted(counts, key=lambda name: (-counts[name], name))[:limit]
    asked = ["a", "a.b", "b", "b.c", "nowhere"]
    known = [name for name in asked if any(one == name or one.startswith(f"{name}.") for one in counts)]
    assert view.unknown_fields(asked) == [name for name in asked if name not in known]


@given(steps, steps, st.lists(conditions, max_size=3), fields)
def test_a_view_does_not_change(before: Any, after: Any, conditions: list[Filter], field: str) -> None:
    index, held = made(before)
    view = index.view()
    for step, argument in after:
        if step == "put":
            index.put(np.array([key for key, _ in argument], np.int64), [one for _, one in argument])
        elif step == "delete":
            index.delete(argument)
    assert view.all_keys().allowed_keys().tolist() == sorted(held)
    for condition in conditions:
        found = outcome(lambda asked: view.mask(asked).allowed_keys().tolist(), condition)
        assert found == outcome(oracle.mask, held, condition)
    asked = [*held]
    places = view.ordered(np.array(asked, np.int64), field, False)
    assert [asked[place] for place in places] == oracle.ordered(held, asked, field, False)


@given(steps, steps, st.lists(filters, max_size=3), fields)
def test_what_is_written_while_a_base_is_made_is_kept(
    before: Any, after: Any, filters: list[Filter], field: str
) -> None:
    index, held = made(before)
    index.wait()
    frozen, index._merge = index.view(), threading.Thread()  # of which there is one at a time
    for step, argument in after:
        if step == "put":
            index.put(np.array([key for key, _ in argument], np.int64), [one for _, one in argument])
            held |= dict(argument)
        elif step == "delete":
            index.delete(argument)
            held = {key: one for key, one in held.items() if key not in argument}
    published: list[ColumnView] = []
    publish = index._publish
    index._publish = lambda: (publish(), published.append(index.view()))  # type: ignore[assignment]
    index._merged(frozen)
    for view in published:
        assert view.all_keys().allowed_keys().tolist() == sorted(held)
    view = index.view()
    for filter in filters:
        found = outcome(lambda asked: view.mask(asked).allowed_keys().tolist(), filter)
        assert found == outcome(oracle.mask, held, filter)
    expected, n_missing = oracle.count(held, field)
    counts = view.count(field, None, 100)
    assert ([(oracle.rank(value)[1], n) for value, n in counts.values], counts.n_missing) == (expected, n_missing)
    index.put(np.array([3, 2_000], np.int64), [{"a": 1}, {"a": "b"}])  # rows are found by key as before
    held |= {3: {"a": 1}, 2_000: {"a": "b"}}
    index.delete(list(held)[::2])
    held = dict(list(held.items())[1::2])
    places = index.view().ordered(np.array([*held], np.int64), field, True)
    assert [[*held][place] for place in places] == oracle.ordered(held, [*held], field, True)
    assert index.view().all_keys().allowed_keys().tolist() == sorted(held)
