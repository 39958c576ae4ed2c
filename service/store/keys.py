"""Keys of callers: make, list, revoke, find by digest. Their text is in no row, only its digest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from service.errors import NotFound
from service.store import schema
from service.store.schema import now
from service.store.statements import insert

TABLE = schema.api_keys

KeyScope = Literal["read", "write", "admin"]
"""What a key may do: `read`: query and get; `write`: put and delete documents too; `admin`: everything else too, such
as creating and deleting collections, retraining, promoting and rolling back."""
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
"""Each allows what those before it allow."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """How much the caller with a key may ask for; None: as much as the settings say.

    Attributes:
        requests_per_minute: of any kind.
        documents_per_minute: documents and vectors that it may put.
        concurrent_searches: that may run at a time.
    """

    requests_per_minute: int | None = None
    documents_per_minute: int | None = None
    concurrent_searches: int | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be made.

    Attributes:
        name: what people know it by; several may have the same.
        scopes: what it may do; the widest of them counts.
        collections: names of those that it is limited to; None: all.
        expires_at: from when on it is refused; None: never.
    """

    name: str
    scopes: Sequence[KeyScope]
    collections: Sequence[str] | None = None
    expires_at: datetime | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)


@dataclass(frozen=True, slots=True)
class Key(NewKey):
    """A key that was made.

    Attributes:
        id: its number, never given again.
        last_used_at: correct to a minute.
        revoked_at: from when on it is refused.
    """

    id: int = 0
    created_at: datetime = datetime.min
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeysVersion:
    """Differs whenever keys were made or revoked, since no row is ever deleted."""

    n_made: int
    n_revoked: int
    last_made_at: datetime | None
    last_revoked_at: datetime | None


def create(connection: Connection, key: NewKey, digest: bytes) -> Key:
    """A key, new, whose text has that digest."""
    values: Mapping[str, Any] = {
        "digest": digest,
        "name": key.name,
        "scopes": list(key.scopes),
        "collections": None if key.collections is None else list(key.collections),
        **asdict(key.limits),
        "created_at": now(),
        "expires_at": key.expires_at,
    }
    row = connection.execute(insert(connection, TABLE).values(values).returning(*_COLUMNS)).one()
    return _of_row(row)


def get(connection: Connection, id: int) -> Key:
    """The key of that id.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(select(*_COLUMNS).where(TABLE.c.id == id)).first()
    if row is None:
        raise NotFound("key", str(id))
    return _of_row(row)


def page(connection: Connection, after_id: int, limit: int) -> list[Key]:
    """Up to `limit` keys, those that are revoked too, in the order in which they were made."""
    query = select(*_COLUMNS).where(TABLE.c.id > after_id).order_by(TABLE.c.id).limit(limit)
    return [_of_row(row) for row in connection.execute(query)]


def revoke(connection: Connection, id: int) -> Key:
    """The key of that id, from now on refused; to revoke it again changes nothing.

    Raises:
        NotFound: there is none.
    """
    connection.execute(update(TABLE).where(TABLE.c.id == id, TABLE.c.revoked_at.is_(None)).values(revoked_at=now()))
    return get(connection, id)


def version(connection: Connection) -> KeysVersion:
    """What tells whether keys were made or revoked since the last time."""
    made, revoked = TABLE.c.created_at, TABLE.c.revoked_at
    row = connection.execute(select(func.count(), func.count(revoked), func.max(made), func.max(revoked))).one()
    return KeysVersion(*row)


def n_live(connection: Connection) -> int:
    """Number of keys that are neither revoked nor expired."""
    return connection.execute(select(func.count()).where(*_LIVE)).scalar_one()


def live(connection: Connection) -> list[tuple[bytes, Key]]:
    """Each key that is neither revoked nor expired, after its digest."""
    rows = connection.execute(select(TABLE.c.digest, *_COLUMNS).where(*_LIVE))
    return [(row[0], _of_row(row[1:])) for row in rows]


def by_digest(connection: Connection, digest: bytes) -> Key | None:
    """The key whose text has that digest, if it is neither revoked nor expired."""
    row = connection.execute(select(*_COLUMNS).where(TABLE.c.digest == digest, *_LIVE)).first()
    return None if row is None else _of_row(row)


def mark_used(connection: Connection, ids: Collection[int]) -> None:
    """Note that keys were used now."""
    connection.execute(update(TABLE).where(TABLE.c.id.in_(ids)).values(last_used_at=now()))


_LIVE: tuple[ColumnElement[bool], ...] = (
    TABLE.c.revoked_at.is_(None),
    or_(TABLE.c.expires_at.is_(None), TABLE.c.expires_at > now()),
)
_COLUMNS = (
    *(TABLE.c.name, TABLE.c.scopes, TABLE.c.collections, TABLE.c.expires_at),
    *(TABLE.c.requests_per_minute, TABLE.c.documents_per_minute, TABLE.c.concurrent_searches),
    *(TABLE.c.id, TABLE.c.created_at, TABLE.c.last_used_at, TABLE.c.revoked_at),
)


def _of_row(row: Sequence[Any]) -> Key:
    """The key of a row of `_COLUMNS`."""
    name, scopes, collections, expires_at, *rest = row
    of = None if collections is None else tuple(collections)
    return Key(name, tuple(scopes), of, expires_at, KeyLimits(*rest[:3]), *rest[3:])
