# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.
"""Calls to one service over HTTP, sent again where that is safe."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2

from nearbit.addresses import explaining_proxies, http_options
from nearbit.batches import to_json
from nearbit.errors import InvalidInput, NearbitError, NoConnection, error_of
from nearbit.retries import Retries

_JSON = {"Content-Type": "application/json"}


class Reply(NamedTuple):
    """The status of a response, and its body from JSON; None if it has none."""

    status: int
    body: Any


class Connection:
    """Calls a service, and turns its problems into exceptions.

    Args:
        url: where the service listens, without `/v1`.
        key: sent with every call, if the service needs one.
        timeout_s: how long to wait for a response, or for its next bytes.
        patience_s: how long after its beginning a call may be sent again.
        transport: how requests travel, in place of HTTP.

    Raises:
        InvalidInput: a header cannot hold the key, or the URL is none.
        ConfigurationError: the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        timeout_s: float,
        patience_s: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._patience_s = patience_s
        self._url = url
        with explaining_proxies(url):
            self._http = httpx2.Client(**http_options(url, key, timeout_s), transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def read(self, path: str, parameters: Mapping[str, object] | None = None) -> Any:
        """The body of the response to a GET."""
        return (self._send("GET", path, parameters=parameters)).body

    def ask(self, path: str, body: object) -> Any:
        """The body of the response to a POST that only reads, or writes the same when it is repeated."""
        return (self._send("POST", path, content=to_json(body), headers=_JSON)).body

    def write(self, path: str, body: object = None, parameters: Mapping[str, object] | None = None) -> Reply:
        """The response to a POST that does its work once, however often it is sent: it bears an `Idempotency-Key`."""
        content = body if isinstance(body, bytes) else to_json({} if body is None else body)
        headers = _JSON | {"Idempotency-Key": uuid4().hex}
        return self._send("POST", path, parameters=parameters, content=content, headers=headers)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, object] | None = None,
        *,
        is_repeatable: bool = False,
    ) -> Reply:
        """The response to any other call; it is sent again after a failure that came late if it `is_repeatable`."""
        content = None if body is None else to_json(body)
        headers = None if body is None else _JSON
        return self._send(
            method, path, parameters=parameters, content=content, headers=headers, is_repeatable=is_repeatable
        )

    def upload(self, path: str, pieces: Iterator[bytes]) -> Any:
        """The body of the response to a POST of lines of JSON that are made while they are sent; it is sent once.

        Raises:
            NearbitError: the service refused it, or did not respond.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            response = self._http.post(path, content=pieces, headers=headers)
        except httpx2.TransportError as error:
            raise self._no_connection(error) from error
        return _reply_of(response).body

    @contextmanager
    def stream(self, path: str, parameters: Mapping[str, object]) -> Iterator[Iterator[str]]:
        """The lines of a response while they come.

        Raises:
            NearbitError: the service refused the call, or the connection broke before the last line.
        """
        try:
            with self._http.stream("GET", path, params=_parameters(parameters)) as response:
                if not response.is_success:
                    response.read()
                    _reply_of(response)
                yield response.iter_lines()
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise self._no_connection(error) from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, object] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = True,
    ) -> Reply:
        request = self._request(method, path, _parameters(parameters or {}), content, headers)
        retries = Retries(self._patience_s, is_repeatable, monotonic())
        while True:
            try:
                response = self._http.send(request)
            except httpx2.DecodingError as error:
                raise NearbitError(f"{self._url} sent a response that cannot be read: {error}") from error
            except httpx2.TransportError as error:
                if (pause_s := retries.after_error(error, monotonic())) is None:
                    raise self._no_connection(error) from error
            else:
                if response.is_success or (pause_s := retries.after_response(response, monotonic())) is None:
                    return _reply_of(response)
            time.sleep(pause_s)

    def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any],
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx2.Request:
        try:
            return self._http.build_request(method, path, params=parameters, content=content, headers=headers)
        except UnicodeEncodeError:
            raise InvalidInput("what is sent must be valid Unicode, got a lone surrogate") from None
        except httpx2.InvalidURL as error:
            raise InvalidInput(f"this cannot be sent to {self._url}: {error}") from None

    def _no_connection(self, error: httpx2.RequestError) -> NearbitError:
        return NoConnection(f"no answer from {self._url}: {error or type(error).__name__}")


def _parameters(parameters: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _reply_of(response: httpx2.Response) -> Reply:
    is_json = True
    try:
        body = response.json() if response.content else None
    except ValueError:
        body, is_json = None, False
    if not response.is_success:
        raise error_of(response.status_code, body)
    if not is_json:
        raise NearbitError(f"{response.url} answered with something else than JSON: {response.text[:200]}")
    return Reply(response.status_code, body)
