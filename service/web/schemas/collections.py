"""Collections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from unicodedata import category

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, model_validator

from service.errors import InvalidInput
from service.hashing.codes import BITS_STEP, MAX_BITS, MIN_BITS
from service.hashing.content import Kind
from service.hashing.vectors import MAX_DIMS, Keep, Metric, VectorSettings
from service.ingest.collections import UpkeepChanges, WordChanges
from service.store.upkeep import JUDGE_PATTERN, JUDGE_RULE, RetrainPolicy
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody
from service.web.schemas.spaces import SpaceRef

COLLECTION_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
COLLECTION_RULE = "Up to 64 letters, digits, dots, hyphens and underscores; the first is a letter or a digit."

MODEL_PATTERN = COLLECTION_PATTERN
_OF_VECTORS = ("dims", "metric", "model", "keep")

CollectionName = Annotated[str, Path(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)]


def _check_synonym(synonym: str) -> str:
    if not synonym.strip() or any(category(character) in ("Cc", "Cs") for character in synonym):
        raise ValueError("must not be blank, and hold no control characters and no lone surrogates")
    return synonym


Synonym = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_synonym)]
SynonymGroup = Annotated[list[Synonym], Field(min_length=2, max_length=100)]


class WordSettings(RequestBody):
    """How words are found, and what they count; what is left out stays as it is."""

    language: str | None = Field(
        None,
        description="Of stems and stop words: `none`, a code such as `en`, or `auto`: decided from the documents.",
    )
    k1: float | None = Field(
        None, ge=0, le=100, allow_inf_nan=False, description="BM25: how soon more occurrences of a word count no more."
    )
    b: float | None = Field(None, ge=0, le=1, description="BM25: how much the length of a document counts.")
    title_weight: float | None = Field(
        None, ge=0, le=100, allow_inf_nan=False, description="How many times a word in a title counts."
    )
    synonyms: list[SynonymGroup] | None = Field(
        None, max_length=10_000, description="Groups of words or phrases: a query with one finds the others too."
    )

    def changes(self) -> WordChanges:
        """What of the settings changes."""
        synonyms = None if self.synonyms is None else tuple(map(tuple, self.synonyms))
        return WordChanges(self.language, self.k1, self.b, self.title_weight, synonyms)


def _check_hours(hours: tuple[int, int]) -> tuple[int, int]:
    if hours[0] == hours[1]:
        raise ValueError(f"must be two different hours, got {hours[0]} twice")
    return hours


Hour = Annotated[int, Field(ge=0, le=23)]


class AutoRetrain(RequestBody):
    """When the trainer makes new codes by itself; at least one of `growth` and `drift`."""

    growth: float | None = Field(
        None, gt=0, le=1_000, allow_inf_nan=False, description="When there are so many more documents: 0.5 for half."
    )
    drift: bool = Field(False, description="When a retrain is advised for any other reason.")
    hours: Annotated[tuple[Hour, Hour], AfterValidator(_check_hours)] | None = Field(
        None, description="Hours of the day in UTC in which it may begin, from the first up to the second: `[1, 5]`."
    )

    @model_validator(mode="after")
    def _check_reasons(self) -> Self:
        if self.growth is None and not self.drift:
            raise ValueError("must have growth, drift: true, or both")
        return self

    def policy(self) -> RetrainPolicy:
        """The policy, as it is stored."""
        return RetrainPolicy(self.growth, self.drift, self.hours)


class DriftFigures(BaseModel):
    """How far the collection and its queries have moved from what the active codes learned; null where too little is
    known: each needs 200 documents or queries."""

    n_learned: int | None = Field(description="Documents that there were at the training; null of untrained codes.")
    growth: float | None = Field(description="Share of documents that came since.")
    unknown_documents: float | None = Field(description="Share of the documents put since without a known word.")
    learned_unknown: float | None = Field(description="The same of held-out documents at the training.")
    unknown_queries: float | None = Field(description="Share of the queries without a known word.")
    far_queries: float | None = Field(
        description="Share of later queries farther from their nearest document than nine in ten of the first 1,000."
    )
    bit_shift: float | None = Field(
        description="Mean difference between the share of ones of a bit in documents put since and at the training."
    )
    learned_loss: float | None = Field(
        description="Reconstruction loss of documents of the training: the share of the squared length of their "
        "features that a linear decoder cannot tell from codes."
    )
    new_loss: float | None = Field(description="The same of the latest 1,000 documents that came since.")


MAX_KEPT_QUERIES = 1_000
_KEEP_QUERIES = "How many of the last text queries are kept, to preview promotions with; 0: none, and they are deleted."


class CollectionSettings(WordSettings):
    """What of a collection can change; what is left out stays as it is."""

    judge: str | None = Field(None, pattern=JUDGE_PATTERN, description=JUDGE_RULE)
    auto_retrain: Literal["off", "advise"] | AutoRetrain | None = Field(
        None,
        description="`advise`: it is logged when a retrain is advised. An object: the trainer makes new codes.",
    )
    keep_queries: int | None = Field(None, ge=0, le=MAX_KEPT_QUERIES, description=_KEEP_QUERIES)

    def upkeep(self) -> UpkeepChanges:
        """What of the upkeep changes."""
        given = self.auto_retrain
        policy = given.policy() if isinstance(given, AutoRetrain) else given
        return UpkeepChanges(self.judge, policy, self.keep_queries)


class NewCollection(CollectionSettings):
    """Settings of a collection: `kind`, `n_bits` and those of vectors never change, a `PATCH` changes the others."""

    kind: Kind = Field("text", description="What its documents are.")
    n_bits: int = Field(
        64, ge=MIN_BITS, le=MAX_BITS, multiple_of=BITS_STEP, description="Width of its codes, in steps of 8."
    )
    dims: int | None = Field(
        None, ge=1, le=MAX_DIMS, description="Entries of each vector: of kind embedding, which needs it."
    )
    metric: Metric | None = Field(
        None, description="By which vectors are alike, of kind embedding; cosine if not given."
    )
    model: str | None = Field(
        None,
        pattern=MODEL_PATTERN,
        description="A name for the model that makes the vectors, of kind embedding; `default` if not given.",
    )
    keep: Keep | None = Field(
        None,
        description="How vectors are kept, of kind embedding: as float16 if not given; float16 and int8 have a common "
        "factor for each vector. A vector is rounded so before it is hashed.",
    )

    def vectors(self) -> VectorSettings | None:
        """What its vectors are; None of other kinds.

        Raises:
            InvalidInput: a setting is not for that kind, or is missing.
        """
        given = {name: value for name in _OF_VECTORS if (value := getattr(self, name)) is not None}
        if self.kind == "embedding":
            if self.dims is None:
                raise InvalidInput(f"dims must be given for kind embedding: entries of each vector, 1 to {MAX_DIMS}")
            return VectorSettings(**given)
        if given:
            raise InvalidInput(f"{next(iter(given))} is for kind embedding only, got kind {self.kind}")
        return None


class Collection(BaseModel):
    """A named set of documents."""

    name: str
    kind: Kind
    n_bits: int
    dims: int | None = Field(None, description="This and the next three are there for kind embedding only.")
    metric: Metric | None = None
    model: str | None = None
    keep: Keep | None = None
    seq: int = Field(description="Number of the latest change of its codes.")
    created_at: datetime


class Replica(BaseModel):
    """How the process that answered serves a collection: from memory, or else from SQL with the same matches."""

    state: Literal["following", "loading", "failed", "unloaded"] = Field(
        description="`following`: memory answers. Otherwise SQL does: `loading`, `unloaded` (nobody queried it for a "
        "while), `failed` (`error` says why; it is tried again)."
    )
    seq: int | None = Field(description="Memory has every change up to this one; null if it has none.")
    error: str | None = Field(description="What is wrong with a code space of the collection; null if nothing is.")


class Words(BaseModel):
    """How the words of a collection are found, and how the process that answered serves them."""

    language: str = Field(description="As it was set.")
    analyzed_as: str = Field(description="The language of stems and stop words: that one, or what `auto` decided.")
    k1: float
    b: float
    title_weight: float
    synonyms: list[list[str]]
    state: Literal["following", "loading", "failed", "unloaded"] = Field(
        description="`following`: in memory. Otherwise codes alone answer, and answers are `partial`: `loading`, "
        "`unloaded` (nobody queried the collection for a while), `failed` (`error` says why; it is tried again)."
    )
    n_documents: int | None = Field(description="Documents whose words are in memory.")
    memory_bytes: int | None = Field(description="What their words take.")
    error: str | None


class Columns(BaseModel):
    """The metadata of a collection in the memory of the process that answered; null while they are not there.

    They are there whenever the words are, and answer filters, facets and orders; SQL does so otherwise.
    """

    seq: int | None = Field(description="They have every change up to this one.")
    n_fields: int | None = Field(description="Different fields, about.")
    memory_bytes: int | None = Field(description="What they take.")


class CollectionDetail(Collection):
    """A named set of documents with their number and the active code space."""

    n_documents: int
    space: SpaceRef
    replica: Replica
    words: Words
    columns: Columns
    judge: str = Field(description=JUDGE_RULE)
    auto_retrain: Literal["off", "advise"] | AutoRetrain
    keep_queries: int = Field(description=_KEEP_QUERIES)
    retrain_advised: list[str] = Field(description="Why a retrain is advised, in words; empty if it is not.")
    drift: DriftFigures


class CollectionPage(BaseModel):
    """Collections by name."""

    items: list[Collection]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
