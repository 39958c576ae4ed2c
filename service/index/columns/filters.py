"""Filters: what the metadata of a document must be like.

A field is a path: the names of nested members joined by dots. Its values are the scalar there, or the scalars of the
list there; lists of objects are gone through. Null, empty lists and empty objects are no values. A condition on a field
holds where it holds for one of its values; `Not` holds wherever its part does not, so also where there is no value.

Numbers are compared exactly with numbers (integers of 64 bits too), texts with texts, booleans with booleans. Where a
range is given by a date (ISO 8601, as "2026-11-30" or "2026-11-30T14:05:00Z"), the texts that are dates are compared as
instants, and other texts do not match; a date without zone is one of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts hold; without parts, always."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts holds; without parts, never."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Condition:
    """What a condition on one field has.

    Attributes:
        name: the field, names joined by dots.
        where: what to call the condition in an error, as "filter.and[1].year.gte".
    """

    name: str
    where: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class OneOf(Condition):
    """A value of the field equals one of these."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range(Condition):
    """A value of the field lies between these; None leaves a side open."""

    gt: int | float | str | None = None
    gte: int | float | str | None = None
    lt: int | float | str | None = None
    lte: int | float | str | None = None


@dataclass(frozen=True, slots=True)
class Exists(Condition):
    """The field, or a field below it, has a value."""


@dataclass(frozen=True, slots=True)
class Contains(Condition):
    """The field is a text that has this one in it, or a list that has this as an item."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Prefix(Condition):
    """A value of the field is a text that begins so."""

    value: str


Filter = And | Or | Not | OneOf | Range | Exists | Contains | Prefix
