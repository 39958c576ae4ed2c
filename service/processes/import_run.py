"""A job that imports lines: each chunk of them is read, encoded, and stored in one transaction with the progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.config import Settings
from service.errors import Conflict, InvalidContent, InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Content, Contents, check_content
from service.hashing.embedding_models import EmbeddingModels
from service.hashing.given import contents_of
from service.ingest.documents import contents_for, put_with_codes
from service.ingest.language import decide_language_of, is_new_magnitude
from service.processes.import_lines import ReadLine, read_lines
from service.store import collections, embedding_models, imports, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.deletion import discard_import
from service.store.documents import NewDocument
from service.store.imports import Chunk, ImportState, RefusedLine
from service.store.jobs import Job
from service.store.leases import Cancelled, ReportProgress
from service.store.spaces import CodeSpace

Encode = Callable[[str, Contents], Codes]
"""Codes of contents by the hash function of a digest."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Target:
    """What the lines are put into, as it was when their contents were read."""

    collection: Collection
    space: CodeSpace
    models: EmbeddingModels | None

    def hashed(self, contents: Sequence[Content]) -> list[Content]:
        """What the active space encodes of contents."""
        return contents_for(self.space, contents, self.models)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A line that the collection takes, with its content."""

    line: ReadLine
    content: Content

    def document(self) -> NewDocument:
        given = self.line.document
        return NewDocument(self.line.id, self.content, given.metadata, given.expires_at)


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
        """Store the documents of a chunk: those of the last good line where lines have the same id."""
        read, refused = read_lines(chunk, self.job.id, self.settings.max_metadata_bytes)
        n_changes = 0
        while n_changes < _ATTEMPTS:
            target = self._target(collection)
            accepted, not_taken = self._accepted(target, read)
            try:
                hashed = target.hashed([one.content for one in accepted])
                codes = self.encode(str(target.space.digest), hashed) if hashed else None
            except InvalidContent as error:  # of an encoder process with other limits
                if error.position is None:
                    raise
                line = accepted[error.position].line
                refused.append(line.refused(error.reason))
                read.remove(line)
                continue
            if self._commit(target, state, (number, chunk), accepted, codes, [*refused, *not_taken]):
                return
            n_changes += 1
        raise Conflict(f"the active code space of {collection.name!r} changed {_ATTEMPTS} times during one chunk")

    def _target(self, collection: Collection) -> _Target:
        with self.database.read() as connection:
            models = embedding_models.of_collection(connection, collection)
            return _Target(collection, spaces.active(connection, collection.id), models)

    def _accepted(self, target: _Target, read: list[ReadLine]) -> tuple[list[_Accepted], list[RefusedLine]]:
        """The lines that the collection takes, one for each id, and those that it does not."""
        by_id: dict[str, _Accepted] = {}
        refused: list[RefusedLine] = []
        for line, content in zip(read, self._contents(target, read), strict=True):
            if isinstance(content, InvalidInput):
                reason = content.reason if isinstance(content, InvalidContent) else str(content)
                refused.append(line.refused(reason))
            else:
                by_id[line.id] = _Accepted(line, content)
        return [*by_id.values()], refused

    def _contents(self, target: _Target, read: list[ReadLine]) -> list[Content | InvalidInput]:
        """The content of each line, or what is wrong with it; all at once, and one by one only if one is wrong."""
        try:
            contents = contents_of([line.given for line in read], target.collection.kind, target.models)
            for content in contents:
                check_content(content, self.settings.max_text_chars)
            target.hashed(contents)
            return [*contents]
        except InvalidInput as error:
            if len(read) == 1:
                return [error]
            return [one for line in read for one in self._contents(target, [line])]

    def _commit(
        self,
        target: _Target,
        state: ImportState,
        numbered: tuple[int, Chunk],
        accepted: list[_Accepted],
        codes: Codes | None,
        refused: list[RefusedLine],
    ) -> bool:
        """Store documents, codes and progress in one transaction; False if another space became active."""
        collection, space = target.collection, target.space
        with self.database.lane(collection.id) as lane:
            if spaces.active(lane.connection, collection.id).id != space.id:
                return False
            before = lane.last_seq
            new = [one.document() for one in accepted]
            put = [] if codes is None else put_with_codes(lane, new, space, codes)
            n_created = sum(one.created for one in put)
            imports.finish_chunk(lane.connection, state.id, *numbered, len(put), n_created, refused)
            after = lane.last_seq
        if collection.kind != "image" and is_new_magnitude(before, after):
            decide_language_of(self.database, collection.id)
        return True


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
