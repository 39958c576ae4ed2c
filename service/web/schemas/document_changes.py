"""Changes of stored documents: patches and deletions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from service.store.patches import Patch
from service.web.schemas.documents import REVISION, StoredId
from service.web.schemas.moments import EXPIRES_AT, Moment
from service.web.schemas.request_body import RequestBody

FILTER: Any = Field(
    None,
    min_length=1,
    description="What their metadata must be like, as in a search; an empty one, which all pass, is refused.",
    examples=[{"lang": "en"}],
)


class DeleteDocuments(RequestBody):
    """The documents to delete: by their ids, or all that pass a filter."""

    ids: list[StoredId] | None = Field(
        None, min_length=1, description="An id that is named twice counts once. The installation sets the number."
    )
    filter: dict[str, Any] | None = FILTER

    @model_validator(mode="after")
    def _check_one(self) -> DeleteDocuments:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("must have ids or filter, and not both")
        return self


class DocumentPatch(RequestBody):
    """What to change of a document; what is left out stays."""

    metadata: dict[str, Any] | None = Field(
        default_factory=dict,
        description="A JSON merge patch (RFC 7396): members are put in, those that are null are removed, objects are "
        "merged; null removes all.",
    )
    expires_at: Moment | None = Field(None, description=EXPIRES_AT)

    def patch(self, id: str, revision: int | None = None) -> Patch:
        """The patch of the document of that id."""
        return Patch(id, self.metadata, "expires_at" in self.model_fields_set, self.expires_at, revision)


class NamedPatch(DocumentPatch):
    """What to change of which document."""

    id: StoredId
    revision: int | None = Field(None, ge=1, lt=1 << 31, description=REVISION)


class DocumentPatches(DocumentPatch):
    """Patches of documents, all or none: each its own, or one of all that pass a filter."""

    documents: list[NamedPatch] | None = Field(
        None, min_length=1, description="With distinct ids; the installation sets the greatest number."
    )
    filter: dict[str, Any] | None = FILTER

    @model_validator(mode="after")
    def _check_one(self) -> DocumentPatches:
        given = self.model_fields_set & {"metadata", "expires_at"}
        if (self.documents is None) == (self.filter is None):
            raise ValueError("must have documents or filter, and not both")
        if self.documents is not None and given:
            raise ValueError(f"must have {min(given)} with filter only: each of documents has its own")
        if self.filter is not None and not given:
            raise ValueError("must have metadata or expires_at with filter: what is to change")
        return self

    def change(self) -> dict[str, Any]:
        """What is to change of the documents that pass the filter, as JSON."""
        expiry = {"expires_at": None if self.expires_at is None else self.expires_at.isoformat()}
        return {"metadata": self.metadata, **(expiry if "expires_at" in self.model_fields_set else {})}


class PatchedDocument(BaseModel):
    """What became of a patch."""

    id: str
    revision: int
    changed: bool = Field(description="False: the document is as it was.")


class PatchedOne(PatchedDocument):
    """What became of the patch of one document."""

    seq: int = Field(description="Give it as `at_least_seq` to be sure to find the document as it is now.")


class PatchedDocuments(BaseModel):
    """What became of patches, in the order of the request."""

    documents: list[PatchedDocument]
    missing: list[str] = Field(description="The ids that do not exist.")
    seq: int = Field(description="Give it as `at_least_seq` to be sure to find these documents as they are now.")


class DeletedDocument(BaseModel):
    """What became of a deletion."""

    deleted: bool = Field(description="False: there was no such document.")
    seq: int | None = Field(description="Number of the change; null if there was none.")


class DeletedDocuments(BaseModel):
    """What became of the deletion of many documents."""

    deleted: int = Field(description="How many documents were deleted.")
    ids: list[str] = Field(description="The ids of these documents, in the order of the request, or of arrival.")
    seq: int | None = Field(description="Number of the change; null if there was none.")
