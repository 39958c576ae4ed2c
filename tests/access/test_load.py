from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.load import Bound, Load
from service.errors import Overloaded


@given(st.integers(1, 64), st.integers(1, 64), st.lists(st.booleans()))
def test_callers_who_wait_for_each_answer_are_all_served(most: int, n_callers: int, begins: list[bool]) -> None:
    bound, n_begun = Bound(most), 0
    for one_begins in begins:
        if one_begins and n_begun < min(n_callers, most):
            assert bound.accepts(n_begun)
            n_begun += 1
        else:
            n_begun = max(0, n_begun - 1)


@given(st.integers(1, 64), st.lists(st.booleans()))
def test_no_more_begin_than_may(most: int, begins: list[bool]) -> None:
    bound, n_begun = Bound(most), 0
    for one_begins in begins:
        if not one_begins:
            n_begun = max(0, n_begun - 1)
        elif bound.accepts(n_begun):
            n_begun += 1
        assert n_begun <= most


def test_after_a_refusal_few_begin_until_hardly_any_is_left() -> None:
    bound = Bound(40)
    assert all(bound.accepts(n) for n in range(40))
    assert not bound.accepts(40)
    assert not bound.accepts(8)
    assert bound.accepts(7)
    assert bound.is_reached
    assert bound.accepts(2)
    assert not bound.is_reached
    assert bound.accepts(39)


def test_searches_and_puts_are_bounded_each() -> None:
    load = Load(max_searches=2, max_puts=1)
    with ExitStack() as stack:
        for kind in ("search", "put", "search"):
            stack.enter_context(load.running(kind))  # type: ignore[arg-type]
        for kind, most in (("search", 2), ("put", 1)):
            with pytest.raises(Overloaded, match=f"at most {most} such calls"), load.running(kind):  # type: ignore[arg-type]
                pass
    with load.running("search"), load.running("put"):
        pass


def test_a_call_that_fails_is_counted_no_longer() -> None:
    load = Load(1, 1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), load.running("put"):
            raise ZeroDivisionError
