"""An API process killed in the middle of ingest, and a database restarted under traffic."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from pathlib import Path

import httpx2
import pytest

from tests.flows.corpus import documents, fill
from tests.flows.processes import Api, running, until

pytestmark = pytest.mark.long_on_postgresql


@pytest.mark.long
def test_every_acknowledged_document_is_there_after_the_api_was_killed(url: str, folder: Path) -> None:
    api = Api(url, folder)
    acknowledged: list[str] = []

    def post(part: int) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{api.port}/v1", timeout=120) as http:
            for batch in range(200):
                sent = documents(20, start=100_000 * part + 20 * batch)
                try:
                    response = http.post("/collections/texts/documents", json={"documents": sent})
                except httpx2.TransportError:
                    return
                if response.is_success:
                    acknowledged.extend(d["id"] for d in sent)

    with running(api):
        fill(api, 10)
        posters = [threading.Thread(target=post, args=(part,)) for part in (1, 2, 3)]
        for poster in posters:
            poster.start()
        until(lambda: len(acknowledged) > 400, "some documents to be acknowledged")
        api.kill()
        for poster in posters:
            poster.join()
        restarted = Api(url, folder)
        with running(restarted):
            stored = {d["id"] for d in pages(restarted)}
            assert set(acknowledged) <= stored
            found = restarted.get("/collections/texts/similar", q="bread", k=1_000, fields="id", radius=32)["matches"]
            assert {m["id"] for m in found} <= stored
            assert len(found) == min(1_000, len(stored))


def pages(api: Api) -> list[dict[str, object]]:
    out, cursor = [], None
    while True:
        page = api.get("/collections/texts/documents", limit=1_000, **({"cursor": cursor} if cursor else {}))
        out += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return out


def test_a_stop_drains_what_is_in_flight(sqlite_url: str, folder: Path) -> None:
    api = Api(sqlite_url, folder)
    with running(api):
        fill(api, 10)
        batch = [{**d, "text": f"{d['text']} " * 50} for d in documents(1_000, start=1_000)]
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)
        body = json.dumps({"documents": batch})  # more than sockets hold: once it is sent, it is being read
        connection.request("POST", "/v1/collections/texts/documents", body, {"Content-Type": "application/json"})
        api.child.send_signal(signal.SIGTERM)
        assert connection.getresponse().status in (200, 201)
        connection.close()
        assert api.wait() == 0
