"""What the answers of all searches have in common."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Value = bool | int | float | str


class Highlight(BaseModel):
    """Where the words of the query stand in a document."""

    passage: str = Field(description="The part of the text that holds most of the query.")
    start: int = Field(description="Where it begins in the text, in characters.")
    marks: list[tuple[int, int]] = Field(description="Begin and end of each word of the query within the passage.")
    title_marks: list[tuple[int, int]] = Field(description="The same within the title.")


class WordShare(BaseModel):
    """A word of the query that the document has."""

    typed: str = Field(description="The word of the query.")
    found: str = Field(description="As the document writes it.")
    bm25: float = Field(description="What it adds to the BM25 of the document.")
    score: float = Field(description="What it adds to the score.")


class BitShare(BaseModel):
    """A bit of the document's code."""

    bit: int = Field(description="Its number, from 0: the most significant bit of a code is bit 0.")
    value: Literal[0, 1] = Field(description="Its value in the document.")
    confidence: float = Field(
        description="How sure the search was of the value that it looked for, from 0 to 1: 1 is the surest bit."
    )
    score: float | None = Field(
        description="What it adds to the score, below 0 if it differs; null where codes have a distance only."
    )


class BitWords(BitShare):
    """One of the bits that weigh most in the search, and the words behind it."""

    agrees: bool = Field(description="Whether the document has the value that was looked for.")
    query: list[tuple[str, float]] = Field(
        description="Words of the query that speak for the value looked for, and what the logit loses without them."
    )
    document: list[tuple[str, float]] = Field(description="Words of the document that speak for its value, likewise.")
    ones: list[str] = Field(description="Words that separate the documents with a one; empty while it is computed.")
    zeros: list[str] = Field(description="Words that separate the documents with a zero, likewise.")


class ScoreParts(BaseModel):
    """What a score is the sum of; a part that the search did not use is left out."""

    words: float | None = None
    code: float | None = None


class Explanation(BaseModel):
    """Why a match is where it is."""

    parts: ScoreParts
    words: list[WordShare] = Field(description="Those with the greatest share first; they add up to `parts.words`.")
    agreeing: list[BitShare] = Field(description="Bits that are as the search looked for them, the surest first.")
    differing: list[BitShare] = Field(description="The others; with the agreeing they add up to `parts.code`.")
    strongest: list[BitWords] = Field(description="The bits that weigh most, the same for all matches of a query.")


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
