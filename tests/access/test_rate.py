from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.allowance import Allowance
from service.access.rate import Rate
from service.access.wrong_keys import WrongKeys
from service.errors import KeyLimitReached
from service.store.keys import KeyLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40))), st.integers(1, 20), st.sampled_from([0.25, 1.0, 8.0]))
def test_no_more_is_taken_than_a_full_bucket_and_what_has_come_since(
    asked: Sequence[tuple[float, int]], most: int, per_s: float
) -> None:
    clock = Clock()
    rate, taken = Rate(most, per_s, clock), 0
    for pause_s, n in asked:
        clock.now += pause_s
        if not rate.take(n):
            taken += n
            debt = max(0, n - most)  # of a batch that no bucket holds
            assert taken - debt <= most + (clock.now - 1_000) * per_s + 1e-6


@given(st.integers(1, 50), st.integers(1, 20), st.sampled_from([0.25, 1.0, 8.0]))
def test_what_is_refused_can_be_taken_after_the_time_that_was_told(n: int, most: int, per_s: float) -> None:
    clock = Clock()
    rate = Rate(most, per_s, clock)
    rate.take(most)
    wait_s = rate.take(n)
    assert wait_s > 0
    clock.now += wait_s * 0.9
    assert rate.take(n) > 0
    clock.now += wait_s * 0.1 + 1e-6
    assert rate.take(n) == 0


def test_a_key_is_refused_by_the_limit_that_it_reached() -> None:
    clock = Clock()
    allowance = Allowance(KeyLimits(2, 100, 1), clock=clock)
    allowance.take_request()
    allowance.take_request()
    with pytest.raises(KeyLimitReached) as reached:
        allowance.take_request()
    assert (reached.value.limit, reached.value.allowed, reached.value.retry_after_s) == ("requests_per_minute", 2, 30)
    allowance.take_documents(150)  # more than a minute's, from a full bucket: the next ones wait longer
    with pytest.raises(KeyLimitReached, match="documents_per_minute = 100") as reached:
        allowance.take_documents(1)
    assert reached.value.retry_after_s == 31
    with allowance.searching(), pytest.raises(KeyLimitReached, match="concurrent_searches = 1"), allowance.searching():
        pass
    with allowance.searching():
        pass


def test_a_key_without_limits_is_never_refused() -> None:
    allowance = Allowance(KeyLimits(), clock=Clock())
    for _ in range(1_000):
        allowance.take_request()
        allowance.take_documents(1_000)


def test_each_process_grants_its_share() -> None:
    allowance = Allowance(KeyLimits(requests_per_minute=8, concurrent_searches=3), n_processes=4, clock=Clock())
    allowance.take_request()
    allowance.take_request()
    with pytest.raises(KeyLimitReached):
        allowance.take_request()
    with allowance.searching(), pytest.raises(KeyLimitReached), allowance.searching():
        pass


def test_an_address_that_sent_many_wrong_keys_waits_and_others_do_not() -> None:
    clock = Clock()
    wrong_keys = WrongKeys(clock)
    for _ in range(30):
        assert wrong_keys.wait_s("10.0.0.1") == 0
        wrong_keys.count("10.0.0.1")
    assert 0 < wrong_keys.wait_s("10.0.0.1") <= 1
    assert wrong_keys.wait_s("10.0.0.2") == 0
    clock.now += 1
    assert wrong_keys.wait_s("10.0.0.1") == 0


def test_the_addresses_of_a_network_count_as_one_and_only_so_many_are_remembered() -> None:
    wrong_keys = WrongKeys(Clock())
    for n in range(30):
        wrong_keys.count(f"2001:db8::{n:x}")
    assert wrong_keys.wait_s("2001:db8::ffff") > 0
    assert wrong_keys.wait_s("2001:db8:0:1::1") == 0
    for n in range(10_000):
        wrong_keys.count(f"10.1.{n >> 8}.{n & 255}")
    assert wrong_keys.wait_s("2001:db8::ffff") == 0
    assert len(wrong_keys._rates) == 10_000
