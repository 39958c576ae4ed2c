"""What travels over HTTP: the requests and answers, with their rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from unicodedata import category

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from service.hashing.codes import BITS_STEP, MAX_BITS, MIN_BITS
from service.search.request import SearchRequest, TextOptions
from service.store.progress import DeletionProgress, PromotionProgress, RetrainProgress
from service.training_options import TrainingOptions, refusal
from service.web.metadata import MAX_DEPTH, MAX_MEMBERS

MAX_ID_CHARS = 512
_INT64 = (1 << 63) - 1


def _check_characters(id: str) -> str:
    # What cannot be printed is a space of some kind, a format character or unassigned but for these.
    if not id.isprintable() and any(category(character) in ("Cc", "Cs") for character in id):
        raise ValueError("must hold no control characters and no lone surrogates")
    return id


def _check_segments(id: str) -> str:
    """Refuse an id that clients would take out of a path: `documents/..` is `documents` one level up to them."""
    if "." in id and not {".", ".."}.isdisjoint(id.split("/")):
        raise ValueError("must not hold '.' or '..' between its slashes, clients resolve these in a path")
    return id


def _check_ending(id: str) -> str:
    if id.endswith("/similar"):
        raise ValueError("must not end in '/similar', which names the documents similar to one")
    return id


def _digits(id: object) -> object:
    """An integer as its decimal text, anything else as it is."""
    return str(id) if type(id) is int else id


def _or_empty(metadata: object) -> object:
    return {} if metadata is None else metadata


StoredId = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_CHARS),
    AfterValidator(_check_characters),
    BeforeValidator(_digits, json_schema_input_type=str | int),
]
"""An id in a body: whatever any release has stored."""
DocumentId = Annotated[StoredId, AfterValidator(_check_segments), AfterValidator(_check_ending)]
"""An id that a document may be given."""
Metadata = Annotated[dict[str, Any], BeforeValidator(_or_empty, json_schema_input_type=dict[str, Any] | None)]

COLLECTION_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
COLLECTION_RULE = "Up to 64 letters, digits, dots, hyphens and underscores; the first is a letter or a digit."
PATH_ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
PATH_ID_RULE = "Id of a document; a slash in it may stand as it is or as %2F."
IdInPath = Annotated[str, AfterValidator(_check_segments)]
"""An id as a path can carry it; `documents/delete` takes those that it cannot."""

CollectionName = Annotated[str, Path(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)]
PathId = Annotated[
    IdInPath, Path(min_length=1, max_length=MAX_ID_CHARS, pattern=PATH_ID_PATTERN, description=PATH_ID_RULE)
]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of a job.")]
Version = Annotated[int, Path(ge=1, lt=1 << 31, description="Version of a code space, counted from 1.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="Most items in one page.")]
Cursor = Annotated[str | None, Query(description="The next_cursor of the page before.")]


class Wire(BaseModel):
    """Base of what comes in: unknown members are errors."""

    model_config = ConfigDict(extra="forbid")


class NewCollection(Wire):
    """Settings of a collection; they never change."""

    kind: Literal["text"] = Field("text", description="What its documents are.")
    n_bits: int = Field(
        64, ge=MIN_BITS, le=MAX_BITS, multiple_of=BITS_STEP, description="Width of its codes, in steps of 8."
    )


class SpaceRef(BaseModel):
    """Which code space it was."""

    version: int = Field(description="1 for the untrained space, counted up.")
    digest: str = Field(description="SHA-256 of the hash function.")


class Collection(BaseModel):
    """A named set of documents."""

    name: str
    kind: Literal["text"]
    n_bits: int
    seq: int = Field(description="Number of the latest change of its codes.")
    created_at: datetime


class Replica(BaseModel):
    """How the process that answered serves a collection: from memory, or else from SQL with the same matches."""

    state: Literal["following", "loading", "failed", "unloaded"] = Field(
        description="Memory answers while `following`, else SQL: `loading`, `unloaded` (nobody asked for a while), "
        "`failed` (`error` says why; it is tried again)."
    )
    seq: int | None = Field(description="Every change up to it is in memory; null if nothing is.")
    error: str | None = Field(description="What is wrong with a code space of the collection; null if nothing is.")


class CollectionDetail(Collection):
    """A named set of documents, counted, with the code space that answers."""

    n_documents: int
    space: SpaceRef
    replica: Replica


class CollectionPage(BaseModel):
    """Collections by name."""

    items: list[Collection]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last.")


class NewDocument(Wire):
    """A document to put: one of an id that exists is replaced."""

    id: DocumentId | None = Field(None, description="Unique in the collection; without one it is given one.")
    text: str = Field(description="Not blank: something in it can be seen; the installation sets the greatest length.")
    metadata: Metadata = Field(
        default_factory=dict,
        description=f"A JSON object of at most {MAX_MEMBERS} members in all, nested at most {MAX_DEPTH} levels deep, "
        "integers of at most 64 bits; null is none.",
    )


class NewDocuments(Wire):
    """Documents to put, all or none."""

    documents: list[NewDocument] = Field(min_length=1, description="Ids unique; the installation sets the most.")


class Ids(Wire):
    """Documents to delete, by id; one named twice is deleted once."""

    ids: list[StoredId] = Field(min_length=1, description="The installation sets the most.")


class PutDocument(BaseModel):
    """What became of one document."""

    id: str
    created: bool = Field(description="False: a document of that id was replaced.")
    changed: bool = Field(description="False: its text is the one it had.")
    known: bool = Field(description="False: no word of it is known to the hash function, so its code means little.")


class PutDocuments(BaseModel):
    """What became of the documents, in their order."""

    documents: list[PutDocument]
    space: SpaceRef
    seq: int = Field(description="Give it as `at_least_seq` to find these documents for sure.")


class Document(BaseModel):
    """A stored document."""

    id: str
    text: str
    metadata: dict[str, Any]
    revision: int = Field(description="1, and one more with each changed text.")
    created_at: datetime
    updated_at: datetime


class DocumentPage(BaseModel):
    """Documents in the order of their first arrival."""

    items: list[Document]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last.")


class DeletedDocument(BaseModel):
    """What became of a deletion."""

    deleted: bool = Field(description="False: there was no such document.")
    seq: int | None = Field(description="Number of the change; null if there was none.")


class DeletedDocuments(BaseModel):
    """What became of a deletion of many."""

    deleted: int = Field(description="How many there were.")
    ids: list[str] = Field(description="Which they were, in the order in which they were named.")
    seq: int | None = Field(description="Number of the change; null if there was none.")


class Match(BaseModel):
    """A document and how far it is."""

    id: str
    distance: int = Field(description="Bits in which its code differs from the query's.")
    score: float | None = Field(
        None, description="With `rerank`: the cosine of its features with the query's, to six decimals; else left out."
    )
    text: str | None = Field(None, description="Left out if `fields` does not name it.")
    metadata: dict[str, Any] | None = Field(None, description="Left out if `fields` does not name it.")


class Work(BaseModel):
    """What finding them took."""

    source: Literal["memory", "sql"] = Field(description="The replica in memory, or the hash table in SQL.")
    path: str = Field(description="How: probing buckets, or scanning codes.")
    probes: int = Field(description="Buckets looked into.")
    candidates: int = Field(description="Codes whose distance was computed.")
    radius: int = Field(description="Nothing within this many bits was left unseen.")
    reranked: int = Field(description="Documents whose features were compared with the query's; 0 without `rerank`.")


class Answer(BaseModel):
    """The nearest documents, ascending by distance, then by arrival; with `rerank`, descending by score."""

    matches: list[Match]
    space: SpaceRef
    code: str = Field(description="The query's code, in hexadecimal.")
    known: bool | None = Field(
        description="False: no word of the query is known to the hash function, so the matches mean little. "
        "Null for a stored document."
    )
    exact: bool = Field(description="Nothing nearer was missed; with `rerank`, no code nearer than the shortlist's.")
    work: Work


class Texts(TextOptions):
    """Many queries at once."""

    texts: list[str] = Field(min_length=1, description="None blank; the installation sets the most.")

    def request(self, collection: str) -> SearchRequest:
        """The same, for the search."""
        return SearchRequest.of(self, collection=collection, texts=self.texts, is_batch=True)


class Answers(BaseModel):
    """One answer per text, in their order."""

    answers: list[Answer]


class Retrain(TrainingOptions):
    """Options of the training, each with a default: docs/models.md says what they do."""

    force: bool = Field(False, description="Promote the new space even if it is worse than the active one.")
    n_bits: int | None = Field(
        None,
        ge=MIN_BITS,
        le=MAX_BITS,
        multiple_of=BITS_STEP,
        description="Width of the codes: the collection's own, which never changes, or left out.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse options with what is allowed and what came."""
        try:
            return check(given)
        except ValidationError as error:
            if not isinstance(given, dict):
                raise
            raise refusal(cls, given, error, where="body.") from None

    def params(self) -> dict[str, Any]:
        """The options that were given, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


class _Job(BaseModel):
    """What jobs of every kind have."""

    id: str
    collection: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    params: dict[str, Any]
    error: str | None = Field(description="Why it failed, if it did.")
    cancel_requested: bool
    attempts: int = Field(description="More than 1 if a worker died over it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RetrainJob(_Job):
    """A retrain in the background."""

    kind: Literal["retrain"]
    progress: RetrainProgress


class PromotionJob(_Job):
    """A promotion or a rollback in the background: the space lacked many codes."""

    kind: Literal["promote", "rollback"]
    progress: PromotionProgress


class DeletionJob(_Job):
    """The deletion of what is no longer needed."""

    kind: Literal["prune"]
    progress: DeletionProgress


Job = Annotated[RetrainJob | PromotionJob | DeletionJob, Field(discriminator="kind")]
"""Something that is done in the background; `kind` says what, and what `progress` holds."""


class CodeSpace(BaseModel):
    """One version of the hash function of a collection, with the codes it gave."""

    version: int
    state: Literal["training", "encoding", "evaluating", "ready", "active", "retired", "failed"]
    n_bits: int
    digest: str | None = Field(description="SHA-256 of the hash function, once there is one.")
    variant: str = Field(description="The autoencoder that was trained, or untrained.")
    report: dict[str, Any] | None = Field(description="What the training and the evaluation said.")
    error: str | None = Field(description="Why it failed, if it did.")
    created_at: datetime
    activated_at: datetime | None


class CodeSpacePage(BaseModel):
    """The code spaces of a collection, newest first."""

    items: list[CodeSpace]
    next_cursor: str | None


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether the process can do its work; each check says `ok` or what is amiss."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] | None = Field(None, description="Left out for a caller without the key that is needed.")
    collections: dict[str, str] | None = Field(
        None,
        description="Collections with which something is amiss, and what; the others are served. Left out if none.",
    )
    notes: dict[str, str] | None = Field(
        None, description="What makes the process slower than it should be, not unready. Left out if nothing does."
    )


BODIES = (NewDocuments, Ids, Texts)
"""Bodies that their routes read themselves: the app adds their schemas to its OpenAPI document."""
