"""Queries, and the documents that are similar."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.search.request import SearchRequest, TextOptions
from service.web.schemas.spaces import SpaceRef


class Texts(TextOptions):
    """Many queries at once."""

    texts: list[str] = Field(min_length=1, description="None of them blank; the installation sets the greatest number.")

    def request(self, collection: str) -> SearchRequest:
        """The request for the search."""
        return SearchRequest.of(self, collection=collection, texts=self.texts, is_batch=True)


class Match(BaseModel):
    """A document and its distance from the query."""

    id: str
    distance: int = Field(description="Bits in which its code differs from the query's.")
    score: float | None = Field(
        None,
        description="Only with `rerank`: BM25 of the query's words, to six decimals; left out where `partial` says so.",
    )
    title: str | None = Field(None, description="Left out if it has none, or `fields` does not name it.")
    text: str | None = Field(None, description="Left out if `fields` does not name it.")
    metadata: dict[str, Any] | None = Field(None, description="Left out if `fields` does not name it.")


class Work(BaseModel):
    """The work that the query took."""

    source: Literal["memory", "sql"] = Field(description="The replica in memory, or the hash table in SQL.")
    path: str = Field(description="How the codes were searched: probing buckets, or scanning all codes.")
    probes: int = Field(description="Number of buckets that were read.")
    candidates: int = Field(description="Number of codes whose distance was computed.")
    radius: int = Field(description="Every code within this many bits was seen.")
    reranked: int = Field(description="Documents whose words were compared with the query's; 0 without `rerank`.")


class Answer(BaseModel):
    """The nearest documents, ascending by distance, then by arrival; with `rerank`, descending by score."""

    matches: list[Match]
    space: SpaceRef
    code: str = Field(description="The query's code, in hexadecimal.")
    known: bool | None = Field(
        description="False: the hash function knows no word of the query, so the matches mean little. "
        "Null for a stored document."
    )
    partial: list[Literal["words"]] = Field(
        description="What `rerank` asks for and was not at hand: `words` while a process that has just started reads "
        "them. Then the matches are in the order of their codes."
    )
    exact: bool = Field(description="Nothing nearer was missed; with `rerank`, no code nearer than the shortlist's.")
    work: Work


class Answers(BaseModel):
    """One answer per text, in the order of the texts."""

    answers: list[Answer]
