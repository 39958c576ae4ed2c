"""Imports: lines are received, of any number, and left to a job."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import CancelScope

from service.config import Settings
from service.errors import InvalidInput, JobRunning, StorageFull, Unavailable
from service.ingest.collections import get_collection
from service.ingest.line_chunks import LineChunks
from service.store import deletion, imports, jobs
from service.store.collections import Collection
from service.store.database import Database
from service.store.idempotency import Conclude
from service.store.imports import Chunk
from service.store.jobs import Job
from service.threads import run_in_large_thread, run_in_thread

KIND = "import"
AT_ONCE = 8
"""Imports that one process receives at once: each holds a megabyte and a line."""
_TOGETHER_BYTES = 1 << 20
_SPARE_BYTES = 256 << 20
"""Free space on the disk of an embedded database below which nothing more is received."""


class ImportWriter:
    """Receives what is to be imported, and enqueues the job that does it."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self._n_receiving = 0

    async def receive(
        self, collection: str, pieces: AsyncIterator[bytes], conclude: Conclude[Job] | None = None
    ) -> Job:
        """The job that will put the documents of a stream of lines into a collection, once all of it was received.

        Holds a megabyte and one line of it; what was received of a stream that breaks off is deleted.

        Args:
            collection: its name.
            pieces: of the stream, of any length; what they raise ends it.
            conclude: called with the job before the transaction that queues it ends; it may write in it.

        Raises:
            NotFound: there is no such collection.
            JobRunning: another import into it has not ended.
            InvalidInput: there is no line, or it is text of another encoding than UTF-8.
            StorageFull: the disk is nearly full.
            Unavailable: too many are being received.
        """
        stored = await get_collection(self.database, collection)
        if self._n_receiving >= AT_ONCE:
            raise Unavailable(f"{AT_ONCE} imports are being received by this process: try again when one has ended")
        self._n_receiving += 1
        try:
            return await self._receive(stored, pieces, conclude)
        finally:
            self._n_receiving -= 1

    async def _receive(
        self, collection: Collection, pieces: AsyncIterator[bytes], conclude: Conclude[Job] | None
    ) -> Job:
        id = await run_in_thread(self._begin, collection)
        try:
            receiving = _Receiving(self.database, id, self._line_chunks())
            waiting: list[bytes] = []
            n_bytes = 0
            async for piece in pieces:
                waiting.append(piece)
                n_bytes += len(piece)
                if n_bytes >= _TOGETHER_BYTES:
                    await run_in_large_thread(receiving.take, b"".join(waiting))
                    waiting, n_bytes = [], 0
            await run_in_large_thread(receiving.take, b"".join(waiting))
            await run_in_large_thread(receiving.finish)
            return await run_in_thread(self._enqueue, collection, id, receiving.lines.n_lines, conclude)
        except BaseException:
            with CancelScope(shield=True):
                await run_in_thread(deletion.discard_import, self.database, id)
            raise

    def _line_chunks(self) -> LineChunks:
        return LineChunks(self.settings.max_body_bytes, chunk_lines=self.settings.max_batch)

    def _begin(self, collection: Collection) -> str:
        with self.database.write() as connection:
            running = jobs.unfinished(connection, collection.id, KIND)
            if running is not None:
                raise JobRunning(collection.name, KIND, running)
            return imports.begin(connection, collection.id)

    def _enqueue(self, collection: Collection, id: str, n_lines: int, conclude: Conclude[Job] | None) -> Job:
        with self.database.write() as connection:
            job = jobs.enqueue(connection, collection, KIND, {"lines": n_lines})
            imports.attach(connection, id, job.id)
            imports.forget_old(connection, collection.id)
            if conclude is not None:
                conclude(connection, job)
            return job


class _Receiving:
    """Keeps one stream as it comes."""

    def __init__(self, database: Database, id: str, lines: LineChunks) -> None:
        self.database, self.id, self.lines = database, id, lines
        self.n_chunks = 0

    def take(self, content: bytes) -> None:
        """Keep the whole lines that there are now."""
        self._keep(self.lines.add(content))

    def finish(self) -> None:
        """Keep the last lines."""
        self._keep(self.lines.finish())
        if not self.lines.n_lines:
            raise InvalidInput("the body must hold at least one line of JSON")

    def _keep(self, chunks: list[Chunk]) -> None:
        refused = self.lines.take_refused()
        if not chunks and not refused:
            return
        if self.database.embedded:
            free = shutil.disk_usage(Path(self.database.place).parent).free
            if free < _SPARE_BYTES:
                raise StorageFull(f"the disk must have {_SPARE_BYTES >> 20} MB free to import, it has {free >> 20}")
        with self.database.write() as connection:
            imports.receive(connection, self.id, self.n_chunks, chunks, refused)
        self.n_chunks += len(chunks)
