"""The client with which the command line imports into a running service, and exports from it.

It sees the status of each call and sends a batch again in other parts; all else goes by `nearbit.Client`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx2

import nearbit
from nearbit._sync.connection import Connection
from nearbit.addresses import explaining_proxies, http_options
from service.cli.options import KEY_HINT
from service.errors import Conflict, InvalidInput, NearbitError, Unauthorized, Unavailable

PATIENCE_S = 120.0
"""How long a command that is under way waits for a service that is unavailable, for example because it restarts."""
_PAUSE_S = (0.1, 2.0)
_TIMEOUT_S = 120.0
_LONGEST_PAUSE_S = 30.0
_BUSY = frozenset({408, 429, 502, 503, 504})
_RETRIED = _BUSY | {409}
"""Statuses after which a put is sent again; 409: the active space changed meanwhile."""
_ERRORS: Mapping[int, type[NearbitError]] = {
    401: Unauthorized,
    403: Unauthorized,
    409: Conflict,
    422: InvalidInput,
    503: Unavailable,
}


class CallResult(NamedTuple):
    """The outcome of a call.

    Attributes:
        response: of the last attempt.
        repeated: an earlier attempt may have done its work although its response was lost.
    """

    response: httpx2.Response
    repeated: bool


class Client:
    """Calls a service over HTTP.

    Attributes:
        service: the client of the same service for what is no import; it waits for one that restarts.

    Args:
        url: where the service listens, without /v1.
        key: sent with every call, if the service needs one.
        transport: how requests travel; tests pass an in-process one.

    Raises:
        nearbit.InvalidInput: the URL is not valid, or a header cannot hold the key.
        nearbit.ConfigurationError: the environment names a proxy that cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, transport: httpx2.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self.has_key = bool(key)
        self._http = _open_http(self.url, key, transport)
        self.service = nearbit.Client(Connection(self.url, key, _TIMEOUT_S, PATIENCE_S, transport))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self.service.close()

    @staticmethod
    def _path_of(collection: str) -> str:
        return f"/collections/{quote(collection, safe='', errors='replace')}"

    def ready(self) -> bool:
        """Whether the service listens and is ready to work."""
        try:
            return self._http.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx2.HTTPError:
            return False

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, object] | None = None,
        *,
        patience_s: float = 0.0,
    ) -> dict[str, Any]:
        """The JSON object that the service responds with to a call under /v1.

        Args:
            method: of HTTP.
            path: under /v1.
            body: sent as JSON.
            parameters: of the query.
            patience_s: how long to try again if the service does not respond.

        Raises:
            Unavailable: no service listens there, or it stays unavailable.
            NearbitError: the service refuses the call; the message is the service's.
        """
        content = None if body is None else to_json_bytes(body)
        response = self.send(method, path, content, parameters, patience_s=patience_s).response
        if not response.is_success:
            raise self.refusal(response)
        return self.read(response) if response.content else {}

    def read(self, response: httpx2.Response) -> dict[str, Any]:
        """The JSON object of a response.

        Raises:
            NearbitError: it is not a JSON object, so something other than nearbit responded.
        """
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise NearbitError(f"{self.url} answered with something else than JSON: {response.text[:200]}")
        return content

    def send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        parameters: Mapping[str, object] | None = None,
        *,
        media_type: str = "application/json",
        patience_s: float = 0.0,
        on_wait: Callable[[str], None] = lambda reason: None,
        retry_on: frozenset[int] = frozenset({503}),
    ) -> CallResult:
        """The response to a call under /v1, whatever its status; the call is repeated for a while if that may help.

        Args:
            method: of HTTP.
            path: under /v1.
            content: the body.
            parameters: of the query.
            media_type: of the body.
            patience_s: how long to try again after a connection that failed.
            on_wait: called before each wait, with the reason.
            retry_on: statuses after which the call is repeated, for `PATIENCE_S`.

        Raises:
            Unavailable: no response for that long.
            InvalidInput: the call cannot be sent.
        """
        began, pause_s, repeated = time.monotonic(), _PAUSE_S[0], False
        while True:
            waited_s = time.monotonic() - began
            try:
                response = self._try(method, path, content, media_type, parameters or {})
            except httpx2.TransportError as error:
                repeated |= not isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))
                if waited_s >= patience_s:
                    raise Unavailable(f"no answer from {self.url}: {_reason(error)}") from error
                on_wait(f"no answer from {self.url}")
                time.sleep(pause_s)
            else:
                if response.status_code not in retry_on or waited_s >= PATIENCE_S:
                    return CallResult(response, repeated)
                repeated |= response.status_code in (502, 504)  # sent by a gateway: the service may still do the work
                on_wait(f"{self.url} answered {response.status_code}")
                time.sleep(_retry_after(response, pause_s))
            pause_s = min(2 * pause_s, _PAUSE_S[1])

    def _try(
        self, method: str, path: str, content: bytes | None, media_type: str, parameters: Mapping[str, object]
    ) -> httpx2.Response:
        headers = {} if content is None else {"Content-Type": media_type}
        try:
            return self._http.request(method, path, content=content, params=dict(parameters), headers=headers)  # type: ignore[arg-type]
        except UnicodeEncodeError:
            raise InvalidInput("what is sent must be valid Unicode, got a lone surrogate") from None
        except httpx2.InvalidURL as error:
            raise InvalidInput(f"this cannot be sent to {self.url}: {error}") from None
        except httpx2.DecodingError as error:
            raise NearbitError(f"{self.url} sent a response that cannot be read: {error}") from error

    def refusal(self, response: httpx2.Response) -> NearbitError:
        """The error that a response stands for, with the message of the service."""
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = response.text[:200]
        message = f"{self.url} answered {response.status_code}: {detail}"
        if response.status_code == 401 and not self.has_key:
            message += KEY_HINT
        return _ERRORS.get(response.status_code, NearbitError)(message)

    def create(self, collection: str, **settings: object) -> dict[str, Any]:
        """Create a collection, or find it as it is.

        Args:
            collection: its name.
            settings: as the API names them; those that are None are the service's defaults.

        Raises:
            Conflict: it exists with others.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        return self.call("PUT", self._path_of(collection), given)

    def create_or_keep(
        self,
        collection: str,
        n_bits: int | None = None,
        kind: str | None = None,
        dims: int | None = None,
        if_new: Mapping[str, object] | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """The collection of that name, and whether it is new; one that exists keeps its settings.

        Args:
            collection: its name.
            n_bits: the width that its codes must have; None for that of an existing one, or the service's default.
            kind: what its documents must be; None for whatever an existing one has, or texts.
            dims: entries that its vectors must have; None for whatever an existing one has.
            if_new: further settings of a new one, and those that are not given.

        Raises:
            Conflict: it exists with others than that.
        """
        response = self.send("GET", self._path_of(collection)).response
        if response.status_code == 404:
            given = {"n_bits": n_bits, "kind": kind, "dims": dims}
            asked = {name: value for name, value in given.items() if value is not None}
            created = self.create(collection, **{**(if_new or {}), **asked})
            return {**created, "n_documents": 0}, True
        if not response.is_success:
            raise self.refusal(response)
        existing = self.read(response)
        if n_bits is not None and existing["n_bits"] != n_bits:
            raise Conflict(
                f"collection '{collection}' exists with {existing['n_bits']}-bit codes, --n-bits asked for {n_bits}: "
                "leave it out to keep them, or name another collection"
            )
        if kind is not None and existing["kind"] != kind:
            raise Conflict(f"collection '{collection}' exists with kind {existing['kind']}, these are of kind {kind}")
        if dims is not None and existing.get("dims") != dims:
            raise Conflict(
                f"collection '{collection}' exists with vectors of {existing.get('dims')} numbers, these have {dims}"
            )
        return existing, False

    def collection(self, collection: str, patience_s: float = 0.0) -> dict[str, Any]:
        """The collection of that name, with the number of its documents and its active code space."""
        return self.call("GET", self._path_of(collection), patience_s=patience_s)

    def export(self, collection: str, *, codes: bool = False) -> Iterator[bytes]:
        """Every document of a collection at one moment, each as a line of JSON without its line end.

        Args:
            collection: its name.
            codes: add the code of each document in the active space.

        Raises:
            NearbitError: the service refuses the call, or its answer broke off, so what came is not whole.
        """
        path = f"{self._path_of(collection)}/export"
        try:
            with self._http.stream("GET", path, params={"codes": "1"} if codes else {}) as response:
                if not response.is_success:
                    response.read()
                    raise self.refusal(response)
                yield from _lines_of(response.iter_bytes())
        except httpx2.ConnectError as error:
            raise Unavailable(f"no answer from {self.url}: {_reason(error)}") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Unavailable(f"the answer of {self.url} broke off, so it is not whole: {_reason(error)}") from error

    def put_documents(
        self,
        collection: str,
        body: bytes,
        media_type: str = "application/json",
        on_wait: Callable[[str], None] = lambda reason: None,
    ) -> CallResult:
        """Put documents, and return the response, whatever it is; waits for a service that is unavailable."""
        path = self._path_of(collection) + "/documents"
        return self.send(
            "POST", path, body, media_type=media_type, patience_s=PATIENCE_S, on_wait=on_wait, retry_on=_RETRIED
        )

    def put_vectors(
        self, collection: str, body: bytes, on_wait: Callable[[str], None] = lambda reason: None
    ) -> CallResult:
        """Put vectors of an embedding model to documents; as `put_documents`."""
        path = self._path_of(collection) + "/vectors"
        return self.send("POST", path, body, patience_s=PATIENCE_S, on_wait=on_wait, retry_on=_RETRIED)

    def models(self, collection: str) -> list[str]:
        """The names of the embedding models of a collection, oldest first; none where it has no vectors."""
        items = self.call("GET", self._path_of(collection) + "/models")["items"]
        return [item["name"] for item in items]

    def send_import(self, collection: str, lines: Iterator[bytes]) -> httpx2.Response:
        """The response to lines of JSON that are to be imported by a job, whatever it is.

        Args:
            collection: its name.
            lines: in pieces of any length; they are made while they are sent.

        Raises:
            Unavailable: the service does not respond, or only that it is busy: nothing of them was kept.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            response = self._http.post(f"{self._path_of(collection)}/import", content=lines, headers=headers)
        except httpx2.TransportError as error:
            raise Unavailable(f"no answer from {self.url}: {_reason(error)}") from error
        if response.status_code in _BUSY:
            raise Unavailable(f"{self.url} answered {response.status_code}")
        return response

    def import_errors(self, job: str) -> Iterator[dict[str, Any]]:
        """The lines that the job of an import refused, in their order; of very many the first."""
        response = self.send("GET", f"/jobs/{job}/errors", patience_s=PATIENCE_S).response
        if not response.is_success:
            raise self.refusal(response)
        yield from map(json.loads, response.content.splitlines())


def _lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a body that ends each with a newline."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def to_json_bytes(body: object) -> bytes:
    """A value as JSON in UTF-8.

    Raises:
        InvalidInput: JSON or UTF-8 cannot represent it.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("must be valid Unicode, got a lone surrogate") from None
    except ValueError:
        raise InvalidInput("must not hold NaN or infinities, JSON has no such numbers") from None
    except RecursionError:
        raise InvalidInput("is nested too deeply") from None


def _open_http(url: str, key: str | None, transport: httpx2.BaseTransport | None) -> httpx2.Client:
    with explaining_proxies(url):
        return httpx2.Client(**http_options(url, key, _TIMEOUT_S), transport=transport)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _retry_after(response: httpx2.Response, otherwise_s: float) -> float:
    try:
        return min(max(float(response.headers["Retry-After"]), 0.0), _LONGEST_PAUSE_S)
    except (KeyError, ValueError):
        return otherwise_s
