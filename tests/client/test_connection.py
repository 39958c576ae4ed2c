"""How a service is reached, and what is said where it is not."""

from __future__ import annotations

from importlib.util import find_spec

import httpx2
import pytest

import nearbit
from nearbit._sync.client import Client
from nearbit._sync.connection import Connection
from nearbit.addresses import is_loopback


def answering(response: httpx2.Response, key: str | None = None) -> tuple[Client, list[httpx2.Request]]:
    """A client that always gets this response, and the list of the requests that it makes."""
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return response

    return Client(Connection("http://here/", key, 60, 0, httpx2.MockTransport(answer))), requests


def test_a_key_is_sent_as_the_bytes_that_it_is() -> None:
    client, requests = answering(httpx2.Response(200, json={"items": [], "next_cursor": None}), " schlüssel\n")
    client.collections()
    assert str(requests[0].url).startswith("http://here/v1/collections")
    assert requests[0].headers.raw.count((b"Authorization", "Bearer schlüssel".encode())) == 1
    with pytest.raises(nearbit.InvalidInput, match="printable"):
        nearbit.connect(key="a\nb")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://here", "", "http://[::1", "http://here:port"])
def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    with pytest.raises(nearbit.InvalidInput, match="URL"):
        nearbit.connect(url)


def test_what_cannot_be_sent_and_responses_of_other_programs_are_reported() -> None:
    client, _ = answering(httpx2.Response(200, text="<html>log in"))
    notes = client.collection("notes")
    with pytest.raises(nearbit.InvalidInput, match="lone surrogate"):
        notes.similar("\udcff")
    with pytest.raises(nearbit.InvalidInput, match="cannot be sent to http://here"):
        notes.similar("x" * 100_000)
    with pytest.raises(nearbit.NearbitError, match="something else than JSON: <html>log in"):
        notes.similar("a")
    broken = httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=iter([b"none"]))
    with pytest.raises(nearbit.NearbitError, match="cannot be read"):
        answering(broken)[0].collections()


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::ffff:127.0.0.1"]
)
def test_loopback_has_no_proxy(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["example.org", "10.0.0.1", "localhost.example.org", "::2", "127.0.0.1.example.org", ""]
)
def test_other_hosts_may_have_a_proxy(host: str) -> None:
    assert not is_loopback(host)


def test_a_proxy_that_cannot_be_used_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = ["bogus://user:secret@127.0.0.1:9", "http://user:secret@127.0.0.1:port"]
    if find_spec("socksio") is None:
        proxies.append("socks5://user:secret@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for proxy in proxies:
        monkeypatch.setenv("ALL_PROXY", proxy)
        nearbit.connect("http://127.0.0.1:8000")
        with pytest.raises(nearbit.ConfigurationError, match="proxy") as refused:
            nearbit.connect("http://example.org")
        assert "secret" not in str(refused.value)
