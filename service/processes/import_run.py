"""A job that imports lines: each chunk of them is read, encoded, and stored in one transaction with the progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError
from pydantic_core import to_json

from service.config import Settings
from service.errors import Conflict, InvalidContent, InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Content, Contents, check_content
from service.hashing.embedding_models import EmbeddingModels
from service.hashing.given import GivenContent, contents_of
from service.ingest.documents import contents_for, put_with_codes
from service.ingest.language import decide_language_of, is_new_magnitude
from service.json_lines import parse_object
from service.store import collections, embedding_models, imports, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import discard_import
from service.store.documents import NewDocument
from service.store.imports import Chunk, ImportState, RefusedLine
from service.store.jobs import Job
from service.store.leases import Cancelled, ReportProgress
from service.store.spaces import CodeSpace
from service.web.metadata import check_metadata
from service.web.schemas.documents import NewDocument as NewDocumentSchema

Encode = Callable[[str, Contents], Codes]
"""Codes of contents by the hash function of a digest."""

_ATTEMPTS = 5
_EXPORTED_ONLY = ("code", "revision", "created_at", "updated_at")
"""Members that an export adds to its lines, and with which no document is put."""


@dataclass(frozen=True, slots=True)
class _ReadLine:
    """A line that is a document, as far as can be told without its collection."""

    number: int
    raw: bytes
    document: NewDocumentSchema

    def refused(self, reason: str) -> RefusedLine:
        return RefusedLine(self.number, reason, self.document.id, _beginning(self.raw))


class ImportRun:
    """Imports the lines of a job, from where an earlier worker ended.

    Args:
        database: where they are.
        settings: limits of documents.
        encode: blocks.
        job: of kind import.
        report_progress: called before each chunk.
    """

    def __init__(
        self, database: Database, settings: Settings, encode: Encode, job: Job, report_progress: ReportProgress
    ) -> None:
        self.database, self.settings, self.encode = database, settings, encode
        self.job, self.report_progress = job, report_progress

    def run(self) -> Mapping[str, Any]:
        """Import what is left, and return the last progress.

        Raises:
            NotFound: the collection is gone.
            Unavailable: the database or the encoder does not respond; whoever claims the job goes on.
        """
        with self.database.read() as connection:
            collection = collections.by_id(connection, self.job.collection_id)
            state = imports.of_job(connection, self.job.id)
        try:
            while True:
                self.report_progress(_progress(state, "importing"))
                with self.database.read() as connection:
                    found = imports.next_chunk(connection, state.id)
                if found is None:
                    return _progress(state, "done")
                self._import(collection, state, *found)
                with self.database.read() as connection:
                    state = imports.of_job(connection, self.job.id)
        except Cancelled:
            discard_import(self.database, state.id)
            raise

    def _import(self, collection: Collection, state: ImportState, number: int, chunk: Chunk) -> None:
        """Store the documents of a chunk: those of the last line where lines have the same id."""
        refused: list[RefusedLine] = []
        read = [line for number, raw in chunk.lines() if (line := self._read(number, raw, refused)) is not None]
        for _ in range(_ATTEMPTS):
            with self.database.read() as connection:
                space = spaces.active(connection, collection.id)
                models = embedding_models.of_collection(connection, collection)
            refused_here = [*refused]
            new = self._documents(collection, read, space, models, refused_here)
            hashed = contents_for(space, [one.content for one in new], models)
            codes = self.encode(str(space.digest), hashed) if hashed else None
            if self._commit(collection, state, (number, chunk), new, space, codes, refused_here):
                return
        raise Conflict(f"the active code space of {collection.name!r} changed {_ATTEMPTS} times during one chunk")

    def _read(self, number: int, raw: bytes, refused: list[RefusedLine]) -> _ReadLine | None:
        try:
            members = parse_object(number, raw)
            for name in _EXPORTED_ONLY:
                members.pop(name, None)
            document = NewDocumentSchema.model_validate(members)
            check_metadata(document.metadata, "metadata")
            if len(to_json(document.metadata)) > self.settings.max_metadata_bytes:
                raise InvalidInput(f"metadata must be at most {self.settings.max_metadata_bytes} bytes of JSON")
        except ValidationError as error:
            reason = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            refused.append(RefusedLine(number, reason, None, _beginning(raw)))
        except InvalidInput as error:
            refused.append(RefusedLine(number, str(error), None, _beginning(raw)))
        else:
            if document.id is None:
                document.id = uuid5(UUID(self.job.id), str(number)).hex  # the same if it is imported once more
            return _ReadLine(number, raw, document)
        return None

    def _documents(
        self,
        collection: Collection,
        read: list[_ReadLine],
        space: CodeSpace,
        models: EmbeddingModels | None,
        refused: list[RefusedLine],
    ) -> list[NewDocument]:
        """The documents that the collection takes, each id once; notes the lines of the others."""
        by_id: dict[str, NewDocument] = {}
        for line, content in zip(read, self._contents(collection, read, space, models), strict=True):
            if isinstance(content, InvalidInput):
                reason = content.reason if isinstance(content, InvalidContent) else str(content)
                refused.append(line.refused(reason))
            else:
                assert line.document.id is not None
                by_id[line.document.id] = NewDocument(line.document.id, content, line.document.metadata)
        return [*by_id.values()]

    def _contents(
        self, collection: Collection, read: list[_ReadLine], space: CodeSpace, models: EmbeddingModels | None
    ) -> list[Content | InvalidInput]:
        """The content of each line, or what is wrong with it; all at once, and one by one only if one is wrong."""
        try:
            return [*self._checked(collection, read, space, models)]
        except InvalidInput as error:
            if len(read) == 1:
                return [error]
            return [one for line in read for one in self._contents(collection, [line], space, models)]

    def _checked(
        self, collection: Collection, read: list[_ReadLine], space: CodeSpace, models: EmbeddingModels | None
    ) -> list[Content]:
        documents = [line.document for line in read]
        given = [GivenContent(d.text, d.title, d.vector, d.image, d.model, d.vectors) for d in documents]
        contents = contents_of(given, collection.kind, models)
        for content in contents:
            check_content(content, self.settings.max_text_chars)
        contents_for(space, contents, models)
        return contents

    def _commit(
        self,
        collection: Collection,
        state: ImportState,
        numbered: tuple[int, Chunk],
        new: list[NewDocument],
        space: CodeSpace,
        codes: Codes | None,
        refused: list[RefusedLine],
    ) -> bool:
        """Store documents, codes and progress in one transaction; False if another space became active."""
        number, chunk = numbered
        with self.database.lane(collection.id) as lane:
            if spaces.active(lane.connection, collection.id).id != space.id:
                return False
            before = lane.last_seq
            put = [] if codes is None else put_with_codes(lane, new, space, codes)
            n_created = sum(one.created for one in put)
            imports.finish_chunk(lane.connection, state.id, number, chunk, len(put), n_created, refused)
            after = lane.last_seq
        if collection.kind != "image" and is_new_magnitude(before, after):
            decide_language_of(self.database, collection.id)
        return True


def _beginning(raw: bytes) -> str:
    return raw[: 4 * imports.MAX_BEGINNING].decode("utf-8", "replace").strip()


def _progress(state: ImportState, stage: str) -> dict[str, Any]:
    return {
        "stage": stage,
        "done": state.done_bytes,
        "total": state.n_bytes,
        "lines": state.n_lines,
        "stored": state.n_stored,
        "created": state.n_created,
        "refused": state.n_refused,
    }
