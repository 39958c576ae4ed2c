"""What the service answers, as pydantic models; members that a later release adds are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from nearbit.tables import row_of, table_html, to_pandas


class Answer(BaseModel):
    """The base of all answers."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class SpaceRef(Answer):
    """A code space by its version and the digest of its hash function."""

    version: int
    digest: str


class Match(Answer):
    """A document that was found; members that were not asked for are None."""

    id: str
    distance: int | None = None
    score: float | None = None
    title: str | None = None
    text: str | None = None
    metadata: dict[str, Any] | None = None
    highlight: dict[str, Any] | None = None
    explain: dict[str, Any] | None = None


class Matches(Answer):
    """The documents that one query found, best first: iterate over it, or let a notebook show it."""

    matches: list[Match]
    space: SpaceRef
    code: str | None = None
    known: bool | None = None
    exact: bool = True
    partial: list[str] = []
    facets: dict[str, Any] | None = None
    groups: list[dict[str, Any]] | None = None
    hint: str | None = None

    def __iter__(self) -> Iterator[Match]:  # type: ignore[override]
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, position: int) -> Match:
        return self.matches[position]

    def _repr_html_(self) -> str:
        return table_html([row_of(match) for match in self.matches])

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row for each match.

        Raises:
            NotInstalled: pandas is not there.
        """
        return to_pandas([row_of(match) for match in self.matches])


class Document(Answer):
    """A stored document; `vector` and `image` are base64."""

    id: str
    title: str = ""
    text: str | None = None
    metadata: dict[str, Any] = {}
    vector: str | None = None
    image: str | None = None
    revision: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None


class Added(Answer):
    """What became of documents that were added.

    Attributes:
        ids: in order; those that the service made included, None for a document that was skipped and had none.
        created: how many had a new id.
        existing: how many were left alone because of `if_absent`.
        seq: the last change; give it as `at_least_seq` to be sure to find the documents.
    """

    ids: list[str | None] = []
    created: int = 0
    existing: int = 0
    seq: int = 0


class Patched(Answer):
    """What became of patches: each changed document, and the ids that do not exist."""

    documents: list[dict[str, Any]]
    missing: list[str]
    seq: int


class Deleted(Answer):
    """How many documents were deleted; `seq` is null if none was."""

    deleted: int
    seq: int | None = None


class Collection(Answer):
    """A collection as lists have it."""

    name: str
    kind: str = "text"
    n_bits: int
    seq: int
    created_at: datetime


class Space(Answer):
    """One version of the hash function of a collection."""

    version: int
    state: str
    n_bits: int
    digest: str | None = None
    variant: str
    report: dict[str, Any] | None = None
    error: str | None = None
    created_at: datetime
    activated_at: datetime | None = None


class ChangedAnswer(Answer):
    """A document (by its id), or a query, whose nearest would change, and the ids that would leave and come."""

    asked: str
    overlap: int
    leave: list[str]
    come: list[str]


class Overlap(Answer):
    """How far the nearest of `n` documents or queries would stay the same.

    Attributes:
        n: how many were asked.
        overlap: mean share of the nearest that are the same.
        histogram: how many have 0, 1, ... of the nearest in common.
        worst: those of which most would change.
    """

    n: int
    overlap: float
    histogram: list[int]
    worst: list[ChangedAnswer]


class Preview(Answer):
    """How answers would change if a code space became the active one; `queries` is None if none are kept."""

    version: int
    active_version: int
    n_searched: int
    k: int
    documents: Overlap
    queries: Overlap | None = None


class Quality(Answer):
    """How good a code space is on the documents of the collection."""

    version: int
    label: str | None = None
    created_at: datetime
    report: dict[str, Any]


class Duplicate(Answer):
    """A document of a group of near duplicates, and the bits in which it differs from the first one."""

    id: str
    distance: int
    title: str | None = None


class DuplicateGroup(Answer):
    """Documents that are nearly equal; the first is the representative, and deleting the others leaves one of each."""

    representative: str
    documents: list[Duplicate]
    capped: bool = False


class Duplicates(Answer):
    """Groups of near duplicates, the largest first; `n_groups` and `n_documents` count all that were found."""

    items: list[DuplicateGroup]
    n_groups: int
    n_documents: int


class Pair(Answer):
    """What people said of two documents."""

    a: str
    b: str
    similar: bool


class KeptQuery(Answer):
    """A text that a collection was asked with, which it keeps."""

    number: int
    text: str
    created_at: datetime


class Key(Answer):
    """A key of the service; `key`, its text, is there only in the answer that made it."""

    id: int
    name: str
    scopes: list[str]
    collections: list[str] | None = None
    key: str | None = None


class Job(Answer):
    """Something that the service does in the background."""

    id: str
    collection: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    params: dict[str, Any] = {}
    progress: dict[str, Any] = {}
    error: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self.state not in ("queued", "running")
