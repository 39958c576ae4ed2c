"""Groups of near duplicates as a job found them: write them in parts, read them in pages, see which are out of date.

A member is stored with the revision of its document, and with the code that put it into its group: a document that was
deleted or changed since is not shown any more, and distances are those of the search, whatever space is active now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update
from sqlalchemy import delete as delete_from

from service.errors import InvalidInput
from service.store import schema
from service.store.schema import UNFINISHED, now
from service.store.statements import BulkStatement, is_one_of

TABLE = schema.duplicates
SEARCHES = schema.duplicate_searches
DOCUMENTS = schema.documents

WORD_BITS = 64
"""Bits of the codes that near duplicates are looked for by words with."""


@dataclass(frozen=True, slots=True)
class DuplicateSearch:
    """A search for near duplicates.

    Attributes:
        id: grows from one search of the database to the next.
        job_id: the job that made it.
        version: of the code space that it looked at; None if it went by words.
        params: those of the job.
        n_groups: groups that it found.
        n_documents: documents in these groups.
        n_capped: groups that are parts of one that had too many documents.
        finished_at: None while the job runs.
    """

    id: int
    job_id: str
    version: int | None
    params: dict[str, Any]
    n_groups: int
    n_documents: int
    n_capped: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that may be a member of a group: the code that it is near by, and what a policy chooses by."""

    key: int
    revision: int
    seq: int
    n_chars: int
    code: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Near duplicates, the representative first; `is_capped` if it is a part of one that had too many."""

    members: Sequence[Candidate]
    is_capped: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group that still is as it was; `place` 0 is the representative that the policy chose."""

    group: int
    place: int
    id: str
    title: str | None
    code: bytes
    is_capped: bool


def check_radius(radius: int, n_bits: int, name: str) -> None:
    """Refuse a radius within which codes of `n_bits` bits are not nearly equal: more than an eighth of them.

    Raises:
        InvalidInput: it is greater, or negative; the message calls it `name`.
    """
    if not 0 <= radius <= n_bits // 8:
        rule = f"must be 0 to {n_bits // 8}, an eighth of the {n_bits} bits of a code"
        raise InvalidInput(f"{name} {rule}, got {radius}", [{"where": name, "rule": rule}])


def start(connection: Connection, collection_id: int, job_id: str, version: int | None, params: dict[str, Any]) -> int:
    """A new search, which nobody sees before it is finished; return its id."""
    values = {"collection_id": collection_id, "job_id": job_id, "version": version, "params": params}
    id: int = connection.execute(insert(SEARCHES).values(values).returning(SEARCHES.c.id)).scalar_one()
    return id


def of_job(connection: Connection, job_id: str) -> DuplicateSearch | None:
    """The search of a job, if it has begun one."""
    row = connection.execute(_SEARCHES.where(SEARCHES.c.job_id == job_id)).first()
    return None if row is None else DuplicateSearch(*row)


def latest(connection: Connection, collection_id: int) -> DuplicateSearch | None:
    """The last finished search of a collection, if there is one."""
    finished = (SEARCHES.c.collection_id == collection_id, SEARCHES.c.finished_at.is_not(None))
    row = connection.execute(_SEARCHES.where(*finished).order_by(SEARCHES.c.id.desc()).limit(1)).first()
    return None if row is None else DuplicateSearch(*row)


def candidates(connection: Connection, codes: Mapping[int, bytes]) -> dict[int, Candidate]:
    """Those of the documents that exist, by key; `codes` has the code that each was found by."""
    rows = connection.execute(_CANDIDATES, {"keys": [*codes]})
    return {row.key: Candidate(*row, codes[row.key]) for row in rows}


def add(connection: Connection, search_id: int, first_group: int, groups: Sequence[Group]) -> None:
    """Write groups under consecutive numbers, the representative of each first. Cost: one statement."""
    rows = [
        (search_id, first_group + number, place, member.key, member.revision, member.code, group.is_capped)
        for number, group in enumerate(groups)
        for place, member in enumerate(group.members)
    ]
    if rows:
        _INSERT.run(connection, *map(list, zip(*rows, strict=True)))


