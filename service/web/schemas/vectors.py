"""Embedding models of a collection, and vectors of them for documents there are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field

from service.hashing.vectors import MAX_DIMS
from service.web.schemas.collections import MODEL_PATTERN
from service.web.schemas.documents import VECTOR, StoredId, Vector
from service.web.schemas.request_body import RequestBody

ModelName = Annotated[str, Path(pattern=MODEL_PATTERN, description="Name of an embedding model.")]
Force = Annotated[bool, Query(description="Delete retired code spaces that encode it, too.")]


class NewVector(RequestBody):
    """A vector for a document."""

    id: StoredId = Field(description="Of the document.")
    vector: Vector = Field(description=f"As many entries as the model has. {VECTOR}")


class NewVectors(RequestBody):
    """Vectors of one model, for documents of distinct ids."""

    model: str = Field(pattern=MODEL_PATTERN, description="The model that made them; a new name makes a new model.")
    dims: int | None = Field(
        None, ge=1, le=MAX_DIMS, description="Entries of each; the first vectors of a model must say so."
    )
    vectors: list[NewVector] = Field(min_length=1, description="The installation sets the greatest number.")


class PutVectors(BaseModel):
    """What became of the vectors."""

    model: str
    changed: int = Field(description="Documents that have another vector of the model now, or their first.")
    missing: list[str] = Field(description="The ids that no document has; nothing was kept of their vectors.")
    seq: int = Field(description="As `seq` of documents; it matters where the active code space encodes the model.")


class EmbeddingModel(BaseModel):
    """A model of the vectors of a collection."""

    name: str
    dims: int
    documents: int = Field(description="Documents that have a vector of it.")
    share: float = Field(description="The same as a share of all documents; 1 if there are none.")
    active: bool = Field(description="Whether the active code space encodes its vectors: queries must bring such.")
    spaces: list[int] = Field(description="Versions of the code spaces that encode its vectors.")
    created_at: datetime


class EmbeddingModels(BaseModel):
    """The models of a collection, oldest first; none of other kinds than embedding."""

    items: list[EmbeddingModel]
