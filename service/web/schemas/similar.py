"""Queries, and the documents that are similar."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.search.request import SearchRequest, TextOptions
from service.web.schemas.matches import FoundDocument, FoundMatches, SearchWork
from service.web.schemas.spaces import SpaceRef


class Texts(TextOptions):
    """Many queries at once."""

    texts: list[str] = Field(min_length=1, description="None of them blank; the installation sets the greatest number.")

    def request(self, collection: str) -> SearchRequest:
        """The request for the search."""
        return SearchRequest.of(self, kind="similar", collection=collection, texts=self.texts, is_batch=True)


class Match(FoundDocument):
    """A document and its distance from the query."""

    distance: int | None = Field(
        description="Bits in which its code differs from the query's; null only with `sort`, of a document that has no "
        "code yet."
    )
    score: float | None = Field(
        None,
        description="Only with `rerank`: BM25 of the query's words, to six decimals; left out where `partial` says so.",
    )


class Work(SearchWork):
    """The work that the query took."""

    reranked: int = Field(description="Documents whose words were compared with the query's; 0 without `rerank`.")


class Answer(FoundMatches):
    """The nearest documents, ascending by distance, then by arrival; with `rerank`, descending by score.

    With `sort` or `diversity` in the order that these ask for.
    """

    matches: list[Match]
    space: SpaceRef
    code: str = Field(description="The query's code, in hexadecimal.")
    known: bool | None = Field(
        description="False: the hash function knows no word of the query, so the matches mean little. "
        "Null for a stored document."
    )
    partial: list[Literal["words"]] = Field(
        description="What `rerank` or `highlight` ask for and was not at hand: `words` while a process that has just "
        "started reads them. Then the matches are in the order of their codes."
    )
    exact: bool = Field(
        description="Nothing nearer was missed; with `rerank`, no code nearer than the shortlist's. False: of too many "
        "groups only the nearest were looked at."
    )
    work: Work


class Answers(BaseModel):
    """One answer per text, in the order of the texts."""

    answers: list[Answer]
