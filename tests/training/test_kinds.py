"""Collections of vectors and of pictures have learned codes, near duplicates, a rollback and a restart as texts do."""

from __future__ import annotations

import base64
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from service.config import Settings
from service.processes.jobs import JobRunner
from service.store import leases
from service.store.database import Database
from tests.web.serving import running, until
from training.worker import kinds

PATH = "/v1/collections/things"
N, SIDE = 120, 4
FAST = {"epochs": 2, "hidden": [16], "variant": "denoising", "force": True}


def things() -> NDArray[np.uint8]:
    """Small gray pictures about four centers; the last one is the first again. They are vectors too."""
    generator = np.random.default_rng(0)
    centers = generator.integers(40, 216, (4, SIDE * SIDE))
    near = centers[np.arange(N) % 4] + generator.integers(-30, 31, (N, SIDE * SIDE))
    near[-1] = near[0]
    return near.clip(0, 255).astype(np.uint8)


def picture(shades: NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(shades.reshape(SIDE, SIDE)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def member(kind: str, shades: NDArray[np.uint8]) -> dict[str, Any]:
    """A document of a kind, but for its id."""
    if kind == "image":
        return {"image": picture(shades)}
    return {"vector": (shades / 128 - 1).tolist(), "text": f"near center {shades[0]}"}


def run_jobs(url: str, folder: Path) -> None:
    """Run what waits, as a trainer and a job runner do."""
    database = Database.open(url)
    settings = Settings(data_dir=folder, device="cpu", ready_timeout_s=10, min_train_documents=10)
    runner = JobRunner(database, settings)
    try:
        of_trainer = kinds(database, settings)
        leases.work(database, 30, {**of_trainer, **runner.kinds()}, threading.Event(), once=True)
    finally:
        runner.close()
        database.close()


def job_of(client: TestClient, url: str, folder: Path, path: str, body: dict[str, Any]) -> Any:
    response = client.post(f"{PATH}/{path}", json=body)
    assert response.status_code == 202, response.text
    run_jobs(url, folder)
    job = client.get(f"/v1/jobs/{response.json()['id']}").json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    return job


def nearest(client: TestClient, kind: str, shades: NDArray[np.uint8], **options: Any) -> Any:
    """The answer to one query, from a state with every change."""
    asks = {"images": [picture(shades)]} if kind == "image" else {"vectors": [member(kind, shades)["vector"]]}
    seq = client.get(PATH).json()["seq"]
    response = client.post(f"{PATH}/similar", json={**asks, "at_least_seq": seq, **options})
    assert response.status_code == 200, response.text
    (answer,) = response.json()["answers"]
    return answer


@pytest.mark.parametrize("kind", ["embedding", "image"])
def test_vectors_and_pictures_are_learned_from_and_live_as_texts_do(url: str, kind: str, tmp_path: Path) -> None:
    shades = things()
    settings = {"kind": kind, "n_bits": 32} | ({"dims": SIDE * SIDE} if kind == "embedding" else {})
    with running(url, data_dir=tmp_path, min_train_documents=10) as client:
        assert client.put(PATH, json=settings).status_code == 201
        documents = [{"id": f"{i}", **member(kind, one)} for i, one in enumerate(shades)]
        assert client.post(f"{PATH}/documents", json={"documents": documents}).status_code == 201
        until(client, "/readyz", 200)

        if kind == "image":
            refusal = client.post(f"{PATH}/retrain", json={**FAST, "word_parts": "on"})
            assert refusal.status_code == 422
            assert "word_parts is an option of kind text, got kind image" in refusal.json()["detail"]
        of_kind = {"image_size": 8, "image_color": True} if kind == "image" else {}
        job = job_of(client, url, tmp_path, "retrain", {**FAST, **of_kind})
        assert job["progress"]["version"] == 2
        (space, _) = client.get(f"{PATH}/spaces").json()["items"]
        assert set(space["report"]["recall"]) == {"this", "untrained", "active"}
        learned = nearest(client, kind, shades[0], k=N)
        assert learned["space"]["version"] == 2
        at_zero = {match["id"] for match in learned["matches"] if match["distance"] == 0}
        assert {"0", f"{N - 1}"} <= at_zero

        added = client.post(f"{PATH}/documents", json={"documents": [{"id": "new", **member(kind, shades[1])}]})
        assert added.json()["space"]["version"] == 2
        job_of(client, url, tmp_path, "duplicates", {"radius": 0})
        groups = client.get(f"{PATH}/duplicates").json()["items"]
        assert any({"0", f"{N - 1}"} <= {one["id"] for one in group["documents"]} for group in groups)

        if kind == "image":  # which has no words for regions
            assert job_of(client, url, tmp_path, "map", {})["progress"]["documents"] == N + 1
            assert client.get(f"{PATH}/map/labels").json()["items"] == []

        assert client.post(f"{PATH}/rollback").json()["version"] == 1
        back = nearest(client, kind, shades[1], k=3)
        assert back["space"]["version"] == 1
        assert {"1", "new"} <= {match["id"] for match in back["matches"]}

    with running(url, data_dir=tmp_path, min_train_documents=10) as client:
        until(client, "/readyz", 200)
        again = nearest(client, kind, shades[1], k=3)
        assert again["matches"] == back["matches"]
        listed = client.get(f"{PATH}/documents", params={"limit": 1000}).json()["items"]
        assert len(listed) == N + 1
