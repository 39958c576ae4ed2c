"""Documents are cut into requests by number and by bytes, and nothing is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nearbit
from nearbit.batches import batches_of
from nearbit.lines import line_of
from nearbit.parameters import in_query


@given(st.lists(st.text(max_size=30).filter(lambda t: t.isprintable())), st.integers(1, 5), st.integers(20, 200))
def test_batches_hold_all_documents_in_order_within_their_limits(texts: list[str], most: int, n_bytes: int) -> None:
    batches = list(batches_of(texts, most, n_bytes))
    bodies = [json.loads(batch.body)["documents"] for batch in batches]
    assert [one["text"] for body in bodies for one in body] == texts
    for batch, body in zip(batches, bodies, strict=True):
        assert len(body) == batch.n_documents <= most
        assert len(batch.body) <= n_bytes + len('{"documents":[]}') or len(body) == 1


@pytest.mark.parametrize("wrong", [7, {"text": float("nan")}, {"text": {1, 2}}, "\ud800", ["text"]])
def test_what_cannot_be_sent_is_refused_before_it_is_sent(wrong: object) -> None:
    with pytest.raises(nearbit.InvalidInput):
        list(batches_of([wrong]))  # type: ignore[list-item]


def test_no_more_documents_are_read_than_are_sent() -> None:
    read = []
    documents = (read.append(n) or str(n) for n in range(100))  # type: ignore[func-returns-value]
    next(batches_of(documents, most_documents=10))
    assert len(read) <= 11


def test_lines_end_once() -> None:
    assert line_of("a") == b'{"text":"a"}\n'
    assert line_of(b'{"text":"a"}\n') == line_of(b'{"text":"a"}') == b'{"text":"a"}\n'


def test_parameters_travel_as_the_service_reads_them() -> None:
    given = {"filter": {"year": 1}, "where": ["a:b", "c:d"], "facets": ["x", "y"], "explain": True, "sort": None}
    sent = {"filter": '{"year": 1}', "where": ["a:b", "c:d"], "facets": "x,y", "explain": "true"}
    assert in_query(given) == sent
