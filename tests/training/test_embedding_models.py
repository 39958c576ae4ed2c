"""A collection changes its embedding model: codes are learned from the new vectors, promoted when all are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.training.test_kinds import run_jobs
from tests.web.asserting import refused
from tests.web.serving import running, until

PATH = "/v1/collections/things"
N, DIMS, NEW_DIMS = 60, 12, 8
FAST = {"epochs": 2, "hidden": [16], "variant": "denoising"}


def vectors(dims: int, n: int = N + 10) -> list[list[float]]:
    """Vectors about four centers."""
    generator = np.random.default_rng(dims)
    found: list[list[float]] = (
        generator.normal(0, 1, (4, dims))[np.arange(n) % 4] + generator.normal(0, 0.3, (n, dims))
    ).tolist()
    return found


OLD, NEW = vectors(DIMS), vectors(NEW_DIMS)


class Service:
    """A collection of vectors in a running service, whose jobs run when they are asked to."""

    def __init__(self, client: TestClient, url: str, folder: Path) -> None:
        self.client, self.url, self.folder = client, url, folder

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self.client.post(f"{PATH}/{path}", json=body or {})
        assert response.is_success, response.text
        return response.json()

    def put(self, numbers: Sequence[int], models: Sequence[str] = ("v1",)) -> None:
        given = {"v1": OLD, "v2": NEW}
        documents = [{"id": f"{i}", "vectors": {model: given[model][i] for model in models}} for i in numbers]
        self.post("documents", {"documents": documents})

    def put_new(self, numbers: Sequence[int]) -> None:
        given = [{"id": f"{i}", "vector": NEW[i]} for i in numbers]
        assert self.post("vectors", {"model": "v2", "dims": NEW_DIMS, "vectors": given})["missing"] == []

    def retrain(self, **options: Any) -> Any:
        job = self.post("retrain", FAST | options)
        run_jobs(self.url, self.folder)
        return self.client.get(f"/v1/jobs/{job['id']}").json()

    def spaces(self) -> list[tuple[int, str, str]]:
        items = self.client.get(f"{PATH}/spaces").json()["items"]
        return [(space["version"], space["state"], space["model"]) for space in items]

    def nearest(self, vector: list[float], **options: Any) -> Any:
        (answer,) = self.post("similar", {"vectors": [vector], "k": N + 10, **options})["answers"]
        return answer


@pytest.fixture
def service(url: str, tmp_path: Path) -> Iterator[Service]:
    """A collection with a vector of v1 for every document."""
    with running(url, data_dir=tmp_path, min_train_documents=10) as client:
        body = {"kind": "embedding", "dims": DIMS, "model": "v1", "n_bits": 32}
        assert client.put(PATH, json=body).status_code == 201
        service = Service(client, url, tmp_path)
        service.put(range(N))
        until(client, "/readyz", 200)
        yield service


def test_a_space_of_a_new_model_is_ready_until_all_documents_have_its_vectors(service: Service) -> None:
    service.put_new(range(40))
    job = service.retrain(model="v2")
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert (job["progress"]["stage"], job["progress"]["uncovered"]) == ("ready", 20)
    assert service.spaces() == [(2, "ready", "v2"), (1, "active", "v1")]
    problem = refused(service.client.post(f"{PATH}/spaces/2/promote"), 409, "vectors-missing")
    assert (problem["model"], problem["n_uncovered"]) == ("v2", 20)
    assert service.nearest(OLD[0])["space"]["version"] == 1

    service.put_new(range(30, N))
    assert service.post("spaces/2/promote")["state"] == "active"
    answer = service.nearest(NEW[0], model="v2", at_least_seq=service.client.get(PATH).json()["seq"])
    assert answer["space"]["version"] == 2
    assert len(answer["matches"]) == N
    assert answer["matches"][0]["distance"] == 0
    (report, _) = (space["report"] for space in service.client.get(f"{PATH}/spaces").json()["items"])
    assert set(report["recall"]) == {"this", "untrained"}  # codes of other vectors find other neighbors
    assert service.post("rollback")["model"] == "v1"


def test_a_retrain_takes_the_place_of_a_ready_space_that_nobody_promoted(service: Service) -> None:
    service.put_new(range(40))
    service.retrain(model="v2")
    assert service.retrain(model="v2")["progress"]["stage"] == "ready"
    assert service.spaces() == [(3, "ready", "v2"), (2, "failed", "v2"), (1, "active", "v1")]


def test_a_forced_retrain_leaves_out_what_has_no_vector_and_says_so(service: Service) -> None:
    service.put_new(range(40))
    job = service.retrain(model="v2", force=True)
    assert (job["progress"]["stage"], job["progress"]["version"], job["progress"]["uncovered"]) == ("active", 2, 20)
    seq = service.client.get(PATH).json()["seq"]
    assert len(service.nearest(NEW[0], at_least_seq=seq)["matches"]) == 40
    refused(service.client.get(f"{PATH}/documents/50/similar"), 409, "vectors-missing")
    refused(service.client.get(f"{PATH}/compare", params={"a": "1", "b": "50"}), 409, "vectors-missing")
    bits = service.client.get(f"{PATH}/compare", params={"a": "1", "b": "2"}).json()
    code = service.client.get(f"{PATH}/documents/1/similar").json()["code"]
    ones = {bit["bit"] for bit in (*bits["agreeing"], *bits["differing"]) if bit["a"]}
    assert ones == {i for i in range(32) if int(code, 16) >> (31 - i) & 1}
    service.put_new(range(50, N))
    seq = service.client.get(PATH).json()["seq"]
    answer = service.nearest(NEW[50], at_least_seq=seq, rerank="features", shortlist=N + 10)
    assert len(answer["matches"]) == 50
    assert answer["matches"][0]["id"] == "50"


def test_a_document_needs_the_vector_of_the_active_model(service: Service) -> None:
    service.put_new(range(N))
    service.retrain(model="v2")
    body = {"documents": [{"id": "new", "vector": OLD[0], "model": "v1"}]}
    problem = refused(service.client.post(f"{PATH}/documents", json=body), 422, "invalid-content")
    assert problem["detail"].startswith("documents[0]: vector of model v2 is missing")
    service.put([N], ["v1", "v2"])
    service.put([N + 1], ["v2"])
    problem = refused(service.client.post(f"{PATH}/rollback"), 409, "vectors-missing")
    assert (problem["model"], problem["n_uncovered"]) == ("v1", 1)
    back = service.post("rollback", {"force": True})
    assert (back["version"], back["model"], back["uncovered"]) == (1, "v1", 1)
    seq = service.client.get(PATH).json()["seq"]
    assert {match["id"] for match in service.nearest(OLD[0], at_least_seq=seq)["matches"]} == {
        str(i) for i in range(N + 1)
    }
    refused(service.client.post(f"{PATH}/similar", json={"vectors": [NEW[0]], "model": "v2"}), 409, "other-model")


def test_a_model_that_no_space_and_no_document_needs_is_deleted_with_its_vectors(service: Service) -> None:
    service.put_new(range(40))
    service.retrain(model="v2", force=True)
    delete = f"{PATH}/models/v1"
    problem = refused(service.client.delete(delete), 409, "model-in-use")
    assert (problem["versions"], problem["n_documents"]) == ([1], 20)
    service.put_new(range(N))
    assert refused(service.client.delete(delete), 409, "model-in-use")["versions"] == [1]
    problem = refused(service.client.delete(f"{PATH}/models/v2", params={"force": True}), 409, "model-in-use")
    assert (problem["versions"], problem["n_documents"]) == ([2], 0)
    assert service.client.delete(delete, params={"force": True}).status_code == 204
    refused(service.client.delete(delete), 404, "not-found")
    assert service.spaces() == [(2, "active", "v2")]
    assert service.client.get(f"{PATH}/documents/3").json()["vectors"].keys() == {"v2"}

    run_jobs(service.url, service.folder)
    shown = service.client.get(f"{PATH}/documents/3").json()
    assert (shown["model"], shown["revision"], "vectors" in shown) == ("v2", 1, False)
    (model,) = service.client.get(f"{PATH}/models").json()["items"]
    assert (model["name"], model["documents"]) == ("v2", N)
    refused(service.client.post(f"{PATH}/rollback"), 404, "not-found")
    service.put([N], ["v2"])
    assert len(service.nearest(NEW[0], at_least_seq=service.client.get(PATH).json()["seq"])["matches"]) == N + 1
