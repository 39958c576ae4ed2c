"""Vectors with an encoder process beside the API: the same answers as without, also after the encoder was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.flows.processes import Api, Process, free_port, running, until

pytestmark = pytest.mark.long

PATH = "/collections/things"
DIMS, N = 16, 400
VECTORS: list[list[float]] = np.random.default_rng(3).normal(0, 1, (N + 20, DIMS)).round(4).tolist()
QUERIES = [
    {"vectors": VECTORS[N:], "k": 7},
    {"vectors": VECTORS[N:], "k": 7, "rerank": "confidence", "shortlist": 50},
    {"vectors": VECTORS[N:], "k": 7, "rerank": "features"},
]


def encoder(url: str, folder: Path, port: int) -> Process:
    command = ["-m", "service", "encoder", "--port", str(port)]
    process = Process(command, folder, "encoder", NEARBIT_DATABASE_URL=url)
    until(lambda: answers(port), "the encoder to listen", 300)
    return process


def answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=60).is_success
    except httpx2.TransportError:
        return False


def ask(api: Api) -> list[Any]:
    """What each query finds, from memory."""
    answered = [api.post(f"{PATH}/similar", query)["answers"] for query in QUERIES]
    found = [[(m["id"], m["distance"], m.get("score")) for m in one["matches"]] for many in answered for one in many]
    assert {one["work"]["source"] for many in answered for one in many} == {"memory"}
    return found


def in_memory(api: Api) -> bool:
    (answer,) = api.post(f"{PATH}/similar", {"codes": ["00000000"], "k": 1})["answers"]
    return bool(answer["work"]["source"] == "memory" and answer["matches"])


def test_vectors_are_answered_alike_with_and_without_an_encoder_process(url: str, folder: Path) -> None:
    port = free_port()
    encoding = encoder(url, folder, port)
    with_encoder = Api(url, folder, NEARBIT_ENCODER_URL=f"http://127.0.0.1:{port}")
    alone = Api(url, folder)
    with running(encoding, with_encoder, alone):
        with_encoder.put(PATH, {"kind": "embedding", "dims": DIMS, "n_bits": 32})
        documents = [{"id": f"d{i}", "vector": VECTORS[i]} for i in range(N)]
        for api, part in ((with_encoder, documents[: N // 2]), (alone, documents[N // 2 :])):
            api.post(f"{PATH}/documents", {"documents": part})
        until(lambda: in_memory(with_encoder) and in_memory(alone), "both to answer from memory")
        seq = alone.get(PATH)["seq"]
        for api in (with_encoder, alone):
            api.post(f"{PATH}/similar", {"vectors": VECTORS[:1], "at_least_seq": seq})
        expected = ask(alone)
        assert ask(with_encoder) == expected
        for i in (0, N - 1):  # put by the one and by the other: each finds its own code at distance 0
            (answer,) = with_encoder.post(f"{PATH}/similar", {"vectors": [VECTORS[i]], "k": 1})["answers"]
            assert (answer["matches"][0]["id"], answer["matches"][0]["distance"]) == (f"d{i}", 0)

        encoding.kill()
        refused = with_encoder.http.post(f"{PATH}/similar", json=QUERIES[0])
        assert refused.status_code == 503
        assert with_encoder.get(f"{PATH}/documents/d5/similar", k=3) == alone.get(f"{PATH}/documents/d5/similar", k=3)
        again = encoder(url, folder, port)
        with running(again):
            until(lambda: with_encoder.http.post(f"{PATH}/similar", json=QUERIES[0]).is_success, "the encoder's return")
            assert ask(with_encoder) == expected
