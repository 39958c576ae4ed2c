"""Calls are sent again where that is safe, and nowhere else."""

import asyncio
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest

import nearbit
from nearbit._sync.client import Client

JOB = {"id": "7", "collection": "notes", "kind": "retrain", "state": "queued"}
Reply = httpx2.Response | type[httpx2.TransportError]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []

    async def sleep(pause_s: float) -> None:
        made.append(pause_s)

    monkeypatch.setattr(time, "sleep", made.append)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made


def answering(replies: Iterator[Reply], seen: list[httpx2.Request]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        reply = next(replies)
        if isinstance(reply, httpx2.Response):
            return reply
        raise reply("gone", request=request)

    return answer


def client_of(*replies: Reply, patience_s: float = 60) -> tuple[Client, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []
    transport = httpx2.MockTransport(answering(iter(replies), seen))
    return nearbit.connect("http://localhost", transport=transport, patience_s=patience_s), seen


def page() -> httpx2.Response:
    return httpx2.Response(200, json={"items": [], "next_cursor": None})


def problem(status: int, slug: str = "about", **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"type": f"urn:nearbit:problem:{slug}", "detail": slug}, headers=headers)


@pytest.mark.parametrize("reply", [503, 502, 504, 429, httpx2.ReadError, httpx2.ReadTimeout, httpx2.ConnectError])
def test_a_call_that_reads_is_sent_again(reply: int | type[httpx2.TransportError]) -> None:
    client, seen = client_of(problem(reply) if isinstance(reply, int) else reply, page())
    assert client.collections() == []
    assert len(seen) == 2


@pytest.mark.parametrize("reply", [400, 404, 409, 422, 500])
def test_a_refusal_is_final(reply: int) -> None:
    client, seen = client_of(problem(reply))
    with pytest.raises(nearbit.NearbitError):
        client.collections()
    assert len(seen) == 1


def test_it_waits_at_least_as_long_as_the_service_asks(pauses: list[float]) -> None:
    client, _ = client_of(problem(503, **{"Retry-After": "7"}), problem(503), problem(503), page())
    client.collections()
    assert 7 < pauses[0] < 8
    assert all(pause_s < 0.5 for pause_s in pauses[1:])


def test_a_wait_beyond_its_patience_is_not_begun(pauses: list[float]) -> None:
    client, _ = client_of(problem(503, "overloaded", **{"Retry-After": "61"}))
    with pytest.raises(nearbit.Overloaded):
        client.collections()
    assert pauses == []


def test_a_write_is_sent_again_with_the_same_key() -> None:
    running = problem(409, "call-running", **{"Retry-After": "1"})
    client, seen = client_of(httpx2.ReadError, running, problem(503), httpx2.Response(202, json=JOB))
    client.collection("notes").retrain(wait=False)
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    client, others = client_of(httpx2.Response(202, json=JOB))
    client.collection("notes").retrain(wait=False)
    assert others[0].headers["Idempotency-Key"] != seen[0].headers["Idempotency-Key"]


def test_a_call_that_must_not_be_done_twice_is_sent_again_only_if_it_was_not_done() -> None:
    made = httpx2.Response(201, json={"id": 1, "name": "a", "scopes": ["read"]})
    client, seen = client_of(httpx2.ConnectError, problem(429), made)
    client.make_key("a", ["read"])
    assert len(seen) == 3
    for lost in (httpx2.ReadError, problem(503)):
        client, seen = client_of(lost)
        with pytest.raises(nearbit.Unavailable):
            client.make_key("a", ["read"])
        assert len(seen) == 1


def test_the_client_with_await_does_the_same() -> None:
    async def run() -> int:
        seen: list[httpx2.Request] = []
        transport = httpx2.MockTransport(answering(iter((problem(503), httpx2.ReadError, page())), seen))
        async with nearbit.connect_async("http://localhost", transport=transport) as client:
            assert await client.collections() == []
        return len(seen)

    assert asyncio.run(run()) == 3


def test_a_service_that_is_not_there_is_an_error_of_its_own() -> None:
    client, _ = client_of(httpx2.ConnectError, patience_s=0)
    with pytest.raises(nearbit.NoConnection, match=r"no answer from http://.*: gone"):
        client.collections()
