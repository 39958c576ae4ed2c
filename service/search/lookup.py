"""What is stored, by name or in pages: collections, documents, code spaces and jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.hashing.embedding_models import EmbeddingModels
from service.store import (
    collections,
    documents,
    drift,
    embedding_models,
    expiry,
    imports,
    job_history,
    jobs,
    spaces,
    upkeep,
    words,
)
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import Document
from service.store.drift import Drift
from service.store.embedding_models import ModelCoverage
from service.store.imports import RefusedLine
from service.store.job_history import HistoryRecord
from service.store.jobs import Backlog, Job
from service.store.spaces import CodeSpace
from service.store.upkeep import Upkeep
from service.store.words import WordSettings
from service.threads import run_in_thread, run_read

_PAGE_CHARS = 4 << 20


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A collection with the number of its documents and its active code space, all of one moment."""

    collection: Collection
    n_documents: int
    active_space: CodeSpace
    words: WordSettings
    upkeep: Upkeep
    drift: Drift


class Lookup:
    """Reads what is stored; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def collection(self, name: str) -> CollectionSummary:
        """The collection of that name, counted.

        Raises:
            NotFound: there is none.
        """

        def read() -> CollectionSummary:
            with self.database.read() as connection:
                collection = collections.get(connection, name)
                n_documents = documents.count(connection, collection.id)
                if collection.has_expired:
                    n_documents -= len(expiry.expired_keys(connection, collection.id))
                settings, _ = words.get(connection, collection.id)
                active, kept = spaces.active(connection, collection.id), upkeep.get(connection, collection.id)
                moved = drift.read(connection, active, n_documents)
                return CollectionSummary(collection, n_documents, active, settings, kept, moved)

        return await run_in_thread(read)

    async def collections(
        self, after_name: str, limit: int, among: Iterable[str] | None = None
    ) -> tuple[list[Collection], bool]:
        """A page of the collections, by name, and whether there are more after it.

        Args:
            after_name: where the page before ended; empty for the first page.
            limit: most collections in the page.
            among: names of those that may be in it; None: all.
        """

        def read() -> list[Collection]:
            with self.database.read() as connection:
                return collections.page(connection, after_name, limit + 1, among)

        found = await run_in_thread(read)
        return found[:limit], len(found) > limit

    async def document(self, collection: str, id: str) -> Document:
        """The document of that id.

        Raises:
            NotFound: there is no such collection or document.
        """

        def read() -> Document:
            with self.database.read() as connection:
                return documents.get(connection, collections.get(connection, collection).id, id)

        return await run_read(self.database, read)

    async def documents_of(self, collection: str, ids: Sequence[str]) -> tuple[list[Document], list[str], list[str]]:
        """The documents of some ids, in their order; the ids that do not exist; and those that were too much to read.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> tuple[list[Document], list[str], list[str]]:
            with self.database.read() as connection:
                collection_id = collections.get(connection, collection).id
                return documents.by_ids(connection, collection_id, list(dict.fromkeys(ids)), _PAGE_CHARS)

        return await run_in_thread(read)

    async def documents(self, collection: str, after_key: int, limit: int) -> tuple[list[Document], bool]:
        """A page of the documents of a collection, by arrival, and whether there are more after it.

        Args:
            collection: its name.
            after_key: where the page before ended; 0 for the first page.
            limit: most documents in the page; long texts end it earlier.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> tuple[list[Document], bool]:
            with self.database.read() as connection:
                collection_id = collections.get(connection, collection).id
                return documents.bounded_page(connection, collection_id, after_key, limit, _PAGE_CHARS)

        return await run_in_thread(read)

    async def spaces(self, collection: str) -> list[CodeSpace]:
        """Every code space of a collection, newest first.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> list[CodeSpace]:
            with self.database.read() as connection:
                return spaces.list(connection, collections.get(connection, collection).id)

        return await run_in_thread(read)

    async def models(self, collection: str) -> EmbeddingModels | None:
        """The embedding models of a collection; None of other kinds than embedding.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> EmbeddingModels | None:
            with self.database.read() as connection:
                return embedding_models.of_collection(connection, collections.get(connection, collection))

        return await run_read(self.database, read)

    async def model_coverage(self, collection: str) -> list[ModelCoverage]:
        """The embedding models of a collection, oldest first, with how many documents have a vector of each.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> list[ModelCoverage]:
            with self.database.read() as connection:
                return embedding_models.coverage(connection, collections.get(connection, collection).id)

        return await run_in_thread(read)

    async def n_uncovered(self, space: CodeSpace) -> int:
        """How many documents have no vector of the model that a space encodes."""

        def read() -> int:
            with self.database.read() as connection:
                return embedding_models.n_uncovered(connection, space)

        return await run_in_thread(read)

    async def job(self, id: str) -> Job:
        """The job of that id.

        Raises:
            NotFound: there is none.
        """

        def read() -> Job:
            with self.database.read() as connection:
                return jobs.get(connection, id)

        return await run_read(self.database, read)

    async def jobs(self, collection: str, kind: str | None, after: str, limit: int) -> tuple[list[Job], bool]:
        """A page of the jobs of a collection, the last one first, and whether there are more after it.

        Args:
            collection: its name.
            kind: of the jobs; None for all.
            after: the id of the job at which the page before ended; empty for the first page.
            limit: most jobs in the page.

        Raises:
            NotFound: there is no such collection.
        """

        def read() -> list[Job]:
            with self.database.read() as connection:
                collection_id = collections.get(connection, collection).id
                return jobs.page(connection, collection_id, kind, after, limit + 1)

        found = await run_in_thread(read)
        return found[:limit], len(found) > limit

    async def job_history(self, id: str, after: int, limit: int) -> tuple[list[HistoryRecord], bool]:
        """Records of a job with greater numbers than `after`, at most `limit`, and whether there are more."""

        def read() -> list[HistoryRecord]:
            with self.database.read() as connection:
                return job_history.after(connection, id, after, limit + 1)

        found = await run_in_thread(read)
        return found[:limit], len(found) > limit

    def backlog(self) -> list[Backlog]:
        """The jobs that wait or run. Blocks.

        Raises:
            DatabaseUnavailable: it does not answer.
        """
        with self.database.read() as connection:
            return jobs.backlog(connection)

    def refused_lines(self, job: str, after_line: int, limit: int) -> list[RefusedLine]:
        """Up to `limit` lines that an import refused, those after a line, in their order; blocks."""
        with self.database.read() as connection:
            return imports.errors(connection, job, after_line, limit)
