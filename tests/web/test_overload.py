"""A server that is asked for more than it takes on refuses the rest at once, and goes on when it has caught up."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from service.config import Settings
from service.web import http_protocol
from service.web.app import create_app
from service.web.http_protocol import HttpProtocol
from tests.flows.processes import until
from tests.web.asserting import refused

SIMILAR = "/v1/collections/texts/similar?q=text"


@pytest.fixture
def app(sqlite_url: str) -> FastAPI:
    settings = Settings(
        database_url=sqlite_url,
        poll_interval_s=0.05,
        max_searches=2,
        max_puts=1,
        cors_origins="https://app.example.org",
    )
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx2.Client]:
    """A client of a server that takes on three requests at a time, with one document."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=HttpProtocol, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with httpx2.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
        client.put("/v1/collections/texts", json={"n_bits": 16}).raise_for_status()
        client.post("/v1/collections/texts/documents", json={"documents": [{"text": "text"}]}).raise_for_status()
        yield client
    server.should_exit = True
    thread.join()


def test_what_is_too_much_is_refused_at_once_and_the_rest_answered(
    app: FastAPI, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, goes_on = threading.Semaphore(0), threading.Event()
    listing = app.state.services.lookup.documents

    async def held(*arguments: Any) -> Any:
        began.release()
        while not goes_on.is_set():
            await asyncio.sleep(0.005)
        return await listing(*arguments)

    monkeypatch.setattr(app.state.services.lookup, "documents", held)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(client.get, "/v1/collections/texts/documents") for _ in range(3)]
        for _ in waiting:
            assert began.acquire(timeout=30)
        problem = refused(client.get(SIMILAR), 503, "overloaded")
        assert problem["detail"].endswith("at most 3 such calls at a time")
        assert "access-control-allow-origin" not in client.get(SIMILAR).headers
        page = client.get(SIMILAR, headers={"Origin": "https://app.example.org"})
        refused(page, 503, "overloaded")
        assert page.headers["access-control-allow-origin"] == "https://app.example.org"
        assert "Retry-After" in page.headers["access-control-expose-headers"]
        other = client.get(SIMILAR, headers={"Origin": "https://evil.example"})
        assert (other.headers["vary"], "access-control-allow-origin" in other.headers) == ("Origin", False)
        body = {"documents": [{"text": "text " * 100} for _ in range(500)]}
        refused(client.post("/v1/collections/texts/documents", json=body), 503, "overloaded")
        head = client.head(SIMILAR)
        assert (head.status_code, head.content, head.headers["retry-after"]) == (503, b"", "1")
        unsent = client.post("/v1/collections/texts/documents", content=b"{", headers={"Expect": "100-continue"})
        refused(unsent, 503, "overloaded")
        assert client.get("/healthz").status_code == 200
        assert re.search(r'^nearbit_refused_requests\{pid="\d+"\} 7.0$', client.get("/metrics").text, re.MULTILINE)
        goes_on.set()
        assert [answer.result().status_code for answer in waiting] == [200, 200, 200]
    until(lambda: app.state.access.load.n_begun == 0, "the last request to end", 60)
    assert client.get(SIMILAR).status_code == 200


def test_those_who_listen_to_a_job_take_nothing_from_others_and_are_sent_away_when_the_server_stops(
    app: FastAPI,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=HttpProtocol, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with ExitStack() as stack:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = stack.enter_context(httpx2.Client(base_url=url, timeout=60))
        client.put("/v1/collections/texts", json={"n_bits": 16}).raise_for_status()
        documents = [{"text": f"text {i}"} for i in range(100)]
        client.post("/v1/collections/texts/documents", json={"documents": documents}).raise_for_status()
        job = client.post("/v1/collections/texts/retrain").json()["id"]
        listening = [stack.enter_context(client.stream("GET", f"/v1/jobs/{job}/events")) for _ in range(5)]
        lines = [one.iter_lines() for one in listening]
        assert {next(one) for one in lines} == {"event: job"}
        assert app.state.access.load.n_begun == 0
        assert client.get(SIMILAR).status_code == 200
        assert len(app.state.services.job_events._watched) == 1
        listening[0].close()
        until(lambda: app.state.services.job_events._n_listeners == 4, "one listener to be gone", 60)
        server.should_exit = True
        for one in lines[1:]:
            assert not [line for line in one if line.startswith("event")]
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_no_request_that_ended_in_whatever_way_is_counted_for_ever(app: FastAPI, client: httpx2.Client) -> None:
    port = client.base_url.port
    for sent in (
        b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/collections/texts/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        b"GET /v1/collections HTTP/1.1\r\nHost: localhost\r\n\r\n" * 9,
        b"GET /v1/collections HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", port or 0)) as connection:
                connection.sendall(sent)
    until(lambda: app.state.access.load.n_begun == 0, "the last request to end", 60)
    assert client.get(SIMILAR).status_code == 200
    assert not re.search(r'^nearbit_http_requests_total\{[^}]*status="5', client.get("/metrics").text, re.MULTILINE)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"Content-Length: 9\r\n\r\nslow", b"408 Request Timeout"), (b"no header\r\n\r\n", b"400 Bad Request")],
)
def test_a_page_may_read_why_what_did_not_reach_the_app_is_refused(
    client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "_PROGRESS_S", 0.05)
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
        head = b"POST /v1/collections/texts/search HTTP/1.1\r\nOrigin: https://app.example.org\r\nHost: localhost\r\n"
        connection.sendall(head + b"Content-Type: application/json\r\n" + sent)
        head = b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"access-control-allow-origin: https://app.example.org" in head.split(b"\r\n")
