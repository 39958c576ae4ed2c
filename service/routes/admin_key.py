"""The admin key: who may change what collections and code spaces there are."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.errors import Unauthorized
from service.routes.parts import parts_of

_bearer = HTTPBearer(auto_error=False, scheme_name="admin key", description="The installation's NEARBIT_ADMIN_KEY.")


async def require_admin_key(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Let a request pass that carries the admin key, or any if none is configured.

    Raises:
        Unauthorized: the key is missing or wrong.
    """
    key = parts_of(request).settings.admin_key
    if key is None:
        return
    given = (credentials.credentials if credentials else "").encode("latin-1")  # the bytes that were sent
    if not compare_digest(given, key.get_secret_value().encode("utf-8")):
        raise Unauthorized("this call needs the header `Authorization: Bearer ADMIN_KEY`")
