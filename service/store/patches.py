"""Patches: changes of a document's metadata and of when it expires; content and codes stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from service.store import documents, expiry
from service.store.database import Lane
from service.store.documents import Revisions, as_bound, check_revisions, metadata_json
from service.store.if_match import IfMatch
from service.store.statements import BulkStatement, is_one_of

TABLE = documents.TABLE
CheckMetadata = Callable[[dict[str, Any], str], None]
"""Raises if metadata, of the document with that id, break a rule."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What is to change of one document.

    Attributes:
        id: of the document.
        metadata: a JSON merge patch (RFC 7396) of its metadata; None removes them all.
        has_expiry: whether `expires_at` is to change, too.
        expires_at: None for never.
        revision: the `full_revision` that the document must have; None for any.
    """

    id: str
    metadata: dict[str, Any] | None
    has_expiry: bool = False
    expires_at: datetime | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class PatchResult:
    """A document after its patch: its `full_revision`, and whether it changed."""

    id: str
    key: int
    revision: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Patched:
    """What became of patches: one result per document that exists, in order; the ids that do not; the last seq."""

    documents: list[PatchResult]
    missing: list[str]
    seq: int


def apply(
    lane: Lane, patches: Sequence[Patch], check_metadata: CheckMetadata, if_match: IfMatch | None = None
) -> Patched:
    """Patch documents with distinct ids; one that has what it is given stays as it is.

    Args:
        lane: of their collection.
        patches: what to change.
        check_metadata: called with metadata that a document is to have.
        if_match: what those that exist must be.

    Raises:
        RevisionDiffers: a document has another revision than is asked for; nothing was changed.
        InvalidInput: by `check_metadata`.

    Cost: two statements, however many documents, and a third where some expire.
    """
    expiry.settle(lane, [patch.id for patch in patches])
    rows = lane.connection.execute(_STORED, {"collection": lane.collection_id, "ids": [patch.id for patch in patches]})
    stored = {row.id: row for row in rows}
    found = {id: Revisions(row.key, row.revision, row.revision + row.metadata_revision) for id, row in stored.items()}
    check_revisions({patch.id: patch.revision for patch in patches if patch.revision is not None}, found)
    if if_match is not None:
        for id, revisions in found.items():
            if_match.check(id, revisions)
    results: list[PatchResult] = []
    changed: list[tuple[int, str, datetime | None]] = []
    for patch in patches:
        if patch.id not in stored:
            continue
        row = stored[patch.id]
        metadata = merged(row.metadata, patch.metadata) if patch.metadata is not None else {}
        expires_at = patch.expires_at if patch.has_expiry else row.expires_at
        is_changed = not _are_equal(metadata, row.metadata) or expires_at != row.expires_at
        if is_changed:
            check_metadata(metadata, patch.id)
            changed.append((row.key, metadata_json(metadata), expires_at))
        results.append(PatchResult(patch.id, row.key, found[patch.id].full + is_changed, is_changed))
    _write(lane, changed)
    return Patched(results, [patch.id for patch in patches if patch.id not in stored], lane.last_seq)


def _write(lane: Lane, changed: Sequence[tuple[int, str, datetime | None]]) -> None:
    if not changed:
        return
    first = lane.draw(len(changed))
    _UPDATE.run(
        lane.connection,
        [metadata for _, metadata, _ in changed],
        [as_bound(lane.connection, expires_at) for _, _, expires_at in changed],
        list(range(first, first + len(changed))),
        [key for key, _, _ in changed],
    )
    expiry.note(lane, [expires_at for _, _, expires_at in changed])


def merged(target: object, patch: object) -> Any:
    """A JSON value with a merge patch applied. Source: RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result: dict[str, Any] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _are_equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two objects are the same JSON: to Python 1 is 1.0 and true."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


_STORED = select(
    TABLE.c.id, TABLE.c.key, TABLE.c.revision, TABLE.c.metadata_revision, TABLE.c.metadata, TABLE.c.expires_at
).where(TABLE.c.collection_id == bindparam("collection"), is_one_of(TABLE.c.id, "ids"))
_UPDATE = BulkStatement(
    sqlite="""
        UPDATE documents SET metadata = ?, expires_at = ?, seq = ?, metadata_revision = metadata_revision + 1,
            updated_at = strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')
        WHERE key = ?
    """,
    postgresql="""
        UPDATE documents
        SET metadata = rows.metadata, expires_at = rows.expires_at, seq = rows.seq,
            metadata_revision = metadata_revision + 1, updated_at = clock_timestamp()
        FROM unnest(%b::jsonb[], %b::timestamptz[], %b::bigint[], %b::bigint[]) AS rows (metadata, expires_at, seq, key)
        WHERE documents.key = rows.key
    """,
)
