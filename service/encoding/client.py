"""The same call as the batcher's, answered by an encoder process over HTTP."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import httpx2
import numpy as np
from numpy.typing import NDArray

from service import tracing
from service.config import Settings
from service.encoding import ENCODED_MEMBERS, MAX_CHARS, MAX_EXPLAINED, MAX_TEXTS
from service.errors import CorruptArtifact, EncoderUnavailable, InvalidContent, NearbitError, NotFound, QueueFull
from service.hashing.content import Content, Contents, Embedding, Image, Text, of_kind
from service.hashing.contributions import WordContributions
from service.hashing.encoded import Encoded

T = TypeVar("T")
_Read = Callable[[Mapping[str, Any], int], list[T]]
"""Reads the answer about so many texts."""

KEEPALIVE_S = 30.0
"""Idle connections are closed by this side first: an encoder process keeps them for 60 s, none ends under a request."""

_PART_BYTES = MAX_CHARS // 2
"""Most bytes of JSON in a request of more than one content. Half of what is allowed, as writing and reading it holds
the event loop of either side."""

HEALTH_TIMEOUT_S = 2.0
"""Longest wait for an answer about health: the probe of this process does not wait long either."""


class EncoderClient:
    """Asks an encoder process for codes, over connections that are kept; many contents in parts, one after another.

    Args:
        url: where the encoder process listens, such as http://127.0.0.1:8001.
        timeout_s: longest wait for an answer, connecting included.
        transport: how requests travel; tests pass an in-process one.
        key: the API key that the encoder process asks for, if it asks for one.
        max_texts: most contents that it takes in one request, `MAX_TEXTS` at most.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        transport: httpx2.AsyncBaseTransport | None = None,
        *,
        key: str | None = None,
        max_texts: int = MAX_TEXTS,
    ) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self.max_texts = min(max_texts, MAX_TEXTS)
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={b"Authorization": b"Bearer " + key.encode("utf-8")} if key else None,
            timeout=timeout_s,
            limits=httpx2.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=KEEPALIVE_S),
            transport=transport,
            trust_env=False,  # a proxy of the environment is meant for the world outside, not for our own processes
        )

    @classmethod
    def of(cls, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> EncoderClient:
        """A client of the encoder process that the settings name, with the key and the limits that both have."""
        assert settings.encoder_url is not None
        secret = settings.encoder_key or settings.admin_key
        key = None if secret is None else secret.get_secret_value()
        return cls(settings.encoder_url, settings.encoder_timeout_s, transport, key=key, max_texts=settings.max_batch)

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        """Codes of contents by the hash function of that digest.

        Raises:
            QueueFull: the encoder process answered 503.
            EncoderUnavailable: it does not answer, not in time, or not what was agreed.
            CorruptArtifact, NotFound, InvalidContent: as the encoder process refused.
        """
        with tracing.span("encode"):
            found = await self._in_parts(
                "/v1/encode", {"digest": digest}, contents, self.max_texts, lambda answer, n: [_encoded(answer, n)]
            )
        return found[0] if len(found) == 1 else Encoded.joined(found)

    def encode_at_once(self, digest: str, contents: Contents) -> Encoded | None:
        """None: the encoder process is always waited for."""
        return None

    async def explain(
        self, digest: str, contents: Contents, bits: Sequence[int] | None = None
    ) -> list[WordContributions]:
        """What the words of contents do for some bits of their codes, or for all.

        Raises:
            EncoderUnavailable: as `encode`, or there is no such bit.
            QueueFull, CorruptArtifact, NotFound, InvalidContent: as `encode`.
        """
        members = {"digest": digest, "bits": None if bits is None else list(bits)}
        most = min(MAX_EXPLAINED, self.max_texts)
        return await self._in_parts("/v1/explain", members, contents, most, _explained)

    async def _in_parts(
        self, path: str, members: Mapping[str, Any], contents: Contents, max_texts: int, read: _Read[T]
    ) -> list[T]:
        """What is read of the answers about all contents, in their order."""
        found: list[T] = []
        n_sent = 0
        kind = cast("type[Text]", type(contents[0])) if contents else Text
        of_kind(contents, kind)
        name = ENCODED_MEMBERS[kind]
        for part in _parts(contents, max_texts):
            try:
                found += await self._post(path, members, name, part, read)
            except InvalidContent as error:
                position = None if error.position is None else error.position + n_sent
                raise InvalidContent(error.reason, position) from None
            n_sent += len(part)
        return found

    async def _post(
        self, path: str, members: Mapping[str, Any], name: str, part: Sequence[bytes], read: _Read[T]
    ) -> list[T]:
        """Send one part, in halves where it is too large; return what is read of the answers."""
        body = b'%s,"%s":[%s]}' % (_json(members)[:-1], name.encode(), b",".join(part))
        try:
            headers = {"content-type": "application/json", **tracing.headers()}
            response = await self._client.post(path, content=body, headers=headers)
        except httpx2.TimeoutException:
            raise EncoderUnavailable(f"encoder {self.url} did not answer within {self.timeout_s:g} s") from None
        except httpx2.HTTPError as error:
            raise EncoderUnavailable(f"encoder {self.url} does not answer: {error!r}") from error
        if response.status_code == 413 and len(part) > 1:  # it, or a proxy before it, takes less than this side sends
            half = len(part) // 2
            first = await self._post(path, members, name, part[:half], read)
            return first + await self._post(path, members, name, part[half:], read)
        try:
            content = response.json()
            if response.status_code == 200:
                return read(content, len(part))
            raise self._refusal(response.status_code, content)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise EncoderUnavailable(
                f"encoder {self.url} answered {response.status_code} with something else than agreed: {error!r}"
            ) from error

    async def health(self) -> str | None:
        """Why the encoder process cannot encode now: what it says, or that it does not answer; None if it can."""
        timeout_s = min(HEALTH_TIMEOUT_S, self.timeout_s)
        try:
            response = await self._client.get("/readyz", timeout=timeout_s)
            if response.status_code == 200:
                return None
            return f"encoder {self.url}: {response.json()['checks']['encoder']}"
        except httpx2.TimeoutException:
            return f"encoder {self.url} did not answer within {timeout_s:g} s"
        except httpx2.HTTPError as error:
            return f"encoder {self.url} does not answer: {error!r}"
        except (ValueError, KeyError, TypeError):
            return f"encoder {self.url} answered {response.status_code}"

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._client.aclose()

    def _refusal(self, status: int, problem: Mapping[str, Any]) -> NearbitError:
        match str(problem["type"]).rpartition(":")[2]:
            case "queue-full":
                return QueueFull(str(problem["detail"]))
            case "corrupt-artifact":
                return CorruptArtifact(str(problem["name"]), str(problem["reason"]))
            case "not-found":
                return NotFound(str(problem["kind"]), str(problem["name"]))
            case "invalid-content":
                return InvalidContent(str(problem["reason"]), problem["position"])
            case _:
                return EncoderUnavailable(f"encoder {self.url} answered {status}: {problem.get('detail', problem)}")


def _parts(contents: Contents, max_texts: int) -> Iterator[list[bytes]]:
    """Contents of one kind as JSON, in parts that an encoder process takes in one request; no contents are one part."""
    part: list[bytes] = []
    n_bytes = 0
    for content in contents:
        written = _written(content)
        if part and (len(part) == max_texts or n_bytes + len(written) > _PART_BYTES):
            yield part
            part, n_bytes = [], 0
        part.append(written)
        n_bytes += len(written)
    if part or not contents:
        yield part


def _written(content: Content) -> bytes:
    match content:
        case Text():
            return _json(content.whole)
        case Image(data):
            return b'"%s"' % base64.b64encode(data)
        case Embedding(vector=vector):
            return b'"%s"' % base64.b64encode(vector.astype("<f4", copy=False).tobytes())


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def _encoded(answer: Mapping[str, Any], n: int) -> Encoded:
    n_known_features, n_bits = np.array(answer["n_known"], dtype=np.int64), int(answer["n_bits"])
    if n_known_features.shape != (n,):
        raise ValueError(f"asked for {n} codes, got {n_known_features.shape}")
    codes = _bytes(answer["codes"]).reshape(n, n_bits // 8)
    return Encoded(codes, n_known_features, _bytes(answer["confidence"]).reshape(n, n_bits))


def _explained(answer: Mapping[str, Any], n: int) -> list[WordContributions]:
    if len(answer["texts"]) != n:
        raise ValueError(f"asked about {n} texts, got {len(answer['texts'])}")
    found = []
    for one in answer["texts"]:
        words = tuple(map(str, one["words"]))
        logits = _bytes(one["logits"]).view("<f4").reshape(len(words), int(answer["n_asked"]))
        found.append(WordContributions(words, logits, _bytes(one["margins"]).view("<f4")))
    return found


def _bytes(encoded: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(encoded, validate=True), np.uint8)
