"""Jobs: what is done in the background."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

from service.store.progress import (
    DeletionProgress,
    DocumentDeletionProgress,
    DocumentPatchProgress,
    DuplicatesProgress,
    ImportProgress,
    MapProgress,
    PromotionProgress,
    QualityProgress,
    RetrainProgress,
)
from service.web.schemas.pages import NEXT_CURSOR

JobKind = Annotated[str | None, Query(pattern="^[a-z_]{1,32}$", description="Only jobs of this kind.")]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of a job.")]


class _Job(BaseModel):
    """The members that jobs of every kind have."""

    id: str
    collection: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    params: dict[str, Any]
    error: str | None = Field(description="Why it failed, if it did.")
    cancel_requested: bool
    attempts: int = Field(description="More than 1 if a worker died while it ran the job.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RetrainJob(_Job):
    """A retrain in the background."""

    kind: Literal["retrain"]
    progress: RetrainProgress


class PromotionJob(_Job):
    """A promotion or a rollback in the background, because many documents lack a code in the space."""

    kind: Literal["promote", "rollback"]
    progress: PromotionProgress


class DeletionJob(_Job):
    """The deletion of what is no longer needed."""

    kind: Literal["prune"]
    progress: DeletionProgress


class DocumentDeletionJob(_Job):
    """A deletion of documents."""

    kind: Literal["delete"]
    progress: DocumentDeletionProgress


class DocumentPatchJob(_Job):
    """A patch of documents."""

    kind: Literal["patch"]
    progress: DocumentPatchProgress


class DuplicatesJob(_Job):
    """A search for near duplicates."""

    kind: Literal["duplicates"]
    progress: DuplicatesProgress


class ImportJob(_Job):
    """An import of lines that were received."""

    kind: Literal["import"]
    progress: ImportProgress


class RefusedImportLine(BaseModel):
    """A line of an import that is not stored."""

    line: int = Field(description="Its number, counted from 1.")
    id: str | None = Field(description="Its id, if it has a valid one.")
    reason: str
    beginning: str = Field(description="Its first characters.")


class QualityJob(_Job):
    """The judging of a code space."""

    kind: Literal["quality"]
    progress: QualityProgress


class MapJob(_Job):
    """The computation of a map."""

    kind: Literal["map"]
    progress: MapProgress


class HistoryRecord(BaseModel):
    """What one network was like at one moment of a training."""

    number: int = Field(description="The per cent of all steps that were done, 0 to 100.")
    at: datetime
    network: int = Field(description="From 1: the last gives the codes, of two the first is wide.")
    networks: int = Field(description="How many are trained, 1 or 2.")
    epoch: int = Field(description="Of all networks, from 1.")
    n_bits: int = Field(description="Of this network.")
    loss: float | None = Field(
        description="Mean training loss since the record before, in nats per document; null before the first step."
    )
    parts: dict[str, float | None] = Field(description="Each named part of that loss.")
    validation_loss: float | None = Field(description="Of up to 64 of the landmarks, from hard bits.")
    saturated: float = Field(description="Share of the landmarks' units within 0.05 of 0 or 1.")
    noise: float = Field(description="Standard deviation of the noise before the sigmoid.")
    learning_rate: float
    documents_per_s: float | None = Field(description="Documents learned from in a second.")
    eta_s: float | None = Field(description="Estimated seconds of the steps to come.")
    activations: list[int] = Field(description="Units of the landmarks in each of 20 bins from 0 to 1.")
    balance: list[float] = Field(description="For each bit, the share of the landmarks that have a one.")
    landmarks: list[str] | None = Field(
        None,
        description="Ids of the documents, none of them learned from, of which this record and those after it are; "
        "left out of the others.",
    )
    codes: str = Field(description="The landmarks' codes, one after another, n_bits / 8 bytes each, in base64.")


class JobHistory(BaseModel):
    """Records of a job, in their order."""

    items: list[HistoryRecord]
    more: bool = Field(description="There are more now: give the last number as `after` to get them.")


Job = Annotated[
    RetrainJob
    | PromotionJob
    | DeletionJob
    | DocumentDeletionJob
    | DocumentPatchJob
    | DuplicatesJob
    | ImportJob
    | QualityJob
    | MapJob,
    Field(discriminator="kind"),
]
"""Something that is done in the background; `kind` says what, and what `progress` holds."""


class JobPage(BaseModel):
    """A page of the jobs of a collection, the last one first."""

    items: list[Job]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
