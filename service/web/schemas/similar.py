"""Queries, and the documents that are similar."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from service.hashing.codes import MAX_BITS
from service.search.request import SearchRequest, TextOptions
from service.web.schemas.documents import IMAGE, VECTOR, Base64, Vector
from service.web.schemas.matches import FoundDocument, FoundMatches, SearchWork
from service.web.schemas.spaces import SpaceRef

HEX_CODE_PATTERN = "^([0-9a-fA-F]{2})+$"

HexCode = Annotated[str, Field(pattern=HEX_CODE_PATTERN, max_length=MAX_BITS // 4)]
_ASKING = ("texts", "vectors", "images", "codes")


class SimilarQueries(TextOptions):
    """Many queries at once: one of `texts`, `vectors`, `images` and `codes`; the installation sets the most of them."""

    texts: list[str] | None = Field(None, min_length=1, description="Of a collection of kind text; none of them blank.")
    vectors: list[Vector] | None = Field(None, min_length=1, description=f"Of kind embedding. Each: {VECTOR}")
    images: list[Base64] | None = Field(None, min_length=1, description=f"Of kind image. Each: {IMAGE}")
    codes: list[HexCode] | None = Field(
        None, min_length=1, description="Of any kind: codes of the active space, in hexadecimal."
    )

    @model_validator(mode="after")
    def _check_one(self) -> SimilarQueries:
        if sum(getattr(self, name) is not None for name in _ASKING) != 1:
            raise ValueError(f"must have one of {', '.join(_ASKING)}")
        return self

    def request(self, collection: str) -> SearchRequest:
        """The request for the search."""
        asking = {name: getattr(self, name) or () for name in _ASKING}
        return SearchRequest.of(self, kind="similar", collection=collection, is_batch=True, **asking)


class Match(FoundDocument):
    """A document and its distance from the query."""

    distance: int | None = Field(
        description="Bits in which its code differs from the query's; null only with `sort`, of a document that has no "
        "code yet."
    )
    score: float | None = Field(
        None,
        description="Only with `rerank`: BM25 of the query's words, the cosine of the vectors, or how far the bits "
        "agree, from -1 to 1, to six decimals; left out where `partial` says so.",
    )


class Work(SearchWork):
    """The work that the query took."""

    reranked: int = Field(
        description="Documents whose words, vectors or codes were compared with the query's; 0 without `rerank`."
    )


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
    """One answer per query, in the order of the queries."""

    answers: list[Answer]
