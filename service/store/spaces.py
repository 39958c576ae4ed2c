"""Code spaces: their states and allowed moves, promote and roll back, the stored hash functions."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, true, update

from service.errors import Conflict, ForbiddenMove, NotFound
from service.hashing.embedding_models import FIRST
from service.store import codes, schema
from service.store.collections import Collection
from service.store.database import Lane
from service.store.schema import BUILDING, now
from service.store.statements import insert

TABLE = schema.code_spaces
FUNCTIONS = schema.hash_functions
COLLECTIONS = schema.collections

T = TypeVar("T")

MOVES: dict[str, tuple[str, ...]] = {
    "training": ("encoding", "failed"),
    "encoding": ("evaluating", "failed"),
    "evaluating": ("ready", "failed"),
    "ready": ("active", "failed"),
    "active": ("retired",),
    "retired": ("active", "deleting"),
    "failed": ("deleting",),
    "deleting": (),
}
"""From a state to those it may become. Becoming active, and so retiring another, is `promote`'s alone.

A space in state deleting is gone for every caller; `store.deletion` deletes its rows."""


@dataclass(frozen=True, slots=True)
class CodeSpace:
    """One version of the hash function of a collection, together with the codes it gave to every document.

    Attributes:
        version: 1 for the untrained space, counted up per collection, never given twice.
        state: one of the keys of `MOVES`.
        digest: SHA-256 of the hash function; None until there is one.
        variant: the autoencoder that was trained, or "untrained".
        report: the figures of training and evaluation, if there are any.
        error: why it failed, if it did.
        activated_at: when it last became active.
        model: number of the embedding model whose vectors it encodes (`embedding_models`); 0 of other kinds.
        has_buckets: whether `buckets` has its codes; they are built when it has them all, see `bucket_build`.
    """

    id: int
    collection_id: int
    version: int
    state: str
    n_bits: int
    digest: str | None
    variant: str
    report: dict[str, Any] | None
    error: str | None
    created_at: datetime
    activated_at: datetime | None
    model: int
    has_buckets: bool = True


_COLUMNS = (
    TABLE.c.id,
    TABLE.c.collection_id,
    TABLE.c.version,
    TABLE.c.state,
    TABLE.c.n_bits,
    TABLE.c.digest,
    TABLE.c.variant,
    TABLE.c.report,
    TABLE.c.error,
    TABLE.c.created_at,
    TABLE.c.activated_at,
    TABLE.c.model,
    TABLE.c.has_buckets,
)
_SELECT: Select[Any] = select(*_COLUMNS)


def create_untrained(
    connection: Connection, collection: Collection, digest: str, *, has_buckets: bool = True
) -> CodeSpace:
    """Version 1 of a collection, active at once; the active space as it is if there is one already."""
    existing = _find(connection, TABLE.c.collection_id == collection.id, TABLE.c.state == "active")
    if existing is not None:
        return existing
    return _insert(
        connection,
        collection.id,
        state="active",
        n_bits=collection.n_bits,
        variant="untrained",
        digest=digest,
        activated_at=now(),
        has_buckets=has_buckets,
    )


def start(connection: Connection, collection_id: int, n_bits: int, variant: str, model: int = FIRST) -> CodeSpace:
    """The next version of a collection, in state training, of the vectors of an embedding model; without buckets yet.

    Raises:
        Conflict: another space of the collection is being built.
        NotFound: the collection is gone.
    """
    values = {"n_bits": n_bits, "variant": variant, "model": model, "has_buckets": False}
    return _insert(connection, collection_id, state="training", **values)


def get(connection: Connection, collection_id: int, version: int) -> CodeSpace:
    """The code space of that version.

    Raises:
        NotFound: there is none.
    """
    of_version = (TABLE.c.collection_id == collection_id, TABLE.c.version == version, TABLE.c.state != "deleting")
    space = _find(connection, *of_version)
    return _found(space, "code space", str(version))


def by_id(connection: Connection, space_id: int) -> CodeSpace:
    """The code space of that id.

    Raises:
        NotFound: there is none.
    """
    return _found(_find(connection, TABLE.c.id == space_id), "code space", f"#{space_id}")


def active(connection: Connection, collection_id: int) -> CodeSpace:
    """The active code space of a collection.

    Raises:
        NotFound: the collection is gone.
    """
    row = connection.execute(_ACTIVE, {"collection": collection_id}).first()
    return _found(None if row is None else CodeSpace(*row), "active code space", f"of collection #{collection_id}")


def building(connection: Connection, collection_id: int) -> CodeSpace | None:
    """The code space of a collection that is being built, if one is."""
    return _find(connection, TABLE.c.collection_id == collection_id, TABLE.c.state.in_(BUILDING))


def list(connection: Connection, collection_id: int) -> builtins.list[CodeSpace]:
    """The code spaces of a collection, newest version first."""
    of_collection = (TABLE.c.collection_id == collection_id, TABLE.c.state != "deleting")
    query = _SELECT.where(*of_collection).order_by(TABLE.c.version.desc())
    return [CodeSpace(*row) for row in connection.execute(query)]


def ask_preload(connection: Connection, space_id: int, seconds: float) -> CodeSpace:
    """Have every API process load a retired space for the next `seconds`: it is about to be promoted again.

    A space that is being built is loaded anyway, and the mark changes nothing for it. `store.nodes` tells who has
    loaded it.

    Raises:
        NotFound: there is no such space.
    """
    return _change(connection, space_id, true(), "loaded", preload_until=now(seconds))


def move(connection: Connection, space_id: int, to: str) -> CodeSpace:
    """The code space in its new state.

    Raises:
        ForbiddenMove: it cannot go there from where it is, or `to` is for `promote` to reach.
        NotFound: there is no such space.
    """
    before = [state for state, after in MOVES.items() if to in after and to not in ("active", "retired")]
    return _change(connection, space_id, TABLE.c.state.in_(before), to, state=to)


def set_digest(connection: Connection, space_id: int, digest: str) -> CodeSpace:
    """The code space, being built, with the digest of its hash function.

    Raises:
        ForbiddenMove: it is being built no longer.
        NotFound: there is no such space.
    """
    return _change(connection, space_id, TABLE.c.state.in_(BUILDING), "given a hash function", digest=digest)


def set_report(connection: Connection, space_id: int, report: dict[str, Any]) -> CodeSpace:
    """The code space with a report.

    Raises:
        NotFound: there is no such space.
    """
    return _change(connection, space_id, true(), "reported on", report=report)


def check_state(connection: Connection, space_id: int, state: str) -> None:
    """Keep a code space in a state until the transaction ends: a move that is asked for meanwhile waits.

    Raises:
        ForbiddenMove: it is in another.
        NotFound: there is no such space.
    """
    in_state = select(TABLE.c.id).where(TABLE.c.id == space_id, TABLE.c.state == state).with_for_update(read=True)
    if connection.execute(in_state).first() is None:
        space = by_id(connection, space_id)
        raise ForbiddenMove("code space", str(space.version), space.state, state)


def set_has_buckets(connection: Connection, space_id: int) -> CodeSpace:
    """The code space, being built, with its buckets.

    Raises:
        ForbiddenMove: it is being built no longer.
        NotFound: there is no such space.
    """
    return _change(connection, space_id, TABLE.c.state.in_(BUILDING), "given buckets", has_buckets=True)


def fail(connection: Connection, space_id: int, error: str) -> CodeSpace:
    """The code space in state failed, with the reason.

    Raises:
        ForbiddenMove: it is not being built.
        NotFound: there is no such space.
    """
    return _change(connection, space_id, TABLE.c.state.in_(BUILDING), "failed", state="failed", error=error)


def fail_abandoned(connection: Connection, collection_id: int, error: str) -> None:
    """Fail the space of a collection that is ready, and that no unfinished job is to promote."""
    space = _find(connection, TABLE.c.collection_id == collection_id, TABLE.c.state == "ready")
    if space is not None and connection.execute(_ITS_JOB, {"space": space.id}).first() is None:
        fail(connection, space.id, error)


def promote(lane: Lane, space_id: int, *, is_complete: bool = False) -> CodeSpace:
    """The code space, active now; the one that was active is retired in the same transaction.

    The collection's n_bits are those of its active space.

    Args:
        lane: of its collection.
        space_id: the space.
        is_complete: the caller knows that no document lacks a code in it, as `promotion` does; to count them costs
            0.1 s for 300,000 documents, for which nobody can write.

    Raises:
        ForbiddenMove: it is neither ready nor retired, or documents lack a code in it.
        NotFound: the collection has no such space.
    """
    connection = lane.connection
    space = by_id(connection, space_id)
    if space.collection_id != lane.collection_id:
        raise NotFound("code space", f"#{space_id} of collection #{lane.collection_id}")
    if "active" not in MOVES[space.state]:
        raise ForbiddenMove("code space", str(space.version), space.state, "active")
    n_missing = 0 if is_complete else codes.count_missing(connection, lane.collection_id, space_id)
    if n_missing:
        name = f"{space.version} (in which {n_missing} documents have no code)"
        raise ForbiddenMove("code space", name, space.state, "active")
    was_active = (TABLE.c.collection_id == lane.collection_id) & (TABLE.c.state == "active")
    # a seq tells which space was retired last: clocks may tie or turn back
    connection.execute(update(TABLE).where(was_active).values(state="retired", retired_seq=lane.draw(1)))
    of_collection = (COLLECTIONS.c.id == lane.collection_id, COLLECTIONS.c.n_bits != space.n_bits)
    connection.execute(update(COLLECTIONS).where(*of_collection).values(n_bits=space.n_bits))
    as_active = {"state": "active", "activated_at": now(), "preload_until": None}
    return _change(connection, space_id, TABLE.c.state == space.state, "active", **as_active)


def rollback_target(connection: Connection, collection_id: int) -> CodeSpace:
    """The code space that was retired last.

    Raises:
        NotFound: none is retired.
    """
    row = connection.execute(_RETIRED, {"collection": collection_id}).first()
    return _found(None if row is None else CodeSpace(*row), "retired code space", f"of collection #{collection_id}")


def put_function(connection: Connection, content: bytes, digest: str) -> None:
    """Keep the bytes of a hash function under their digest, for a space that this transaction has refer to it."""
    values = {"digest": digest, "content": content}
    stored = select(FUNCTIONS.c.digest).where(FUNCTIONS.c.digest == digest).with_for_update(read=True, key_share=True)
    while True:
        connection.execute(insert(connection, FUNCTIONS).values(values).on_conflict_do_nothing())
        # Held until this transaction ends, so that nobody finds it unused and deletes it before a space refers to it.
        if connection.execute(stored).first() is not None:
            return


def get_function(connection: Connection, digest: str) -> bytes:
    """The stored bytes of a hash function; the caller checks the digest.

    Raises:
        NotFound: no function of that digest is kept.
    """
    content: bytes | None = connection.execute(_FUNCTION, {"digest": digest}).scalar()
    return _found(content, "hash function", digest)


def prune(connection: Connection, collection_id: int, keep: int) -> int:
    """Take away retired and failed spaces but the `keep` latest of each; return how many those were.

    They are gone for every caller. Their rows, and the codes of the failed spaces that stay as a record of what went
    wrong, are still there for `deletion.prune` to delete in short transactions: the caller enqueues that job.
    """
    of_collection = TABLE.c.collection_id == collection_id
    retired = select(TABLE.c.id).where(of_collection, TABLE.c.state == "retired").order_by(TABLE.c.retired_seq.desc())
    failed = select(TABLE.c.id).where(of_collection, TABLE.c.state == "failed").order_by(TABLE.c.version.desc())
    surplus = [*connection.scalars(retired).all()[keep:], *connection.scalars(failed).all()[keep:]]
    pruned = (TABLE.c.id.in_(surplus), TABLE.c.state.in_(("retired", "failed")))
    return connection.execute(update(TABLE).where(*pruned).values(state="deleting")).rowcount


def give_up(connection: Connection, space_id: int) -> None:
    """Take away a retired or failed space, which is never to be rolled back to; as `prune` does."""
    of_space = (TABLE.c.id == space_id, TABLE.c.state.in_(("retired", "failed")))
    connection.execute(update(TABLE).where(*of_space).values(state="deleting"))


def compacted_seq(connection: Connection, space_id: int) -> int:
    """The seq up to which deletions may be missing from the space's changes: who has followed less far must load anew.

    0 for a space that is gone.
    """
    return connection.execute(_COMPACTED, {"space": space_id}).scalar() or 0


def _insert(connection: Connection, collection_id: int, **values: object) -> CodeSpace:
    version = connection.execute(_NEXT_VERSION, {"collection": collection_id}).scalar()
    if version is None:
        raise NotFound("collection", f"#{collection_id}")
    values |= {"collection_id": collection_id, "version": version, "created_at": now()}
    statement = insert(connection, TABLE).values(values).on_conflict_do_nothing().returning(*_COLUMNS)
    row = connection.execute(statement).first()
    if row is None:
        raise Conflict(f"collection #{collection_id} has a code space in building already")
    return CodeSpace(*row)


def _change(
    connection: Connection, space_id: int, condition: ColumnElement[bool], wanted: str, **values: object
) -> CodeSpace:
    statement = update(TABLE).where(TABLE.c.id == space_id, condition).values(values).returning(*_COLUMNS)
    row = connection.execute(statement).first()
    if row is None:
        space = by_id(connection, space_id)
        raise ForbiddenMove("code space", str(space.version), space.state, wanted)
    return CodeSpace(*row)


def _find(connection: Connection, *conditions: ColumnElement[bool]) -> CodeSpace | None:
    row = connection.execute(_SELECT.where(*conditions)).first()
    return None if row is None else CodeSpace(*row)


def _found(thing: T | None, kind: str, name: str) -> T:
    if thing is None:
        raise NotFound(kind, name)
    return thing


_OF_COLLECTION = TABLE.c.collection_id == bindparam("collection")
_ACTIVE = _SELECT.where(_OF_COLLECTION, TABLE.c.state == "active")
_RETIRED = _SELECT.where(_OF_COLLECTION, TABLE.c.state == "retired").order_by(TABLE.c.retired_seq.desc()).limit(1)
_ITS_JOB = select(schema.jobs.c.id).where(
    schema.jobs.c.space_id == bindparam("space"), schema.jobs.c.state.in_(schema.UNFINISHED)
)
_FUNCTION = select(FUNCTIONS.c.content).where(FUNCTIONS.c.digest == bindparam("digest"))
_COMPACTED = select(TABLE.c.compacted_seq).where(TABLE.c.id == bindparam("space"))
_NEXT_VERSION = (
    update(COLLECTIONS)
    .where(COLLECTIONS.c.id == bindparam("collection"), COLLECTIONS.c.dropped_at.is_(None))
    .values(last_version=COLLECTIONS.c.last_version + 1)
    .returning(COLLECTIONS.c.last_version)
)
