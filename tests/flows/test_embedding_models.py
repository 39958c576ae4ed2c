"""Another embedding model takes over, and goes back, while queries and documents come without a pause."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import numpy as np
import pytest

from tests.flows.processes import Api, Trainer, running, until

pytestmark = pytest.mark.long

PATH = "/collections/things"
N, DIMS, NEW_DIMS, K = 300, 16, 12, 5
FAST = {"epochs": 3, "hidden": [16], "variant": "denoising"}


def vectors(dims: int, n: int = 3_000) -> list[list[float]]:
    """Vectors about six centers."""
    generator = np.random.default_rng(dims)
    near = generator.normal(0, 1, (6, dims))[np.arange(n) % 6] + generator.normal(0, 0.3, (n, dims))
    found: list[list[float]] = near.round(4).tolist()
    return found


VECTORS = {"v1": vectors(DIMS), "v2": vectors(NEW_DIMS)}
VERSIONS = {"v1": 1, "v2": 2}
"""The code space that encodes the vectors of each model."""


def document(i: int, *models: str) -> dict[str, Any]:
    return {"id": f"d{i}", "vectors": {model: VECTORS[model][i] for model in models}}


class Traffic:
    """Asks each process by vectors of both models, and puts documents with both, until the block ends.

    A fault is an answer from another space than that of the query's model, a refusal other than that its model is not
    the active one, both models refused while the active one only goes from the first to the second, or a put that
    fails.
    """

    def __init__(self, apis: Sequence[Api], *, goes_forward: bool, first: int) -> None:
        self.faults: list[str] = []
        self.n_answered = dict.fromkeys(VECTORS, 0)
        self.n_put = 0
        self._goes_forward, self._first = goes_forward, first
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(api,)) for api in apis]
        self._threads.append(threading.Thread(target=self._put, args=(apis[0],)))

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
        with httpx2.Client(base_url=f"http://127.0.0.1:{api.port}/v1", timeout=120) as http:
            i = 0
            while not self._stopping.is_set():
                i += 1
                is_answered = [self._is_answered(http, model, i % N) for model in VECTORS]
                if self._goes_forward and not any(is_answered):
                    self.faults.append("no model was answered")

    def _is_answered(self, http: httpx2.Client, model: str, i: int) -> bool:
        body = {"vectors": [VECTORS[model][i]], "model": model, "k": K}
        response = http.post(f"{PATH}/similar", json=body)
        if response.status_code == 409 and response.json()["type"].endswith(":other-model"):
            return False
        if response.status_code != 200:
            self.faults.append(f"{response.status_code} {response.text}")
            return False
        (answer,) = response.json()["answers"]
        self.n_answered[model] += 1
        if (answer["space"]["version"], len(answer["matches"])) != (VERSIONS[model], K):
            self.faults.append(f"{model} was answered with {answer}")
        return True

    def _put(self, api: Api) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{api.port}/v1", timeout=120) as http:
            while not self._stopping.is_set() and self._first + self.n_put < len(VECTORS["v1"]):
                body = {"documents": [document(self._first + self.n_put, "v1", "v2")]}
                response = http.post(f"{PATH}/documents", json=body)
                if response.status_code != 201:
                    self.faults.append(f"{response.status_code} {response.text}")
                self.n_put += 1
                self._stopping.wait(0.1)


def answering(api: Api, model: str) -> bool:
    """Whether a process answers queries of a model."""
    response = api.http.post(f"{PATH}/similar", json={"vectors": [VECTORS[model][0]], "model": model})
    return response.status_code == 200


def covered(api: Api) -> dict[str, float]:
    return {one["name"]: one["share"] for one in api.get(f"{PATH}/models")["items"]}


def put_new(api: Api, numbers: Sequence[int]) -> None:
    given = [{"id": f"d{i}", "vector": VECTORS["v2"][i]} for i in numbers]
    api.post(f"{PATH}/vectors", {"model": "v2", "dims": NEW_DIMS, "vectors": given})


def test_another_embedding_model_takes_over_and_goes_back_under_traffic(url: str, folder: Path) -> None:
    one, two, trainer = Api(url, folder), Api(url, folder), Trainer(url, folder)
    with running(one, two, trainer):
        one.put(PATH, {"kind": "embedding", "dims": DIMS, "model": "v1", "n_bits": 32})
        one.post(f"{PATH}/documents", {"documents": [document(i, "v1") for i in range(N)]})
        put_new(one, range(10))
        until(lambda: answering(one, "v1") and answering(two, "v1"), "both processes to answer")
        with Traffic([one, two], goes_forward=True, first=N) as traffic:
            put_new(two, range(N // 2))
            assert 0 < covered(one)["v2"] < 1
            assert (
                one.finished(one.post(f"{PATH}/retrain", FAST | {"model": "v2"})["id"])["progress"]["stage"] == "ready"
            )
            refused = one.http.post(f"{PATH}/spaces/2/promote")
            assert (refused.status_code, refused.json()["n_uncovered"]) == (409, N - N // 2)
            put_new(one, range(N // 4, N))
            assert covered(two) == {"v1": 1, "v2": 1}
            one.post(f"{PATH}/spaces/2/promote")
            until(lambda: answering(one, "v2") and answering(two, "v2"), "both processes to swap")
        assert traffic.faults == []
        assert min(traffic.n_answered.values()) > 0
        first = N + traffic.n_put
        with Traffic([one, two], goes_forward=False, first=first) as traffic:
            assert one.post(f"{PATH}/rollback")["model"] == "v1"
            until(lambda: answering(one, "v1") and answering(two, "v1"), "both processes to be back")
            assert two.post(f"{PATH}/rollback")["model"] == "v2"
            until(lambda: answering(one, "v2") and answering(two, "v2"), "both processes to swap again")
        assert traffic.faults == []
        assert min(traffic.n_answered.values()) > 0

        n = first + traffic.n_put
        last = one.post(f"{PATH}/documents", {"documents": [document(n, "v2")]})
        refused = two.http.post(f"{PATH}/rollback")
        assert (refused.status_code, refused.json()["n_uncovered"]) == (409, 1)
        assert n_found(one, "v2", last["seq"]) == n + 1
        back = one.post(f"{PATH}/rollback", {"force": True})
        assert (back["model"], back["uncovered"]) == ("v1", 1)
        assert n_found(one, "v1", one.get(PATH)["seq"]) == n


def n_found(api: Api, model: str, seq: int) -> int:
    """How many documents a query of a model can find."""
    body = {"vectors": [VECTORS[model][0]], "model": model, "k": 1_000, "fields": ["id"], "at_least_seq": seq}
    (answer,) = api.post(f"{PATH}/similar", body)["answers"]
    return len(answer["matches"])
