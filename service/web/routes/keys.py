"""Keys: make, list, revoke; and the audit of what administrators called."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from service.store.keys import Key as StoredKey
from service.web.auth import access_of, needs
from service.web.cursor import from_cursor, to_cursor
from service.web.guarded_route import GuardedRoute
from service.web.problems import problem_responses
from service.web.schemas.keys import AuditedCall, AuditPage, Key, KeyId, KeyPage, MadeKey, NewKeyBody
from service.web.schemas.pages import Cursor, Limit

router = APIRouter(
    prefix="/v1",
    route_class=GuardedRoute,
    tags=["keys"],
    responses=problem_responses(401, 403, 413, 414, 415, 421, 422, 429, 503),
)
_END = (1 << 63) - 1


@router.post("/keys", summary="Make a key", status_code=201, responses=problem_responses(400, 409))
@needs("admin")
async def make_key(request: Request, response: Response, body: NewKeyBody) -> MadeKey:
    """The key is in this answer only; of it, the service keeps a digest. Where no key was needed before, every call
    needs one from now on."""
    key, text = await access_of(request).make_key(body.new_key())
    response.headers["Cache-Control"] = "no-store"
    return MadeKey(**_members(key), key=text)


@router.get("/keys", summary="List keys")
@needs("admin")
async def list_keys(request: Request, limit: Limit = 100, cursor: Cursor = None) -> KeyPage:
    """Keys in the order in which they were made, also those that are revoked or have expired."""
    found = await access_of(request).keys(from_cursor(cursor, 0), limit + 1)
    next_cursor = to_cursor(found[limit - 1].id) if len(found) > limit else None
    return KeyPage(items=[Key(**_members(key)) for key in found[:limit]], next_cursor=next_cursor)


@router.delete("/keys/{key}", summary="Revoke a key", responses=problem_responses(404))
@needs("admin")
async def revoke_key(request: Request, key: KeyId) -> Key:
    """The key is refused from now on: by other processes within a second. To revoke it again changes nothing."""
    return Key(**_members(await access_of(request).revoke_key(key)))


@router.get("/audit", summary="List what administrators called")
@needs("admin")
async def list_audit(request: Request, limit: Limit = 100, cursor: Cursor = None) -> AuditPage:
    """Calls of routes that need the scope `admin`, refused ones too, the last one first; kept for NEARBIT_AUDIT_DAYS.
    Calls that other processes answered appear within a second."""
    found = await access_of(request).audit(from_cursor(cursor, _END), limit + 1)
    next_cursor = to_cursor(found[limit - 1][0]) if len(found) > limit else None
    items = [AuditedCall.model_validate(call, from_attributes=True) for _, call in found[:limit]]
    return AuditPage(items=items, next_cursor=next_cursor)


def _members(key: StoredKey) -> dict[str, object]:
    """The members of a key as it travels."""
    return {name: value for name, value in asdict(key).items() if name != "limits"} | asdict(key.limits)
