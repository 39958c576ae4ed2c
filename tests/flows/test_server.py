"""What a real server process answers to bytes on a socket, before and beside the app."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.flows.processes import Api, running, until

KEY = b"Authorization: Bearer the key\r\n"
TEXTS = b"/v1/collections/texts"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service with a key and an empty collection."""
    folder = tmp_path_factory.mktemp("server")
    settings = {"NEARBIT_ADMIN_KEY": "the key", "NEARBIT_MAX_BODY_BYTES": str(1 << 20)}
    api = Api(f"sqlite:///{folder}/nearbit.db", Path(folder), "--workers", "2", **settings)
    with running(api):
        assert ask(api.port, b"PUT", TEXTS)[0] == 201
        yield api.port
        assert api.stop() == 0


Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


def exchange(port: int, *requests: bytes) -> list[Answer]:
    """The answers to requests, one after the other on one connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=120)) as connection:
        return [_exchanged(connection, sent) for sent in requests]


def _exchanged(connection: socket.socket, sent: bytes) -> Answer:
    connection.sendall(sent)
    received = b""
    while b"\r\n\r\n" not in received and (more := connection.recv(1 << 20)):
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    n_bytes = 0 if sent.startswith(b"HEAD") else int(headers.get("content-length", 0))
    while len(body) < n_bytes and (more := connection.recv(1 << 20)):
        body += more
    return int(status.split()[1]), headers, body


def ask(port: int, method: bytes, path: bytes, head: bytes = KEY, body: bytes = b"", end: bytes = b"\r\n") -> Answer:
    length = b"Content-Length: %d\r\nContent-Type: application/json\r\n" % len(body) if body else b""
    sent = b"%b %b HTTP/1.1\r\nHost: localhost\r\n%b%b%b%b" % (method, path, head, length, end, body)
    return exchange(port, sent)[0]


def refused(answer: Answer, status: int) -> dict[str, Any]:
    """The problem of an answer."""
    got, headers, body = answer
    assert (got, headers["content-type"]) == (status, "application/problem+json"), body
    problem: dict[str, Any] = json.loads(body)
    assert problem["status"] == status
    assert problem["request_id"] == headers["x-request-id"]
    return problem


@pytest.mark.parametrize("n_bytes", [65_536, 70_000, 900_000])
def test_a_url_that_is_too_long_is_refused_with_what_to_do(port: int, n_bytes: int) -> None:
    path = TEXTS + b"/similar?q="
    problem = refused(ask(port, b"GET", path + b"x" * (n_bytes - len(path))), 414)
    assert problem["detail"] == f"the URL must be at most 65535 bytes, got {n_bytes}: POST takes long texts in its body"
    assert problem["instance"] == "/v1/collections/texts/similar"
    refused(ask(port, b"GET", b"/" + b"x" * n_bytes), 414)
    assert ask(port, b"GET", path + b"x" * (65_535 - len(path)))[0] == 200


def test_after_a_url_that_was_too_long_the_connection_still_serves(port: int) -> None:
    long = b"GET %b/similar?q=%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (TEXTS, b"x" * 70_000, KEY)
    healthz = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert [answer[0] for answer in exchange(port, long, healthz)] == [414, 200]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno header\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: two\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_with_a_problem(port: int, sent: bytes) -> None:
    assert "HTTP/1.1" in refused(exchange(port, sent)[0], 400)["detail"]


def test_a_call_without_a_key_is_answered_while_its_body_is_still_to_come(port: int) -> None:
    head = b"Content-Type: application/json\r\nContent-Length: 1000000\r\n"
    for more in (b"", b"Expect: 100-continue\r\n", b"Authorization: Bearer wrong\r\n"):
        refused(ask(port, b"POST", TEXTS + b"/documents", head + more), 401)
    refused(ask(port, b"POST", TEXTS + b"/documents", b"Transfer-Encoding: chunked\r\n"), 401)
    refused(ask(port, b"POST", TEXTS + b"/documents", KEY + head.replace(b"1000000", b"1048577")), 413)


@pytest.mark.parametrize(
    "path", [b"/healthz", TEXTS + b"/spaces", TEXTS + b"/documents", b"/v1/collections?limit=5", b"/openapi.json"]
)
def test_head_is_answered_as_get_is_without_the_body(port: int, path: bytes) -> None:
    status, headers, body = ask(port, b"GET", path)
    got_status, got_headers, got_body = ask(port, b"HEAD", path)
    assert (status, got_status, got_body) == (200, 200, b"")
    assert (got_headers["content-type"], got_headers["content-length"]) == (headers["content-type"], str(len(body)))


def test_after_head_the_connection_holds_nothing_but_the_next_answer(port: int) -> None:
    head = b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (TEXTS, KEY)
    assert [answer[0] for answer in exchange(port, head, head, head.replace(b"HEAD", b"GET"))] == [200, 200, 200]


def test_head_of_what_is_not_there_says_so(port: int) -> None:
    assert ask(port, b"HEAD", TEXTS + b"/documents/none")[0] == 404
    assert ask(port, b"HEAD", TEXTS + b"/documents/none", head=b"")[0] == 401
    assert ask(port, b"HEAD", TEXTS + b"/rollback")[0] == 405


def test_options_names_the_methods_that_there_are(port: int) -> None:
    for path, allowed in (
        (TEXTS, "GET, PUT, PATCH, DELETE"),
        (TEXTS + b"/documents", "GET, POST"),
        (b"/healthz", "GET"),
    ):
        answer = ask(port, b"OPTIONS", path)
        assert allowed in refused(answer, 405)["detail"]
        assert answer[1]["allow"] == allowed


def test_a_compressed_body_is_read_and_a_bomb_is_not(port: int) -> None:
    coded = KEY + b"Content-Encoding: gzip\r\n"
    body = json.dumps({"documents": [{"id": str(i), "text": f"text {i}"} for i in range(1_000)]}).encode()
    assert ask(port, b"POST", TEXTS + b"/documents", coded, gzip.compress(body))[0] in (200, 201)
    bomb = gzip.compress(b" " * (1 << 28))
    refused(ask(port, b"POST", TEXTS + b"/documents", coded, bomb), 413)
    refused(ask(port, b"POST", TEXTS + b"/documents", KEY + b"Content-Encoding: br\r\n", b"..."), 415)


def test_the_metrics_are_those_of_both_workers_whichever_answers(port: int) -> None:
    def metrics() -> str:
        return ask(port, b"GET", b"/metrics")[2].decode()

    def workers() -> set[str]:
        return set(re.findall(r'nearbit_collection_seq\{collection="texts",pid="(\d+)"\}', metrics()))

    def n_asked() -> float:
        found = re.search(r'nearbit_http_requests_total\{method="GET",route="/healthz",status="200"\} (\S+)', metrics())
        return 0.0 if found is None else float(found[1])

    until(lambda: len(workers()) == 2, "the gauges of both workers")
    before = n_asked()
    for _ in range(20):  # each on a connection of its own, which either worker takes
        assert ask(port, b"GET", b"/healthz")[0] == 200
    until(lambda: n_asked() == before + 20, "all requests, counted once")


@pytest.mark.long
def test_a_request_that_comes_a_byte_a_second_is_given_up_and_others_are_served(port: int) -> None:
    head = b"POST %b/documents HTTP/1.1\r\nHost: localhost\r\n%b" % (TEXTS, KEY)
    whole_head = head + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=120) for _ in range(3)]
    for connection, sent in zip(slow, (b"GET /heal", head, whole_head), strict=True):
        connection.sendall(sent)
    began = time.monotonic()
    while time.monotonic() - began < 62:
        time.sleep(1)
        for connection in slow:
            with suppress(OSError):
                connection.sendall(b"x")
        assert ask(port, b"GET", b"/healthz")[0] == 200
    answers = [_to_the_end(connection) for connection in slow]
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 408 Request Timeout"] * 3
    assert all(b"application/problem+json" in answer for answer in answers)
    assert ask(port, b"GET", TEXTS)[0] == 200


def _to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the other side closes the connection."""
    received = b""
    with closing(connection), suppress(ConnectionResetError):
        while more := connection.recv(1 << 16):
            received += more
    return received


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing_behind(port: int) -> None:
    n_before = json.loads(ask(port, b"GET", TEXTS)[2])["n_documents"]
    body = json.dumps({"documents": [{"text": f"half {i}"} for i in range(500)]}).encode()
    for n_sent in (0, 10, len(body) // 2, len(body) - 1):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=120)) as connection:
            head = b"POST %b/documents HTTP/1.1\r\nHost: localhost\r\n%b" % (TEXTS, KEY)
            connection.sendall(head + b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n" % len(body))
            connection.sendall(body[:n_sent])
    time.sleep(0.5)
    assert json.loads(ask(port, b"GET", TEXTS)[2])["n_documents"] == n_before
