"""What the progress of a job holds, by the job's kind; every member is left out until it is known."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

_Done = Annotated[int, Field(description="Documents that were given a code.")]
_Total = Annotated[int, Field(description="Documents that lacked one when it began.")]
_Eta = Annotated[float, Field(description="Estimated seconds left.")]
_WaitingFor = Annotated[int, Field(description="API processes that have yet to load the space.")]
_Version = Annotated[int, Field(description="The code space that answers now.")]
_Uncovered = Annotated[
    int,
    Field(description="Documents without a vector of the space's embedding model: without a code, if it is active."),
]


class Advice(TypedDict):
    """What to know of the new codes."""

    kind: str
    finding: Annotated[str, Field(description="What was seen.")]
    remedy: Annotated[str, Field(description="What to do.")]


class RetrainProgress(TypedDict, total=False):
    """How far a retrain is."""

    stage: Literal["training", "encoding", "evaluating", "ready", "active"]
    epoch: int
    epochs: int
    loss: float
    validation_loss: float
    saturated: Annotated[float, Field(description="Share of the units that are sure of their bit.")]
    seconds: float
    advice: Annotated[list[Advice], Field(description="What to know of the new codes, and what to do.")]
    done: _Done
    total: _Total
    waiting_for: _WaitingFor
    eta_s: _Eta
    version: _Version
    uncovered: _Uncovered


class PromotionProgress(TypedDict, total=False):
    """How far a promotion or a rollback is."""

    stage: Literal["encoding", "loading", "active"]
    done: _Done
    total: _Total
    waiting_for: _WaitingFor
    eta_s: _Eta
    version: _Version
    uncovered: _Uncovered


class DeletionProgress(TypedDict, total=False):
    """How far a deletion is."""

    stage: Literal["codes", "documents", "duplicates", "tombstones", "vectors", "space", "done"]
    deleted: Annotated[int, Field(description="Rows of the database that were deleted.")]


class DocumentDeletionProgress(TypedDict, total=False):
    """How far a deletion of documents is."""

    stage: Literal["filtering", "deleting", "done"]
    deleted: Annotated[int, Field(description="Documents that were deleted.")]
    total: Annotated[int, Field(description="Documents that passed the filter when the job was asked for.")]


class DocumentPatchProgress(TypedDict, total=False):
    """How far a patch of documents is."""

    stage: Literal["filtering", "patching", "done"]
    patched: Annotated[int, Field(description="Documents that were patched; those that had it all already count.")]
    refused: Annotated[int, Field(description="Documents left as they are: their metadata would break a rule.")]
    total: Annotated[int, Field(description="Documents that passed the filter when the job was asked for.")]


class DuplicatesProgress(TypedDict, total=False):
    """How far a search for near duplicates is."""

    stage: Literal["filtering", "reading", "joining", "storing", "deleting", "done"]
    done: Annotated[int, Field(description="Documents read, groups stored, or members of earlier groups deleted.")]
    total: Annotated[int, Field(description="Documents to read or to join, or groups to store.")]
    groups: Annotated[int, Field(description="Groups that were found.")]
    documents: Annotated[int, Field(description="Documents in these groups.")]


class ImportProgress(TypedDict, total=False):
    """How far an import is."""

    stage: Literal["importing", "done"]
    done: Annotated[int, Field(description="Bytes of lines that were imported.")]
    total: Annotated[int, Field(description="Bytes of lines in all.")]
    lines: Annotated[int, Field(description="Lines that were imported, blank and refused ones included.")]
    stored: Annotated[int, Field(description="Documents that were put; of lines of the same id, each may count.")]
    created: Annotated[int, Field(description="Those of them whose id was new.")]
    refused: Annotated[int, Field(description="Lines that are not stored; `/v1/jobs/{job}/errors` says why.")]


class QualityProgress(TypedDict, total=False):
    """How far the judging of a code space is."""

    stage: Literal["reading", "judging", "done"]
    advice: Annotated[list[Advice], Field(description="What to know of the codes, and what to do.")]


class MapProgress(TypedDict, total=False):
    """How far the computation of a map is."""

    stage: Literal["reading", "neighbors", "layout", "placing", "done"]
    done: Annotated[int, Field(description="Rounds of the layout, or documents that were placed.")]
    total: Annotated[int, Field(description="Rounds, or documents to place.")]
    version: Annotated[int, Field(description="The code space whose map it is.")]
    documents: Annotated[int, Field(description="Documents on the map.")]
    trustworthiness: Annotated[float, Field(description="1 if neighbors on the map are neighbors by code too.")]
    moved: Annotated[float, Field(description="Share of the documents that lie elsewhere than before.")]