def finish(connection: Connection, search_id: int, n_groups: int, n_documents: int, n_capped: int) -> None:
    """Make a search what callers see; those before it are out of date."""
    values = {"n_groups": n_groups, "n_documents": n_documents, "n_capped": n_capped, "finished_at": now()}
    connection.execute(update(SEARCHES).where(SEARCHES.c.id == search_id).values(values))


def page(connection: Connection, search_id: int, after_group: int, n_groups: int, limit: int) -> list[Member]:
    """Members of the `n_groups` groups after one, in their order, without documents deleted or changed since.

    At most `limit` members: the last group may be cut then.
    """
    parameters = {"search": search_id, "after": after_group, "up_to": after_group + n_groups, "limit": limit}
    return [Member(*row) for row in connection.execute(_PAGE, parameters)]


def outdated(connection: Connection, collection_id: int) -> list[int]:
    """Searches of a collection that nobody will see: older than the last finished one, or of a job that has ended."""
    last = latest(connection, collection_id)
    older = SEARCHES.c.id < (0 if last is None else last.id)
    is_running = select(schema.jobs.c.id).where(
        schema.jobs.c.id == SEARCHES.c.job_id, schema.jobs.c.state.in_(UNFINISHED)
    )
    ended = SEARCHES.c.finished_at.is_(None) & ~is_running.exists()
    query = select(SEARCHES.c.id).where(SEARCHES.c.collection_id == collection_id, or_(older, ended))
    return [*connection.scalars(query)]


def all_ids(connection: Connection, collection_id: int) -> list[int]:
    """Every search of a collection, dropped or not."""
    return [*connection.scalars(select(SEARCHES.c.id).where(SEARCHES.c.collection_id == collection_id))]


def delete(connection: Connection, search_id: int) -> None:
    """Delete a search, and with it the members that are left. Cost: linear in these, so most should be gone before."""
    connection.execute(delete_from(SEARCHES).where(SEARCHES.c.id == search_id))


_SEARCHES = select(
    SEARCHES.c.id,
    SEARCHES.c.job_id,
    SEARCHES.c.version,
    SEARCHES.c.params,
    SEARCHES.c.n_groups,
    SEARCHES.c.n_documents,
    SEARCHES.c.n_capped,
    SEARCHES.c.finished_at,
)
_LENGTH = func.coalesce(func.length(DOCUMENTS.c.text), func.length(DOCUMENTS.c.content))
_CANDIDATES = select(DOCUMENTS.c.key, DOCUMENTS.c.revision, DOCUMENTS.c.seq, _LENGTH).where(
    is_one_of(DOCUMENTS.c.key, "keys")
)
_IS_SAME = (DOCUMENTS.c.key == TABLE.c.document_key) & (DOCUMENTS.c.revision == TABLE.c.revision)
_PAGE = (
    select(TABLE.c.group_no, TABLE.c.place, DOCUMENTS.c.id, DOCUMENTS.c.title, TABLE.c.code, TABLE.c.is_capped)
    .join(DOCUMENTS, _IS_SAME)
    .where(
        TABLE.c.search_id == bindparam("search"),
        TABLE.c.group_no > bindparam("after"),
        TABLE.c.group_no <= bindparam("up_to"),
    )
    .order_by(TABLE.c.group_no, TABLE.c.place)
    .limit(bindparam("limit"))
)
_INSERT = BulkStatement(
    sqlite="""
        INSERT INTO duplicates (search_id, group_no, place, document_key, revision, code, is_capped)
        VALUES (?, ?, ?, ?, ?, ?, ?)
    """,
    postgresql="""
        INSERT INTO duplicates (search_id, group_no, place, document_key, revision, code, is_capped)
        SELECT * FROM unnest(
            %b::bigint[], %b::integer[], %b::integer[], %b::bigint[], %b::integer[], %b::bytea[], %b::boolean[])
    """,
)
