"""Imports: lines that were received and wait for their job, how far it is, and the lines that it refused.

The lines are in the database, in chunks: a job runner may be on another machine than the API process that received
them, and the transaction that stores the documents of a chunk deletes it, so that no line is stored twice or lost.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, or_, select, update

from service.errors import NotFound
from service.store import schema
from service.store.schema import UNFINISHED, now

TABLE, CHUNKS, ERRORS = schema.imports, schema.import_chunks, schema.import_errors
JOBS = schema.jobs
MAX_ERRORS = 10_000
"""Refused lines that are kept of one import; more are counted."""
MAX_BEGINNING = 500
"""Characters that are kept of a refused line."""
_KEPT = 20
"""Imports of a collection of which the refused lines are kept."""
_ABANDONED_S = 3_600.0
"""Seconds after which an import that is not received on was given up."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines.

    Attributes:
        first_line: number of the first of them, counted from 1.
        n_lines: how many.
        data: the lines, joined by newlines.
    """

    first_line: int
    n_lines: int
    data: bytes

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers."""
        for number, line in enumerate(self.data.split(b"\n"), self.first_line):
            if line.strip():
                yield number, line


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is not stored: its number, why, its id if it has a valid one, and how it begins."""

    line: int
    reason: str
    document_id: str | None
    beginning: str


@dataclass(frozen=True, slots=True)
class ImportState:
    """How far an import is.

    Attributes:
        id: of it, not of its job.
        n_bytes: received; `done_bytes` of them were imported.
        n_lines: imported, blank ones included.
        n_stored: documents that were put.
        n_created: those of them whose id was new.
        n_refused: lines that are not stored.
    """

    id: str
    collection_id: int
    n_bytes: int
    done_bytes: int
    n_lines: int
    n_stored: int
    n_created: int
    n_refused: int


def begin(connection: Connection, collection_id: int) -> str:
    """The id of a new import, of which nothing was received yet."""
    id = uuid4().hex
    connection.execute(insert(TABLE).values(id=id, collection_id=collection_id, received_at=now()))
    return id


def receive(
    connection: Connection, id: str, first_number: int, chunks: Sequence[Chunk], refused: Sequence[RefusedLine]
) -> None:
    """Keep chunks, numbered from `first_number`, and lines that were refused before they were kept.

    Raises:
        NotFound: the import is gone, with its collection.
    """
    n_bytes = sum(len(chunk.data) + 1 for chunk in chunks)
    changed = connection.execute(
        update(TABLE)
        .where(TABLE.c.id == id)
        .values(received_at=now(), n_bytes=TABLE.c.n_bytes + n_bytes, n_refused=TABLE.c.n_refused + len(refused))
    )
    if not changed.rowcount:
        raise NotFound("import", id)
    rows = [
        {
            "import_id": id,
            "number": number,
            "first_line": chunk.first_line,
            "n_lines": chunk.n_lines,
            "n_bytes": len(chunk.data) + 1,
            "data": zlib.compress(chunk.data, 1),
        }
        for number, chunk in enumerate(chunks, first_number)
    ]
    if rows:
        connection.execute(insert(CHUNKS), rows)
    _keep_errors(connection, id, refused)


def attach(connection: Connection, id: str, job_id: str) -> None:
    """Note which job imports what was received."""
    connection.execute(update(TABLE).where(TABLE.c.id == id).values(job_id=job_id))


def forget_old(connection: Connection, collection_id: int) -> None:
    """Delete all but the last imports of a collection that have ended, with their refused lines; their jobs stay."""
    mine = (TABLE.c.collection_id == collection_id, TABLE.c.job_id.is_not(None))
    latest = select(TABLE.c.id).where(*mine).order_by(TABLE.c.received_at.desc(), TABLE.c.id).limit(_KEPT)
    has_chunks = exists().where(CHUNKS.c.import_id == TABLE.c.id)
    connection.execute(delete(TABLE).where(*mine, TABLE.c.id.not_in(latest), ~has_chunks))


def of_job(connection: Connection, job_id: str) -> ImportState:
    """The import of a job.

    Raises:
        NotFound: it has none.
    """
    row = connection.execute(_OF_JOB, {"job": job_id}).first()
    if row is None:
        raise NotFound("import of job", job_id)
    return ImportState(*row)


def next_chunk(connection: Connection, id: str) -> tuple[int, Chunk] | None:
    """Number and content of the first chunk that is left; None if none is."""
    row = connection.execute(_NEXT, {"import": id}).first()
    if row is None:
        return None
    return row.number, Chunk(row.first_line, row.n_lines, zlib.decompress(row.data))


def finish_chunk(
    connection: Connection,
    id: str,
    number: int,
    chunk: Chunk,
    n_stored: int,
    n_created: int,
    refused: Sequence[RefusedLine],
) -> None:
    """Delete a chunk, count it, and keep its refused lines: in the transaction that stores its documents."""
    connection.execute(delete(CHUNKS).where(CHUNKS.c.import_id == id, CHUNKS.c.number == number))
    done: dict[str, Any] = {
        "done_bytes": len(chunk.data) + 1,
        "n_lines": chunk.n_lines,
        "n_stored": n_stored,
        "n_created": n_created,
        "n_refused": len(refused),
    }
    added = {name: TABLE.c[name] + value for name, value in done.items()}
    connection.execute(update(TABLE).where(TABLE.c.id == id).values(added))
    _keep_errors(connection, id, refused)


def errors(connection: Connection, job_id: str, after_line: int, limit: int) -> list[RefusedLine]:
    """Up to `limit` refused lines of a job after a line, in their order."""
    rows = connection.execute(_ERRORS, {"job": job_id, "after": after_line, "limit": limit})
    return [RefusedLine(*row) for row in rows]


def all_ids(connection: Connection, collection_id: int) -> list[str]:
    """The imports into a collection."""
    return [*connection.scalars(select(TABLE.c.id).where(TABLE.c.collection_id == collection_id))]


def abandoned(connection: Connection) -> list[str]:
    """Imports with lines that no job will import: it ended before, or is gone, or there never was one."""
    has_chunks = exists().where(CHUNKS.c.import_id == TABLE.c.id)
    job = select(JOBS.c.id).where(JOBS.c.id == TABLE.c.job_id, JOBS.c.state.in_(UNFINISHED))
    given_up = TABLE.c.job_id.is_(None) & (TABLE.c.received_at < now(-_ABANDONED_S))
    ended = TABLE.c.job_id.is_not(None) & ~job.exists() & has_chunks
    return [*connection.scalars(select(TABLE.c.id).where(or_(given_up, ended)))]


def delete_first_chunk(connection: Connection, id: str) -> bool:
    """Delete one chunk of an import; False if it had none."""
    first = select(func.min(CHUNKS.c.number)).where(CHUNKS.c.import_id == id).scalar_subquery()
    return bool(connection.execute(delete(CHUNKS).where(CHUNKS.c.import_id == id, CHUNKS.c.number == first)).rowcount)


def delete_without_job(connection: Connection, id: str) -> None:
    """Delete an import for which there is no job; of others the counts and the refused lines stay."""
    connection.execute(delete(TABLE).where(TABLE.c.id == id, TABLE.c.job_id.is_(None)))


def _keep_errors(connection: Connection, id: str, refused: Sequence[RefusedLine]) -> None:
    if not refused:
        return
    kept = connection.execute(select(func.count()).where(ERRORS.c.import_id == id)).scalar_one()
    rows = [
        {
            "import_id": id,
            "line": one.line,
            "document_id": one.document_id,
            "reason": _storable(one.reason),
            "beginning": _storable(one.beginning)[:MAX_BEGINNING],
        }
        for one in refused[: max(0, MAX_ERRORS - kept)]
    ]
    if rows:
        connection.execute(insert(ERRORS), rows)


def _storable(text: str) -> str:
    """A text without what PostgreSQL does not take: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


_OF_JOB = select(
    TABLE.c.id,
    TABLE.c.collection_id,
    TABLE.c.n_bytes,
    TABLE.c.done_bytes,
    TABLE.c.n_lines,
    TABLE.c.n_stored,
    TABLE.c.n_created,
    TABLE.c.n_refused,
).where(TABLE.c.job_id == bindparam("job"))
_NEXT = select(CHUNKS).where(CHUNKS.c.import_id == bindparam("import")).order_by(CHUNKS.c.number).limit(1)
_ERRORS = (
    select(ERRORS.c.line, ERRORS.c.reason, ERRORS.c.document_id, ERRORS.c.beginning)
    .join(TABLE, TABLE.c.id == ERRORS.c.import_id)
    .where(TABLE.c.job_id == bindparam("job"), ERRORS.c.line > bindparam("after"))
    .order_by(ERRORS.c.line)
    .limit(bindparam("limit"))
)
