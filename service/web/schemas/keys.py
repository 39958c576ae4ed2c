"""Keys, and the audit of what administrators called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from service.store.keys import SCOPES, KeyLimits, KeyScope, NewKey
from service.web.schemas.collections import COLLECTION_PATTERN, COLLECTION_RULE
from service.web.schemas.pages import NEXT_CURSOR
from service.web.schemas.request_body import RequestBody

KeyId = Annotated[int, Path(ge=1, lt=1 << 63, description="Id of a key.")]
_LONGEST = timedelta(days=36_500)


def _check_expiry(expires_at: datetime) -> datetime:
    if not timedelta(0) < expires_at - datetime.now(UTC) < _LONGEST:
        raise ValueError("must lie in the next 100 years")
    return expires_at


Expiry = Annotated[AwareDatetime, AfterValidator(_check_expiry)]
Limit = Annotated[int, Field(ge=1, le=1_000_000_000)]


class NewKeyBody(RequestBody):
    """A key that is to be made."""

    name: str = Field(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="What people know it by."
    )
    scopes: list[KeyScope] = Field(
        min_length=1,
        max_length=len(SCOPES),
        description="What it may do; `write` includes `read`, and `admin` includes both.",
    )
    collections: Annotated[
        list[Annotated[str, Field(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)]] | None,
        Field(
            min_length=1, max_length=1_000, description="Those that it is for, whether they exist or not; null: all."
        ),
    ] = None
    expires_at: Expiry | None = Field(None, description="From when on it is refused; null: never.")
    requests_per_minute: Limit | None = Field(None, description="Null: NEARBIT_KEY_REQUESTS_PER_MINUTE.")
    documents_per_minute: Limit | None = Field(None, description="Null: NEARBIT_KEY_DOCUMENTS_PER_MINUTE.")
    concurrent_searches: Limit | None = Field(None, description="Null: NEARBIT_KEY_CONCURRENT_SEARCHES.")

    def new_key(self) -> NewKey:
        """The key that is asked for."""
        limits = KeyLimits(self.requests_per_minute, self.documents_per_minute, self.concurrent_searches)
        scopes = [scope for scope in SCOPES if scope in self.scopes]
        collections = None if self.collections is None else sorted(set(self.collections))
        return NewKey(self.name, scopes, collections, self.expires_at, limits)


class Key(BaseModel):
    """A key, without its text."""

    id: int
    name: str
    scopes: list[KeyScope]
    collections: list[str] | None = Field(description="Those that it is for; null: all.")
    expires_at: datetime | None
    requests_per_minute: int | None
    documents_per_minute: int | None
    concurrent_searches: int | None
    created_at: datetime
    last_used_at: datetime | None = Field(description="Correct to a minute.")
    revoked_at: datetime | None = Field(description="From when on it is refused.")


class MadeKey(Key):
    """A key that was just made."""

    key: str = Field(description="What requests send as `Authorization: Bearer KEY`. It is not to be had again.")


class KeyPage(BaseModel):
    """Keys in the order in which they were made."""

    items: list[Key]
    next_cursor: str | None = Field(description=NEXT_CURSOR)


class AuditedCall(BaseModel):
    """A call of a route for administrators."""

    at: datetime
    key_id: int | None = Field(description="Null for a key of the settings, and where no key was needed.")
    key_name: str | None = Field(description="Name of the key, or of its setting.")
    address: str | None
    method: str
    route: str = Field(description="The path with the names of its parameters.")
    path: str
    collection: str | None
    status: int
    request_id: str


class AuditPage(BaseModel):
    """Calls of administrators, the last one first."""

    items: list[AuditedCall]
    next_cursor: str | None = Field(description=NEXT_CURSOR)
