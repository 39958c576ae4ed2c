"""The routes of an encoder process: the batcher over HTTP, for the hash function of any digest.

`service.web.app.create_encoder_app` adds problem_responses, health and metrics.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.encoding import ENCODED_MEMBERS, MAX_CHARS, MAX_EXPLAINED, MAX_TEXTS, Encoder
from service.errors import InvalidContent, InvalidInput
from service.hashing.codes import MAX_BITS
from service.hashing.content import Content, Contents, Embedding, Image, Text
from service.hashing.contributions import WordContributions
from service.hashing.encoded import Encoded
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.problems import CALLER_LEFT, problem_responses

T = TypeVar("T")


def _contents_field(what: str, most: int) -> Any:
    at_most = f"at most {MAX_CHARS} characters in all, unless it is one"
    return Field(None, max_length=most, description=f"{what}; {at_most}.")


class ContentsRequest(BaseModel):
    """Contents of one kind for the hash function of a digest."""

    model_config = ConfigDict(extra="forbid")

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the hash function, in hexadecimal.")]

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in ENCODED_MEMBERS.values()) != 1:
            raise ValueError(f"must have one of {', '.join(ENCODED_MEMBERS.values())}")
        return self

    @property
    def given(self) -> tuple[str, list[str]]:
        """The member that it has, and what is in it."""
        for name in ENCODED_MEMBERS.values():
            if (found := getattr(self, name)) is not None:
                return name, found
        raise AssertionError("it has one of them")


class EncodeRequest(ContentsRequest):
    """Contents for the hash function of a digest."""

    texts: list[str] | None = _contents_field("Texts, none of them blank", MAX_TEXTS)
    vectors: list[str] | None = _contents_field("Vectors as base64 of little-endian float32", MAX_TEXTS)
    images: list[str] | None = _contents_field("Pictures as base64", MAX_TEXTS)


class ExplainRequest(ContentsRequest):
    """Contents whose words are to be explained by the hash function of a digest; vectors and pictures have none."""

    bits: Annotated[
        list[Annotated[int, Field(ge=0, lt=MAX_BITS)]] | None,
        Field(max_length=MAX_BITS, description="The bits that are asked about, from 0; all if null."),
    ] = None
    texts: list[str] | None = _contents_field("Texts, none of them blank", MAX_EXPLAINED)
    vectors: list[str] | None = _contents_field("Vectors as base64 of little-endian float32", MAX_EXPLAINED)
    images: list[str] | None = _contents_field("Pictures as base64", MAX_EXPLAINED)


class ExplainedText(BaseModel):
    """What the weightiest words of a content do for its code."""

    words: list[str] = Field(description="Of a text; in lower case, as the text first has them; the weightiest first.")
    logits: str = Field(
        description="Base64 of little-endian float32, word by word: what the logit of each bit that was asked about "
        "loses without the word."
    )
    margins: str = Field(
        description="Base64 of little-endian float32: how far the logit of every bit lies above its threshold."
    )


class ExplainResponse(BaseModel):
    """The explanations of the contents, in their order."""

    n_asked: int = Field(description="Bits that were asked about.")
    texts: list[ExplainedText]


class EncodeResponse(BaseModel):
    """The codes of the contents, in their order."""

    n_bits: int = Field(description="Width of each code.")
    codes: str = Field(description="Base64 of n_bits / 8 bytes per content, most significant bit first.")
    n_known: list[int] = Field(description="Distinct known features of each content; one with none was still encoded.")
    confidence: str = Field(description="Base64 of n_bits bytes per content: how sure each bit is, from 0 to 255.")


def encoder_routes(encoder: Encoder, max_texts: int = MAX_TEXTS, max_text_chars: int | None = None) -> APIRouter:
    """The routes `POST /v1/encode`, `POST /v1/explain` and `GET /readyz` of an encoder process.

    Args:
        encoder: does the work.
        max_texts: most contents of one request, `MAX_TEXTS` at most.
        max_text_chars: greatest length of one text; None for any.
    """
    router = APIRouter(route_class=GuardedRoute, responses=problem_responses(400, 401, 413, 415, 422, 429, 503))

    def contents_of(body: ContentsRequest) -> Contents:
        name, given = body.given
        if len(given) > max_texts:
            raise InvalidInput(f"{name} must be at most {max_texts} per request, got {len(given)}")
        check_size(name, given)
        return texts_of(given, max_text_chars) if name == "texts" else [_decoded(name, one) for one in given]

    @router.post("/v1/encode", summary="Encode contents", tags=["encoder"])
    @needs("read")
    async def encode(body: EncodeRequest, request: Request) -> EncodeResponse:
        """Codes of contents; a request leaves the queue when its caller closes the connection."""
        contents = contents_of(body)
        encoded: Encoded = await unless_caller_leaves(request, encoder.encode(body.digest, contents))
        return EncodeResponse(
            n_bits=encoded.codes.shape[1] * 8,
            codes=_base64(encoded.codes),
            n_known=encoded.n_known_features.tolist(),
            confidence=_base64(encoded.confidence),
        )

    @router.post("/v1/explain", summary="Explain codes", tags=["encoder"])
    @needs("read")
    async def explain(body: ExplainRequest, request: Request) -> ExplainResponse:
        """Which words of texts speak for which bits of their codes."""
        contents = contents_of(body)
        explained = await unless_caller_leaves(request, encoder.explain(body.digest, contents, body.bits))
        n_asked = explained[0].logits.shape[1] if explained else len(body.bits or ())
        return ExplainResponse(n_asked=n_asked, texts=[_explained(one) for one in explained])

    @router.get("/readyz", summary="Whether it can encode", tags=["health"], responses={503: {"description": "No."}})
    async def readyz() -> Response:
        """Whether this process can encode, and if not, why."""
        reason = await encoder.health()
        content = {"status": "not ready" if reason else "ready", "checks": {"encoder": reason or "ok"}}
        return JSONResponse(content, 503 if reason else 200)

    return router


def _explained(one: WordContributions) -> ExplainedText:
    return ExplainedText(
        words=list(one.words),
        logits=_base64(one.logits.astype("<f4", copy=False)),
        margins=_base64(one.margins.astype("<f4", copy=False)),
    )


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def check_size(name: str, given: list[str]) -> None:
    """Refuse contents that would hold the event loop for long.

    Raises:
        InvalidInput: they are too long in all.
    """
    n_chars = sum(map(len, given))
    if n_chars > MAX_CHARS and len(given) > 1:
        raise InvalidInput(
            f"{name} must be of at most {MAX_CHARS} characters in all, unless it is one, got {n_chars}: send parts"
        )


def _decoded(name: str, encoded: str) -> Content:
    """A vector or a picture, which an API process has checked before it sent it.

    Raises:
        InvalidContent: it is none.
    """
    try:
        data = base64.b64decode(encoded, validate=True)
        return Image(data) if name == "images" else Embedding(np.frombuffer(data, "<f4"))
    except ValueError as error:
        raise InvalidContent(f"{name} must be base64 of whole ones: {error}") from None


def texts_of(texts: list[str], max_chars: int | None) -> list[Text]:
    """The contents of a list of texts.

    Raises:
        InvalidContent: one cannot be hashed, or is longer than `max_chars`; the error says which.
    """
    contents: list[Text] = []
    for position, text in enumerate(texts):
        if max_chars is not None and len(text) > max_chars:
            raise InvalidContent(f"text must be at most {max_chars} characters long, got {len(text)}", position)
        try:
            contents.append(Text(text))
        except InvalidContent as error:
            raise InvalidContent(error.reason, position) from None
    return contents


async def unless_caller_leaves(request: Request, work: Coroutine[object, object, T]) -> T:
    """The result of `work`, which is cancelled if the caller closes the connection first.

    Raises:
        HTTPException: the caller closed the connection.
    """
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((task, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise HTTPException(CALLER_LEFT, "the caller closed its connection")  # for the log
    finally:
        task.cancel()
        disconnect.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    # The body has been read, so the next message can only be the disconnect.
    while (await request.receive())["type"] != "http.disconnect":
        pass
