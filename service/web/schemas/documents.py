"""Documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from unicodedata import category

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SkipValidation

from service.hashing.codes import MAX_BITS
from service.hashing.content import MAX_TITLE_CHARS
from service.ingest.duplicates import COUNTED, LISTED
from service.web.metadata import MAX_DEPTH, MAX_MEMBERS
from service.web.schemas.matches import FacetCounts
from service.web.schemas.moments import EXPIRES_AT, Moment
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody
from service.web.schemas.spaces import SpaceRef

MAX_ID_CHARS = 512


def _check_characters(id: str) -> str:
    # Of the characters that cannot be printed, kinds of space, format characters and unassigned ones are allowed.
    if not id.isprintable() and any(category(character) in ("Cc", "Cs") for character in id):
        raise ValueError("must hold no control characters and no lone surrogates")
    return id


def _check_segments(id: str) -> str:
    """Refuse an id that clients would remove from a path: they send `documents/..` as the path one level up."""
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
"""An id in a body: any that a release may have stored."""
DocumentId = Annotated[StoredId, AfterValidator(_check_segments), AfterValidator(_check_ending)]
"""An id that a document may be given."""
Metadata = Annotated[dict[str, Any], BeforeValidator(_or_empty, json_schema_input_type=dict[str, Any] | None)]

PATH_ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
PATH_ID_RULE = "Id of a document; a slash in it may stand as it is or as %2F."
IdInPath = Annotated[str, AfterValidator(_check_segments)]
"""An id that a path can carry; `documents/delete` also takes those that it cannot."""
PathId = Annotated[
    IdInPath, Path(min_length=1, max_length=MAX_ID_CHARS, pattern=PATH_ID_PATTERN, description=PATH_ID_RULE)
]


VECTOR = "A list of finite numbers, not all zero, or base64 of little-endian float32 or float16."
IMAGE = "Base64 of a PNG or JPEG file."

Base64 = Annotated[str, Field(json_schema_extra={"format": "byte"})]
Vector = SkipValidation[list[float] | Base64]
"""Checked where the width is known: pydantic would take longer than all the rest."""


REVISION = "Refuse the whole request unless the stored document has this revision."


class NewDocument(RequestBody):
    """A document to put; it replaces the one with the same id."""

    id: DocumentId | None = Field(None, description="Unique in the collection; the service makes one if not given.")
    text: str | None = Field(
        None,
        description="Not blank: it must hold a visible character; the installation sets the greatest length. A "
        "document of kind text must have it; beside a vector it is shown, and found by its words.",
    )
    vector: Vector | None = Field(
        None, description=f"A document of kind embedding must have it: as many entries as the collection says. {VECTOR}"
    )
    model: str | None = Field(
        None,
        description="Name of the model that made `vector`; the oldest of its width if not given.",
    )
    vectors: dict[str, Vector] | None = Field(
        None, description="In place of `vector`: those of several models of the collection, by their names."
    )
    image: Base64 | None = Field(None, description=f"A document of kind image must have it. {IMAGE}")
    title: str | None = Field(
        None,
        max_length=MAX_TITLE_CHARS,
        description="Its words are found as those of the text are, and count more; null and empty mean none.",
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description=f"A JSON object of at most {MAX_MEMBERS} members in all, nested at most {MAX_DEPTH} levels deep, "
        "integers of at most 64 bits; null means an empty object.",
    )
    expires_at: Moment | None = Field(None, description=EXPIRES_AT)
    revision: int | None = Field(None, ge=0, lt=1 << 31, description=f"{REVISION} 0: the id must be new.")


class NewDocuments(RequestBody):
    """Documents to put, all or none."""

    documents: list[NewDocument] = Field(
        min_length=1, description="With distinct ids; the installation sets the greatest number."
    )


class Ids(RequestBody):
    """Documents by id; an id that is named twice counts once."""

    ids: list[StoredId] = Field(min_length=1, description="The installation sets the greatest number.")


IfAbsent = Annotated[bool, Query(description="Leave documents whose id exists as they are; `existing` counts them.")]
CheckDuplicates = Annotated[
    int | None,
    Query(ge=0, le=MAX_BITS // 8, description="Tell for each document which others lie within so many bits."),
]
SkipDuplicates = Annotated[
    int | None,
    Query(ge=0, le=MAX_BITS // 8, description="Do not store a document that has another within so many bits."),
]


class NearDuplicate(BaseModel):
    """A document that a new one nearly equals."""

    id: str
    distance: int = Field(description="Bits in which their codes differ.")


class NearDuplicates(BaseModel):
    """What a new document nearly equals: stored documents, and earlier ones of the request that are stored."""

    count: int = Field(description=f"How many there are; at most {COUNTED} are counted.")
    nearest: list[NearDuplicate] = Field(description=f"The nearest {LISTED} of them.")


class PutDocument(BaseModel):
    """What became of one document."""

    id: str | None = Field(description="Null only if it was skipped, and came without an id.")
    created: bool = Field(description="False: a document of that id was replaced, or the document was skipped.")
    changed: bool = Field(description="False: the stored document has the same content, or this was skipped.")
    known: bool = Field(description="False: the hash function knows no word of it, so its code means little.")
    revision: int | None = Field(None, description="Of the stored document; left out if it was skipped.")
    skipped: bool = Field(
        False, description="True: it was not stored; left out if nobody asked for duplicates or `if_absent`."
    )
    duplicates: NearDuplicates | None = Field(None, description="Left out if nobody asked for duplicates.")


class PutDocuments(BaseModel):
    """What became of the documents, in the order of the request."""

    documents: list[PutDocument]
    space: SpaceRef
    seq: int = Field(description="Give it as `at_least_seq` to be sure to find these documents.")
    existing: int | None = Field(None, description="Only with `if_absent`: documents that were left alone.")


class Document(BaseModel):
    """A stored document."""

    id: str
    title: str = Field("", description="Left out if it has none.")
    text: str | None = Field(None, description="Left out if it has none.")
    vector: Base64 | None = Field(
        None, description="Little-endian float32, as far as its digits were kept; of kind embedding only."
    )
    model: str | None = Field(None, description="Name of the model that made it, unless it is the oldest one.")
    vectors: dict[str, Base64] | None = Field(
        None, description="In place of `vector`: those of several models, by their names."
    )
    image: Base64 | None = Field(None, description="A PNG or JPEG file; of kind image only.")
    metadata: dict[str, Any]
    revision: int = Field(description="Starts at 1 and grows by one with each change of what was put.")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = Field(None, description="When it goes by itself; left out if it never does.")


class DocumentPage(BaseModel):
    """Documents in the order of their first arrival, or in that of a field."""

    items: list[Document]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
    total: int | None = Field(
        None, description="Documents on all pages together; with `filter`, `where`, `sort` or `facets` only."
    )
    facets: dict[str, FacetCounts] | None = Field(
        None, description="Only with `facets`: by field, the counts of the documents on all pages."
    )
    hint: str | None = Field(None, description="What may be wrong with the request: a field that no document has.")


class FoundDocuments(BaseModel):
    """Documents in the order in which they were asked for."""

    items: list[Document]
    missing: list[str] = Field(description="The ids that do not exist.")
    next_ids: list[str] = Field(
        description="The ids that would have made the answer too long: ask for them next. Mostly empty."
    )
