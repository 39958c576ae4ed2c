"""What a query as people type it is taken apart into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search.query_syntax import QueryPart, parse


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("black cat", [QueryPart("black"), QueryPart("cat")]),
        ('"black cat"', [QueryPart("black cat", is_phrase=True)]),
        ("\u201eblack cat\u201c \u00abdog\u00bb", [QueryPart("black cat", True), QueryPart("dog", True)]),
        ("+black -cat", [QueryPart("black", is_required=True), QueryPart("cat", is_excluded=True)]),
        ('+"a b" -"c d"', [QueryPart("a b", True, is_required=True), QueryPart("c d", True, is_excluded=True)]),
        ("restau* C*", [QueryPart("restau", is_prefix=True), QueryPart("C", is_prefix=True)]),
        ("+restau*", [QueryPart("restau", is_required=True, is_prefix=True)]),
        ("--force", [QueryPart("--force")]),
        ("- + *", [QueryPart("-"), QueryPart("+"), QueryPart("*")]),
        ("C++ a-b x-", [QueryPart("C++"), QueryPart("a-b"), QueryPart("x-")]),
        ('"black cat', [QueryPart("black"), QueryPart("cat")]),
        ('say "a b" c" d', [QueryPart("say"), QueryPart("a b", True), QueryPart("c"), QueryPart("d")]),
        ('"" " " "', []),
        ("", []),
    ],
)
def test_a_query_is_taken_apart(query: str, parts: list[QueryPart]) -> None:
    assert parse(query) == parts


@given(st.text(st.sampled_from('ab +-"* \u201c\u00e9\u3000\n')))
def test_whatever_is_typed_is_taken_apart_without_loss_of_letters(query: str) -> None:
    parts = parse(query)
    assert all(part.text.strip() for part in parts)
    assert all(not (part.is_required and part.is_excluded) for part in parts)
    letters = [c for c in query if c.isalpha()]
    assert [c for part in parts for c in part.text if c.isalpha()] == letters
