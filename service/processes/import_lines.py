"""Lines of an import as documents, as far as can be told without their collection."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from pydantic import ValidationError
from pydantic_core import to_json

from service.errors import InvalidInput
from service.hashing.given import GivenContent
from service.json_lines import parse_object
from service.store import imports
from service.store.imports import Chunk, RefusedLine
from service.web.metadata import check_metadata
from service.web.schemas.documents import NewDocument

_EXPORTED_ONLY = ("code", "revision", "created_at", "updated_at")
"""Members that an export adds to its lines, and with which no document is put."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line that holds a document.

    Attributes:
        number: of the line.
        raw: its bytes.
        id: of the document; made of the job and the number if the line has none: the same if it is read once more.
        document: what it says.
    """

    number: int
    raw: bytes
    id: str
    document: NewDocument

    @property
    def given(self) -> GivenContent:
        """Its content, not checked yet."""
        one = self.document
        return GivenContent(one.text, one.title, one.vector, one.image, one.model, one.vectors)

    def refused(self, reason: str) -> RefusedLine:
        """The same line as one that is not stored."""
        return RefusedLine(self.number, reason, self.id, _beginning(self.raw))


def read_lines(chunk: Chunk, job_id: str, max_metadata_bytes: int) -> tuple[list[ReadLine], list[RefusedLine]]:
    """The lines of a chunk that hold documents, and those that do not; blank ones are neither."""
    read: list[ReadLine] = []
    refused: list[RefusedLine] = []
    for number, raw in chunk.lines():
        try:
            document = _document(number, raw, max_metadata_bytes)
        except InvalidInput as error:
            refused.append(RefusedLine(number, str(error), None, _beginning(raw)))
        else:
            id = document.id if document.id is not None else uuid5(UUID(job_id), str(number)).hex
            read.append(ReadLine(number, raw, id, document))
    return read, refused


def _document(number: int, raw: bytes, max_metadata_bytes: int) -> NewDocument:
    members = parse_object(number, raw)
    for name in _EXPORTED_ONLY:
        members.pop(name, None)
    try:
        document = NewDocument.model_validate(members)
    except ValidationError as error:
        rules = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        raise InvalidInput("; ".join(rules)) from None
    check_metadata(document.metadata, "metadata")
    if len(to_json(document.metadata)) > max_metadata_bytes:
        raise InvalidInput(f"metadata must be at most {max_metadata_bytes} bytes of JSON")
    return document


def _beginning(raw: bytes) -> str:
    return raw[: 4 * imports.MAX_BEGINNING].decode("utf-8", "replace").strip()
