"""What the answers of all searches have in common."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.web.schemas.explanations import Explanation

Value = bool | int | float | str


class Highlight(BaseModel):
    """Where the words of the query stand in a document."""

    passage: str = Field(description="The part of the text that holds most of the query.")
    start: int = Field(description="Where it begins in the text, in characters.")
    marks: list[tuple[int, int]] = Field(description="Begin and end of each word of the query within the passage.")
    title_marks: list[tuple[int, int]] = Field(description="The same within the title.")


class FoundDocument(BaseModel):
    """What is shown of a document that was found."""

    id: str
    title: str | None = Field(None, description="Left out if it has none, or `fields` does not name it.")
    text: str | None = Field(None, description="Left out if `fields` does not name it.")
    metadata: dict[str, Any] | None = Field(
        None, description="All, or the fields that `fields` names; left out if it names none."
    )
    sort_value: Value | None = Field(
        None, description="Only with `sort`: what it was ordered by; null if it has no value, which comes last."
    )
    highlight: Highlight | None = Field(None, description="Only with `highlight`.")
    explain: Explanation | None = Field(None, description="Only with `explain`.")


class ValueCount(BaseModel):
    """How many matches have a value."""

    value: Value
    count: int


class RangeCount(BaseModel):
    """How many matches have a value in a range."""

    low: Value | None = Field(alias="from", description="The least value of the range; null for none.")
    high: Value | None = Field(alias="to", description="The value that it ends before; null for none.")
    count: int


class FacetCounts(BaseModel):
    """The matches by a field: by value, or by range if ranges were asked for.

    A match with a list counts once for each of its values.
    """

    values: list[ValueCount] | None = Field(None, description="The commonest first, then in the order of values.")
    distinct: int | None = Field(None, description="How many different values the matches have.")
    other: int | None = Field(None, description="Counts of the values that are not listed, added up.")
    missing: int | None = Field(None, description="Matches without a value.")
    ranges: list[RangeCount] | None = None


class Group(BaseModel):
    """Matches with the same value."""

    value: Value | None = Field(description="Null: they have no value.")
    matches: int = Field(description="How many of the matches are of this group: first those of the first group.")


class SearchWork(BaseModel):
    """The work that the query took."""

    source: Literal["memory", "sql"] = Field(description="The replica in memory, or the hash table in SQL.")
    path: str | None = Field(
        description="How the codes were searched: probing buckets, or scanning all codes; null if they were not."
    )
    probes: int = Field(description="Number of buckets that were read.")
    candidates: int = Field(description="Number of codes whose distance was computed.")
    radius: int | None = Field(description="Every code within this many bits was seen; null if none was looked at.")
    passing: int | None = Field(description="Documents that pass `filter` and `where`; null without them.")
    matching: int | None = Field(
        description="Documents that match: for a search those with a word of the query, else, where `facets` or `sort` "
        "need them, those within `radius`, or all that pass the filter; null if nobody counted."
    )


class FoundMatches(BaseModel):
    """What was found, and beside it."""

    facets: dict[str, FacetCounts] | None = Field(
        None, description="Only with `facets`: by field, the counts of all that match, not of this page alone."
    )
    groups: list[Group] | None = Field(None, description="Only with `group_by`: the groups, in the order of matches.")
    hint: str | None = Field(None, description="What may be wrong with the request: a field that no document has.")
