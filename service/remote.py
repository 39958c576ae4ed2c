"""A running service, as the command line talks to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from service.errors import Conflict, InvalidInput, NearbitError, Unauthorized, Unavailable

BATCH = 1_000
_ATTEMPTS = 60
_ERRORS: Mapping[int, type[NearbitError]] = {401: Unauthorized, 409: Conflict, 422: InvalidInput, 503: Unavailable}


class Remote:
    """A service over HTTP; 503 answers are asked again after the wait they name.

    Args:
        url: where the service listens, without /v1.
        admin_key: for calls that need one.
        transport: how requests travel; tests pass an in-process one.
    """

    def __init__(self, url: str, admin_key: str | None = None, transport: httpx2.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {admin_key}"} if admin_key else {}
        self.url = url.rstrip("/")
        self._http = httpx2.Client(base_url=f"{self.url}/v1", headers=headers, timeout=120, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @staticmethod
    def _of(collection: str) -> str:
        return f"/collections/{quote(collection, safe='')}"

    def call(self, method: str, path: str, body: object = None, **parameters: object) -> dict[str, Any]:
        """What the service answers to a call under /v1.

        Raises:
            Unavailable: nobody listens, or the service stays unavailable.
            NearbitError: the service refuses; the message is its own.
        """
        for attempt in range(_ATTEMPTS):
            try:
                response = self._http.request(method, path, json=body, params=dict(parameters))  # type: ignore[arg-type]
            except httpx2.HTTPError as error:
                raise Unavailable(f"no answer from {self.url}: {error}") from error
            if response.status_code != 503 or attempt == _ATTEMPTS - 1:
                break
            time.sleep(float(response.headers.get("Retry-After", 1)))
        if response.is_success:
            answer: dict[str, Any] = response.json() if response.content else {}
            return answer
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = response.text[:200]
        kind = _ERRORS.get(response.status_code, NearbitError)
        raise kind(f"{self.url} answered {response.status_code}: {detail}")

    def create(self, collection: str, n_bits: int | None = None) -> dict[str, Any]:
        """The collection of that name, new or as it was.

        Raises:
            Conflict: it exists with another width of codes.
        """
        return self.call("PUT", self._of(collection), {"n_bits": n_bits} if n_bits else {})

    def collection(self, collection: str) -> dict[str, Any]:
        """The collection of that name, with the number of its documents and the space that answers."""
        return self.call("GET", self._of(collection))

    def spaces(self, collection: str) -> list[dict[str, Any]]:
        """The code spaces of a collection, newest first."""
        found: list[dict[str, Any]] = self.call("GET", self._of(collection) + "/spaces")["items"]
        return found

    def documents(self, collection: str) -> Iterator[dict[str, Any]]:
        """Every document of a collection, in the order of arrival."""
        parameters: dict[str, object] = {"limit": BATCH}
        while True:
            page = self.call("GET", self._of(collection) + "/documents", **parameters)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            parameters["cursor"] = page["next_cursor"]

    def put_documents(self, collection: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
        """What became of up to `BATCH` documents."""
        return self.call("POST", self._of(collection) + "/documents", {"documents": documents})

    def similar(self, collection: str, q: str, k: int, rerank: str | None = None) -> dict[str, Any]:
        """The nearest documents to a text; with `rerank="features"` in the order of their features."""
        chosen = {} if rerank is None else {"rerank": rerank}
        return self.call("GET", self._of(collection) + "/similar", q=q, k=k, **chosen)

    def retrain(self, collection: str, **options: object) -> dict[str, Any]:
        """The job that was queued."""
        return self.call("POST", self._of(collection) + "/retrain", options)

    def watch(self, job: dict[str, Any], every_s: float = 0.25) -> Iterator[dict[str, Any]]:
        """The job again and again, until it is finished."""
        while True:
            yield job
            if job["state"] not in ("queued", "running"):
                return
            time.sleep(every_s)
            job = self.call("GET", f"/jobs/{job['id']}")


def read_batches(path: Path) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Batches of documents of a JSONL file, each with the bytes read so far.

    Raises:
        InvalidInput: a line is no JSON object; the message says which.
    """
    batch: list[dict[str, Any]] = []
    n_bytes = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            n_bytes += len(line)
            if not line.strip():
                continue
            batch.append(_document(path, number, line))
            if len(batch) == BATCH:
                yield batch, n_bytes
                batch = []
    if batch:
        yield batch, n_bytes


def _document(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"{path}:{number} must be JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"{path}:{number} must be a JSON object, got {type(document).__name__}")
    return document
