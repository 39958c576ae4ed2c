"""`Idempotency-Key`: a call that is sent again gets the first answer again, and does its work once.

An endpoint opts in with `@idempotent`, and hands what `concluded_with` gives to the use-case that writes. A request
without the header pays the look for it. Only answers of calls that did their work are kept: one that was refused wrote
nothing, and runs anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InvalidInput
from service.ingest.idempotency import IdempotentCalls, concluding
from service.store.idempotency import Claim, Conclude, StoredAnswer
from service.threads import run_in_large_thread

T = TypeVar("T")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
_HEADER = HEADER.lower().encode("ascii")
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_STATE = "idempotent_call"
_LARGE_BODY = 1 << 20
OPENAPI_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "The same call with the same key, sent again within 24 hours, is answered as the first time.",
}


@dataclass
class _Running:
    """A call that runs.

    Attributes:
        has_answer: its answer was made in the transaction of its write, which may have failed after that.
        is_done: this transaction was committed.
    """

    claim: Claim
    has_answer: bool = False
    is_done: bool = False


def idempotent(endpoint: Endpoint) -> Endpoint:
    """A decorator of endpoints that answer a repeated call as the first; it stands below that of the route."""
    endpoint.__dict__["idempotent"] = True
    return endpoint


def is_idempotent(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint was marked so."""
    return bool(getattr(endpoint, "idempotent", False))


def concluded_with(request: Request, respond: Callable[[T], Response]) -> Conclude[T] | None:
    """What keeps the answer in the transaction of the write; None for a request without a key.

    Args:
        request: of the call.
        respond: makes the response of the result; called in the transaction, so it reads nothing.
    """
    running: _Running | None = request.scope["state"].get(_STATE)
    if running is None:
        return None

    def answer(result: T) -> StoredAnswer:
        response = respond(result)
        running.has_answer = True
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return StoredAnswer(response.status_code, headers, bytes(response.body))

    return concluding(running.claim, answer)


def answering_once(app: ASGIApp) -> ASGIApp:
    """The app of a route, around which calls with a key are claimed first, and answered from what is kept."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        key = next((value for name, value in scope["headers"] if name == _HEADER), None)
        if key is None:
            await app(scope, receive, send)
            return
        if _KEY.fullmatch(key) is None:
            raise InvalidInput(
                f"{HEADER} must be 1 to 255 printable ASCII characters, got {key[:80].decode('latin-1')!r}"
            )
        request = Request(scope, receive)
        calls: IdempotentCalls = request.app.state.services.idempotency
        body = await request.body()
        claimed = await calls.claim(_caller(request), key.decode("ascii"), await _digest(request, body))
        if isinstance(claimed, StoredAnswer):
            response = Response(claimed.body, claimed.status, {**claimed.headers, REPLAYED: "true"})
            await response(scope, receive, send)
            return
        running = scope["state"][_STATE] = _Running(claimed)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                running.is_done = running.has_answer and message["status"] < 400
            await send(message)

        try:
            await app(scope, _again(body, receive), watched)
        finally:
            if not running.is_done:
                await calls.release(claimed)

    return answer


def _caller(request: Request) -> bytes:
    """What tells callers apart: the key of the service that they sent."""
    return request.headers.get("authorization", "").encode("latin-1")


async def _digest(request: Request, body: bytes) -> bytes:
    """Of all that says what the call does."""
    scope = request.scope
    head = [scope["method"], scope["path"], scope["query_string"].decode("latin-1")]
    head.append(request.headers.get("content-type", ""))
    started = sha256("\n".join(head).encode("utf-8", "surrogateescape") + b"\n\n")
    if len(body) > _LARGE_BODY:
        await run_in_large_thread(started.update, body)
    else:
        started.update(body)
    return started.digest()


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read, and then what comes after it."""
    waiting = [body]

    async def receive_again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_again
