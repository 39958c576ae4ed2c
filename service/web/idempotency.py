"""`Idempotency-Key`: a call that is sent again gets the first answer again, and does its work once.

An endpoint opts in with `@idempotent`, and hands what `concluded_with` gives to the use-case that writes. A request
without the header pays the look for it. Only answers of calls that did their work are kept: one that was refused wrote
nothing, and runs anew.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope
from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import InvalidInput, KeyReused
from service.ingest.idempotency import IdempotentCalls, concluding
from service.store.idempotency import Claim, Conclude, StoredAnswer
from service.threads import run_in_large_thread
from service.web.multipart import MULTIPART, without_boundary

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

T = TypeVar("T")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
_HEADER = HEADER.lower().encode("ascii")
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_STATE = "idempotent_call"
_LARGE_BODY = 1 << 20
_RENEWED_EVERY_S = 10.0
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
        claim: the right to it.
        of_body: what was read of a body that is read as it comes; None where the claim knows the body.
        has_answer: its answer was made in the transaction of its write, which may have failed after that.
        is_done: this transaction was committed.
    """

    claim: Claim
    of_body: Hash | None = None
    has_answer: bool = False
    is_done: bool = False

    def digest(self) -> bytes:
        """Of the call with its body, of which all was read."""
        return self.claim.digest + (b"" if self.of_body is None else self.of_body.digest())


def idempotent(endpoint: Endpoint) -> Endpoint:
    """A decorator of endpoints that answer a repeated call as the first; it stands below that of the route."""
    endpoint.__dict__["idempotent"] = "body"
    return endpoint


def idempotent_stream(endpoint: Endpoint) -> Endpoint:
    """The same for an endpoint that reads a body of any length as it comes, all of it before its write ends."""
    endpoint.__dict__["idempotent"] = "stream"
    return endpoint


def is_idempotent(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint was marked so."""
    return hasattr(endpoint, "idempotent")


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
        return StoredAnswer(response.status_code, headers, bytes(response.body), running.digest())

    return concluding(running.claim, answer)


def answering_once(app: ASGIApp, endpoint: Callable[..., Any]) -> ASGIApp:
    """The app of a route, around which calls with a key are claimed first, and answered from what is kept."""
    is_stream = getattr(endpoint, "idempotent", None) == "stream"

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        sent = next((value for name, value in scope["headers"] if name == _HEADER), None)
        if sent is None:
            await app(scope, receive, send)
            return
        key = _read_key(sent)
        request = Request(scope, receive)
        calls: IdempotentCalls = request.app.state.services.idempotency
        of_body = None
        if is_stream:
            of_body, digest = sha256(), sha256(_head(request)).digest()
        else:
            body = await request.body()
            digest, receive = await _digest(request, body), _again(body, receive)
        claimed = await calls.claim(_caller(request), key, digest)
        if isinstance(claimed, StoredAnswer):
            if is_stream and claimed.digest != digest + await _drained(request):
                raise KeyReused(key)
            response = Response(claimed.body, claimed.status, {**claimed.headers, REPLAYED: "true"})
            await response(scope, receive, send)
            return
        running = scope["state"][_STATE] = _Running(claimed, of_body)
        if of_body is not None:
            receive = _watched(of_body, receive, partial(calls.renew, claimed))

        async def send_watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                running.is_done = running.has_answer and message["status"] < 400
            await send(message)

        try:
            await app(scope, receive, send_watched)
        finally:
            if not running.is_done:
                with CancelScope(shield=True):
                    await calls.release(claimed)

    return answer


def _read_key(sent: bytes) -> str:
    if _KEY.fullmatch(sent) is None:
        shown = sent[:80].decode("latin-1")
        raise InvalidInput(f"{HEADER} must be 1 to 255 printable ASCII characters, got {shown!r}")
    return sent.decode("ascii")


def _caller(request: Request) -> bytes:
    """What tells callers apart: the key of the service that they sent."""
    return request.headers.get("authorization", "").encode("latin-1")


def _head(request: Request) -> bytes:
    """All but the body that says what the call does."""
    scope = request.scope
    head = [scope["method"], scope["path"], scope["query_string"].decode("latin-1")]
    head.append(MULTIPART if _is_multipart(request) else request.headers.get("content-type", ""))
    return "\n".join(head).encode("utf-8", "surrogateescape") + b"\n\n"


def _is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith(MULTIPART)


async def _digest(request: Request, body: bytes) -> bytes:
    """Of the call with its body."""

    def compute() -> bytes:
        content = body
        if _is_multipart(request):
            content = without_boundary(request.headers["content-type"], body)
        return sha256(_head(request) + content).digest()

    return await run_in_large_thread(compute) if len(body) > _LARGE_BODY else compute()


async def _drained(request: Request) -> bytes:
    """The digest of a body that is read for that alone."""
    of_body = sha256()
    async for piece in request.stream():
        of_body.update(piece)
    return of_body.digest()


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read, and then what comes after it."""
    waiting = [body]

    async def receive_again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_again


def _watched(of_body: Hash, receive: Receive, renew: Callable[[], Awaitable[None]]) -> Receive:
    """A `receive` that takes the digest of a body as it comes, and renews the claim while it does."""
    renewed_at = monotonic()

    async def receive_watched() -> Message:
        nonlocal renewed_at
        message = await receive()
        if message["type"] == "http.request":
            of_body.update(message.get("body", b""))
            if monotonic() - renewed_at > _RENEWED_EVERY_S:
                renewed_at = monotonic()
                await renew()
        return message

    return receive_watched
