"""Queries as people type them, examples, and the documents found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.search.request import MAX_EXAMPLES, Example, QueryOptions, RecommendOptions, SearchRequest
from service.web.schemas.documents import VECTOR, StoredId, Vector
from service.web.schemas.matches import FoundDocument, FoundMatches, SearchWork
from service.web.schemas.spaces import SpaceRef


class Queries(QueryOptions):
    """Many queries at once."""

    queries: list[str] = Field(
        min_length=1, description="None of them blank; the installation sets the greatest number."
    )

    vectors: list[Vector] | None = Field(
        None,
        min_length=1,
        description="Of kind embedding: the vector of each query. Without them the words alone are searched there. "
        f"Each: {VECTOR}",
    )

    def request(self, collection: str) -> SearchRequest:
        """The request for the search."""
        vectors = self.vectors or ()
        return SearchRequest.of(
            self, kind="search", collection=collection, texts=self.queries, vectors=vectors, is_batch=True
        )


class ExampleDocument(BaseModel):
    """A stored document by its id, or a text: one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: StoredId | None = None
    text: str | None = Field(None, description="Not blank.")

    @model_validator(mode="after")
    def _check_one(self) -> ExampleDocument:
        if (self.id is None) == (self.text is None):
            raise ValueError("must have id or text, and not both")
        return self


class Examples(RecommendOptions):
    """Examples of what is wanted, and of what is not."""

    positive: list[ExampleDocument] = Field(
        min_length=1, max_length=MAX_EXAMPLES, description="What the documents shall be like."
    )
    negative: list[ExampleDocument] = Field(
        [], max_length=MAX_EXAMPLES, description="What they shall be unlike; counts half as much."
    )

    def request(self, collection: str) -> SearchRequest:
        """The request for the search."""
        positive, negative = ([Example(one.id, one.text) for one in some] for some in (self.positive, self.negative))
        return SearchRequest.of(self, kind="recommend", collection=collection, positive=positive, negative=negative)


class Scores(BaseModel):
    """The parts of a score."""

    words: float | None = Field(description="BM25 of the words of the query; null with `rank=code`.")
    code: float | None = Field(
        description="How far its code agrees with where the search looked, from -1 to 1; null with `rank=words`, or "
        "while it has no code."
    )


class QueryMatch(FoundDocument):
    """A document and why it was found."""

    score: float = Field(
        description="With `hybrid`: words, divided by the best candidate's, plus a share of code; else one of them."
    )
    scores: Scores
    distance: int | None = Field(description="Bits in which its code differs from the query's; null as well.")


class QueryWork(SearchWork):
    """The work that the query took."""

    scored: int = Field(description="Documents that were scored.")


class QueryAnswer(FoundMatches):
    """The best documents, descending by score, then by arrival, unless another order was asked for."""

    matches: list[QueryMatch]
    space: SpaceRef
    code: str | None = Field(
        description="The code of the query, or of what examples tell to look for, in hexadecimal; null with "
        "`rank=words`."
    )
    known: bool | None = Field(
        description="False: no document has a word of the query, and the hash function knows none. Null for examples."
    )
    corrected: dict[str, str] = Field(description="Words that no document has, and what was looked for in their place.")
    language: str | None = Field(description="That words were analyzed by; null if words were not looked at.")
    partial: list[Literal["words"]] = Field(
        description="What was not at hand: `words` while a process that has just started reads them."
    )
    exact: bool = Field(
        description="False: of too many documents with the words of a phrase, or of too many groups, only the best "
        "were read."
    )
    work: QueryWork


class QueryAnswers(BaseModel):
    """One answer per query, in the order of the queries."""

    answers: list[QueryAnswer]
