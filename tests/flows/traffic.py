"""Queries without a pause from many threads against several API processes, and what came back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.flows.processes import Api


class Traffic:
    """Asks every API process in turn until the block ends; collects faults, and which versions answered.

    A fault is an answer other than 200, an answer without matches, a match that does not fit the answer's space, or no
    answer at all. With fresh connections, none is kept that the service may close between two requests.
    """

    def __init__(
        self,
        apis: Sequence[Api],
        collection: str,
        texts: Sequence[str],
        *,
        allowed: tuple[int, ...] = (200,),
        fresh_connections: bool = False,
    ):
        self.apis, self.collection, self.texts, self.allowed = apis, collection, texts, allowed
        self._kept = httpx2.Limits(max_keepalive_connections=0) if fresh_connections else httpx2.Limits()
        self.faults: list[str] = []
        self.versions: set[int] = set()
        self.n_answers = 0
        self.n_refused = 0
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(api,)) for api in apis]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, api: Api) -> None:
        base = f"http://127.0.0.1:{api.port}/v1"
        with httpx2.Client(base_url=base, timeout=120, limits=self._kept) as http:
            i = 0
            while not self._stopping.is_set():
                i += 1
                query = {"q": self.texts[i % len(self.texts)], "k": 5}
                try:
                    response = http.get(f"/collections/{self.collection}/similar", params=query)
                except httpx2.TransportError as error:
                    self.faults.append(repr(error))
                    continue
                if response.status_code != 200:
                    self._refused(response)
                else:
                    self._check(response.json())

    def _refused(self, response: httpx2.Response) -> None:
        if response.status_code not in self.allowed:
            self.faults.append(f"{response.status_code} {response.text}")
        self.n_refused += 1
        self._stopping.wait(0.05)

    def _check(self, answer: dict[str, Any]) -> None:
        self.n_answers += 1
        self.versions.add(answer["space"]["version"])
        if len(answer["matches"]) != 5:
            self.faults.append(f"{len(answer['matches'])} matches")
        distances = [match["distance"] for match in answer["matches"]]
        if distances != sorted(distances):
            self.faults.append(f"distances {distances}")
