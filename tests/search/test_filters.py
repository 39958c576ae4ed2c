"""Filters as callers write them."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidInput
from service.index.columns.filters import And, Contains, Exists, Not, OneOf, Or, Prefix, Range
from service.search.filters import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, fields_of, parse_filter, parse_where


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"lang": "en"}, OneOf("lang", "", ("en",))),
        ({}, And(())),
        ({"a.b": True, "c": 1.5}, And((OneOf("a.b", "", (True,)), OneOf("c", "", (1.5,))))),
        ({"lang": {"in": ["en", 3, False]}}, OneOf("lang", "", ("en", 3, False))),
        ({"year": {"gte": 2020, "lt": 2024.5}}, Range("year", "", gte=2020, lt=2024.5)),
        ({"day": {"gt": "2026-11-30"}}, Range("day", "", gt="2026-11-30")),
        ({"tags": {"contains": "red"}}, Contains("tags", "", "red")),
        ({"name": {"prefix": ""}}, Prefix("name", "", "")),
        ({"x": {"exists": True}}, Exists("x", "")),
        ({"x": {"exists": False}}, Not(Exists("x", ""))),
        ({"or": [{"a": 1}, {"not": {"b": 2}}]}, Or((OneOf("a", "", (1,)), Not(OneOf("b", "", (2,)))))),
        ({"and": [{"a": 1}]}, And((OneOf("a", "", (1,)),))),
    ],
)
def test_a_json_object_is_an_expression(written: dict[str, Any], expected: object) -> None:
    assert parse_filter(written) == expected


def test_operators_of_one_field_must_all_hold() -> None:
    found = parse_filter({"n": {"gt": 1, "exists": True, "in": [2, 3]}})
    assert isinstance(found, And)
    assert {type(part) for part in found.parts} == {Range, Exists, OneOf}


def test_a_condition_knows_where_it_stands() -> None:
    found = parse_filter({"and": [{"a": 1}, {"year": {"gte": 2020}}]})
    assert isinstance(found, And)
    assert found.parts[1].where == "filter.and[1].year.gte"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "filter must be an object"),
        ("lang:en", "filter must be an object"),
        ({"a": None}, "filter.a must be a number, a text or a boolean, got null; "),
        ({"a": [1, 2]}, 'filter.a must be a value or a condition such as {"in": [...]}, got a list'),
        ({"a": {}}, "filter.a must have operators among in, gt, gte, lt, lte, exists, contains, prefix, got none"),
        ({"a": {"b": 1}}, 'got "b"'),
        ({"a": {"in": "x"}}, 'filter.a.in must be a list of values, got "x"'),
        ({"a": {"in": [1, [2]]}}, "filter.a.in[1] must be a number, a text or a boolean, got [2]"),
        ({"a": {"exists": 1}}, "filter.a.exists must be true or false, got 1"),
        ({"a": {"gt": True}}, "filter.a.gt must be a number or a text, got true"),
        ({"a": {"gt": 1, "lt": "x"}}, 'filter.a must be bounded by numbers or by texts, not by both, got 1 and "x"'),
        ({"a": {"prefix": 3}}, "filter.a.prefix must be a text, got 3"),
        ({"a": 1 << 63}, "filter.a must be an integer of at most 64 bits, got 9223372036854775808"),
        ({"a": float("nan")}, "filter.a must be a number, a text or a boolean, got NaN"),
        ({"a": "\x00"}, "filter.a must hold no NUL character"),
        ({"\ud800": 1}, "must hold no NUL character and no lone surrogate"),
        ({"": 1}, "filter. must name a field of metadata"),
        ({"or": {"a": 1}}, 'filter.or must be a list of filters, got {"a": 1}'),
        ({"not": [{"a": 1}]}, "filter.not must be an object"),
        ({"or": [{"a": 1}, 3]}, "filter.or[1] must be an object"),
        ({"a": {"in": [1] * (MAX_VALUES + 1)}}, f"filter must hold at most {MAX_VALUES} values"),
        ({str(n): n for n in range(MAX_CONDITIONS + 1)}, f"filter must hold at most {MAX_CONDITIONS} conditions"),
    ],
)
def test_what_is_no_filter_is_refused_with_place_rule_and_value(written: object, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_filter(written)
    assert message in str(error.value)


def _nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"a": 1}
    for _ in range(depth - 1):
        found = {"not": found}
    return found


def test_a_filter_may_be_nested_up_to_a_limit() -> None:
    assert fields_of(parse_filter(_nested(MAX_DEPTH))) == {"a"}
    with pytest.raises(InvalidInput, match=f"nested at most {MAX_DEPTH} levels"):
        parse_filter(_nested(MAX_DEPTH + 1))


def test_a_line_is_a_condition_on_the_text_and_on_what_it_reads_as() -> None:
    assert parse_where(["lang:en"]) == OneOf("lang", "", ("en",))
    assert parse_where(["year:2020"]) == OneOf("year", "", ("2020", 2020))
    assert parse_where(["ok:true"]) == OneOf("ok", "", ("true", True))
    assert parse_where(["zip:02139"]) == OneOf("zip", "", ("02139",))
    assert parse_where(["url:http://x", "a:"]) == And((OneOf("url", "", ("http://x",)), OneOf("a", "", ("",))))
    assert parse_where(["n:1e999"]) == OneOf("n", "", ("1e999",))


@pytest.mark.parametrize("line", ["lang", "", ":en"])
def test_a_line_without_field_and_colon_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match="where must be FIELD:VALUE"):
        parse_where([line])


def test_the_fields_of_a_filter_are_known() -> None:
    written = {"a": 1, "or": [{"b.c": {"exists": False}}, {"not": {"d": {"gt": 1, "contains": 2}}}]}
    assert fields_of(parse_filter(written)) == {"a", "b.c", "d"}
