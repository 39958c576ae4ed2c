"""Calls with keys, sent again and again to a service that is killed: each is done once, and answered alike."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path

import httpx2
import pytest

from tests.flows.corpus import fill
from tests.flows.processes import Api, free_port, running, until

pytestmark = pytest.mark.long

POSTERS, CALLS, KILLS = 4, 40, 1


def test_what_is_sent_until_it_is_answered_is_done_once_whenever_the_service_is_killed(url: str, folder: Path) -> None:
    port = free_port()
    answers: dict[str, list[list[str]]] = defaultdict(list)

    def post(http: httpx2.Client, key: str) -> list[str] | None:
        """The ids that the documents of a call were given; None if there was no answer."""
        body = {"documents": [{"text": f"bread {key} {i}"} for i in range(5)]}
        try:
            headers = {"Idempotency-Key": key}
            response = http.post("/collections/texts/documents", json=body, headers=headers)
        except httpx2.TransportError:
            return None
        assert response.status_code in (201, 409, 503), response.text
        return [one["id"] for one in response.json()["documents"]] if response.is_success else None

    def run(poster: int) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=120) as http:
            for call in range(CALLS):
                key = f"{poster}-{call}"
                while not answers[key]:
                    if (ids := post(http, key)) is None:
                        time.sleep(0.05)
                    else:
                        answers[key].append(ids)
                if (again := post(http, key)) is not None:  # as if the first answer had been lost
                    answers[key].append(again)

    api = Api(url, folder, port=port)
    with running(api):
        fill(api, 10)
        before = api.get("/collections/texts")["n_documents"]
        posters = [threading.Thread(target=run, args=(poster,)) for poster in range(POSTERS)]
        for poster in posters:
            poster.start()
        for kill in range(1, KILLS + 1):
            wanted = POSTERS * CALLS * kill // (KILLS + 1)
            until(lambda wanted=wanted: len(answers) > wanted, "some answers")  # type: ignore[misc]
            api.kill()
            api = Api(url, folder, port=port)
        with running(api):
            for poster in posters:
                poster.join()
            assert len(answers) == POSTERS * CALLS
            for ids in answers.values():
                assert all(one == ids[0] for one in ids)
            n = api.get("/collections/texts")["n_documents"]
            assert n == before + 5 * POSTERS * CALLS
