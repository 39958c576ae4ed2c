"""Facets: how many of the matches have each value of a field, or lie in each range."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from service.errors import InvalidInput
from service.index.columns.counts import ValueCounts
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask
from service.search.filters import check_field

_HINTED_FIELDS = 10
DEFAULT_VALUES, MAX_VALUES, MAX_FACETS, MAX_RANGES = 10, 1_000, 50, 1_000

Bound = int | float | str | None


class FacetField(BaseModel):
    """A facet as a member of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(description="A field of metadata, nested ones joined by dots.")
    limit: int = Field(DEFAULT_VALUES, ge=1, le=MAX_VALUES, description="Most values, the commonest first.")
    ranges: list[tuple[int | float | str | None, int | float | str | None]] | None = Field(
        None,
        min_length=1,
        max_length=MAX_RANGES,
        description="Count by range in place of by value: lower and upper bounds, numbers or dates, null for none; "
        "a range holds its lower bound and not its upper one.",
    )


FacetOption = str | FacetField


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """What is counted: the `limit` commonest values of a field, or the documents in each of the ranges."""

    field: str
    limit: int = DEFAULT_VALUES
    ranges: tuple[tuple[Bound, Bound], ...] | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """The counts of one field: by value, or the number of documents in each range."""

    request: FacetRequest
    values: ValueCounts | None = None
    in_ranges: Sequence[int] = ()


def parse_facets(options: Sequence[FacetOption]) -> tuple[FacetRequest, ...]:
    """What a request wants to be counted.

    Raises:
        InvalidInput: a facet that is none, one field twice, or too many.
    """
    found = [_parse_line(one) if isinstance(one, str) else _of_model(one) for one in options]
    if len(found) > MAX_FACETS:
        raise InvalidInput(f"facets must be at most {MAX_FACETS}, got {len(found)}")
    names = [one.field for one in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidInput(f"facets must name each field once, got {repeated[0]!r} more than once")
    return tuple(found)


def count(columns: ColumnView, request: FacetRequest, matching: KeyMask) -> Facet:
    """The counts of one field among the matching documents. Blocks; cost: linear in the documents."""
    if request.ranges is None:
        return Facet(request, columns.count(request.field, matching, request.limit))
    return Facet(request, in_ranges=columns.count_ranges(request.field, matching, request.ranges))


def unknown_fields(columns: ColumnView, fields: Collection[str]) -> str | None:
    """What to tell of fields that no document has a value in; None if there are none, or no documents."""
    unknown = columns.unknown_fields(sorted(fields)) if len(columns) else []
    if not unknown:
        return None
    names = columns.field_names(_HINTED_FIELDS)
    there = f"fields are {', '.join(names)}" if names else "no document has metadata"
    return f"no document has a value in {', '.join(unknown)}; {there}"


def _of_model(option: FacetField) -> FacetRequest:
    ranges = None if option.ranges is None else tuple(option.ranges)
    for bounds in ranges or ():
        _check_bounds(option.field, bounds)
    return FacetRequest(check_field(option.field, "facets"), option.limit, ranges)


def _parse_line(line: str) -> FacetRequest:
    """A facet from `field`, `field:limit`, or `field:a..b..c`."""
    name, colon, rest = line.partition(":")
    check_field(name, "facets")
    if not colon:
        return FacetRequest(name)
    if ".." in rest:
        bounds = [_bound(text) for text in rest.split("..")]
        ranges = tuple(pairwise(bounds))
        if len(ranges) > MAX_RANGES:
            raise InvalidInput(f"facets: {name} must have at most {MAX_RANGES} ranges, got {len(ranges)}")
        for pair in ranges:
            _check_bounds(name, pair)
        return FacetRequest(name, ranges=ranges)
    if not re.fullmatch(r"[0-9]{1,9}", rest) or not 1 <= int(rest) <= MAX_VALUES:
        raise InvalidInput(
            f"facets: {name} must be followed by a number from 1 to {MAX_VALUES} or by ranges such as 0..10..20, "
            f"got {rest[:60]!r}"
        )
    return FacetRequest(name, int(rest))


def _bound(text: str) -> Bound:
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _check_bounds(name: str, bounds: tuple[Bound, Bound]) -> None:
    low, high = bounds
    if low is None and high is None:
        raise InvalidInput(f"facets: {name} must have ranges with a bound on one side at least")
    for bound in bounds:
        if isinstance(bound, float) and bound - bound != 0:
            raise InvalidInput(f"facets: {name} must have finite bounds, got {bound}")
        if isinstance(bound, int) and not -(1 << 63) <= bound < 1 << 63:
            raise InvalidInput(f"facets: {name} must have bounds of at most 64 bits, got {bound}")
    if low is None or high is None:
        return
    if isinstance(low, str) != isinstance(high, str):
        raise InvalidInput(f"facets: {name} must have bounds of one type in each range, got {low!r} and {high!r}")
    if low > high:  # type: ignore[operator]
        raise InvalidInput(f"facets: {name} must have ranges from the lesser to the greater, got {low!r} and {high!r}")
