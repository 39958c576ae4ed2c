"""Queries as people type them, and the documents found."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.search.request import QueryOptions, QueryRequest
from service.web.schemas.spaces import SpaceRef


class Queries(QueryOptions):
    """Many queries at once."""

    queries: list[str] = Field(
        min_length=1, description="None of them blank; the installation sets the greatest number."
    )

    def request(self, collection: str) -> QueryRequest:
        """The request for the search."""
        return QueryRequest.of(self, collection=collection, queries=self.queries, is_batch=True)


class Highlight(BaseModel):
    """Where the words of the query stand in a document."""

    passage: str = Field(description="The part of the text that holds most of the query.")
    start: int = Field(description="Where it begins in the text, in characters.")
    marks: list[tuple[int, int]] = Field(description="Begin and end of each word of the query within the passage.")
    title_marks: list[tuple[int, int]] = Field(description="The same within the title.")


class Scores(BaseModel):
    """The parts of a score."""

    words: float | None = Field(description="BM25 of the words of the query; null with `rank=code`.")
    code: float | None = Field(
        description="How far its code agrees with where the search looked, from -1 to 1; null with `rank=words`, or "
        "while it has no code."
    )


class QueryMatch(BaseModel):
    """A document and why it was found."""

    id: str
    score: float = Field(
        description="With `hybrid`: words, divided by the best candidate's, plus a share of code; else one of them."
    )
    scores: Scores
    distance: int | None = Field(description="Bits in which its code differs from the query's; null as well.")
    title: str | None = Field(None, description="Left out if it has none, or `fields` does not name it.")
    text: str | None = Field(None, description="Left out if `fields` does not name it.")
    metadata: dict[str, Any] | None = Field(None, description="Left out if `fields` does not name it.")
    highlight: Highlight | None = Field(None, description="Only with `highlight`.")


class QueryWork(BaseModel):
    """The work that the query took."""

    source: Literal["memory", "sql"] = Field(description="Where codes were searched.")
    matching: int = Field(description="Documents that match by words.")
    scored: int = Field(description="Documents that were scored.")
    probes: int = Field(description="Buckets that the search by code read.")
    candidates: int = Field(description="Codes whose distance was computed.")


class QueryAnswer(BaseModel):
    """The best documents, descending by score, then by arrival."""

    matches: list[QueryMatch]
    space: SpaceRef
    code: str | None = Field(description="The query's code, in hexadecimal; null with `rank=words`.")
    known: bool = Field(description="False: no document has a word of the query, and the hash function knows none.")
    corrected: dict[str, str] = Field(description="Words that no document has, and what was looked for in their place.")
    language: str | None = Field(description="That words were analyzed by; null if words were not looked at.")
    partial: list[Literal["words"]] = Field(
        description="What was not at hand: `words` while a process that has just started reads them."
    )
    exact: bool = Field(description="False: of too many documents with the words of a phrase only the best were read.")
    work: QueryWork


class QueryAnswers(BaseModel):
    """One answer per query, in the order of the queries."""

    answers: list[QueryAnswer]
