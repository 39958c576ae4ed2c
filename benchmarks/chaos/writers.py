"""Writers that remember what was acknowledged, and readers that look at every answer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

IDS = 200
COLLECTION = "/collections/chaos"
_WORDS = [
    "bread",
    "oven",
    "flour",
    "boat",
    "wind",
    "sail",
    "piano",
    "violin",
    "chord",
    "orbit",
    "rocket",
    "soil",
    "seed",
    "bank",
]

State = int | None
"""What a document holds: the number of the write that made it, or None if it does not exist."""


@dataclass
class Counts:
    """What became of requests."""

    acknowledged: int = 0
    in_doubt: int = 0
    turned_away: int = 0
    unexpected: list[str] = field(default_factory=list)


class Writer:
    """Puts and deletes documents of its own, in batches and one by one, from a thread.

    A request that was answered with 2xx has happened; one that was answered with 503 has not; one that was not answered
    has happened as a whole or not at all.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.counts = Counts()
        self.allowed: dict[str, set[State]] = {f"{name}-{i}": {None} for i in range(IDS)}
        self.doubtful: tuple[dict[str, State], dict[str, set[State]]] | None = None
        self._rng = random.Random(seed)
        self._written = 0

    def run(self, open_client: Callable[[], httpx2.Client], stopping: threading.Event) -> None:
        """Write until told to stop, or until the service does not answer."""
        with open_client() as http:
            while not stopping.is_set():
                if not self._write(http):
                    return

    def _write(self, http: httpx2.Client) -> bool:
        chosen = self._rng.sample([*self.allowed], self._rng.choice((1, 1, 5, 30)))
        self._written += 1
        deletes = self._rng.random() < 0.25
        wanted: dict[str, State] = dict.fromkeys(chosen, None if deletes else self._written)
        try:
            response = self._send(http, chosen, deletes)
        except httpx2.TransportError:
            self.counts.in_doubt += 1
            self.doubtful = wanted, {id: set(self.allowed[id]) for id in chosen}
            for id in chosen:
                self.allowed[id] |= {wanted[id]}
            return False
        if response.is_success or (deletes and response.status_code == 404):
            self.counts.acknowledged += 1
            for id in chosen:
                self.allowed[id] = {wanted[id]}
        elif response.status_code == 503:
            self.counts.turned_away += 1
        else:
            self.counts.unexpected.append(f"{response.status_code} {response.text[:300]}")
        return True

    def _send(self, http: httpx2.Client, chosen: list[str], deletes: bool) -> httpx2.Response:
        if deletes and len(chosen) == 1:
            return http.delete(f"{COLLECTION}/documents/{chosen[0]}")
        if deletes:
            return http.post(f"{COLLECTION}/documents/delete", json={"ids": chosen})
        return http.post(f"{COLLECTION}/documents", json={"documents": [self._document(id) for id in chosen]})

    def _document(self, id: str) -> dict[str, Any]:
        words = " ".join(self._rng.choices(_WORDS, k=12))
        return {"id": id, "text": f"{words} {id} {self._written}", "metadata": {"write": self._written}}

    def check(self, http: httpx2.Client) -> tuple[list[str], list[str]]:
        """What was lost or came back, and what was kept by halves; from now on what is there is what must be there."""
        there: dict[str, State] = dict.fromkeys(self.allowed)
        texts: dict[str, str] = {}
        asked = [*self.allowed]
        while asked:
            answer = http.post(f"{COLLECTION}/documents/get", json={"ids": asked}).raise_for_status().json()
            for one in answer["items"]:
                there[one["id"]], texts[one["id"]] = one["metadata"]["write"], one["text"]
            asked = answer["next_ids"]
        lost = [
            f"{id} holds {there[id]}, allowed were {allowed}"
            for id, allowed in self.allowed.items()
            if there[id] not in allowed
        ]
        halves = self._halves(there)
        self.allowed = {id: {state} for id, state in there.items()}
        self.doubtful = None
        seq = http.get(COLLECTION).raise_for_status().json()["seq"]
        for id in self._rng.sample([*texts], min(5, len(texts))):
            query = {"texts": [texts[id]], "k": 50, "radius": 0, "fields": ["id"], "at_least_seq": seq}
            found = http.post(f"{COLLECTION}/similar", json=query).raise_for_status().json()["answers"][0]["matches"]
            if id not in [one["id"] for one in found] and len(found) < 50:
                lost.append(f"{id} is stored and not found by its own text")
        return lost, halves

    def _halves(self, there: dict[str, State]) -> list[str]:
        """A batch of which it is not known whether it happened, and that happened in part."""
        if self.doubtful is None:
            return []
        wanted, before = self.doubtful
        # Documents that held before what was wanted, or may have, tell nothing.
        telling = {there[id] == state for id, state in wanted.items() if state not in before[id]}
        return [f"of {len(wanted)} documents of a batch some were written"] if len(telling) > 1 else []


class Reader:
    """Asks without a pause; an answer that is no 200, 503 or whole is unexpected."""

    def __init__(self, seed: int) -> None:
        self.counts = Counts()
        self._rng = random.Random(seed)

    def run(self, open_client: Callable[[], httpx2.Client], stopping: threading.Event) -> None:
        with suppress(httpx2.TransportError), open_client() as http:
            while not stopping.is_set():
                query = {"q": " ".join(self._rng.choices(_WORDS, k=3)), "k": 5}
                response = http.get(f"{COLLECTION}/similar", params=query)
                if response.status_code == 200:
                    self.counts.acknowledged += 1
                elif response.status_code == 503:
                    self.counts.turned_away += 1
                else:
                    self.counts.unexpected.append(f"{response.status_code} {response.text[:300]}")
