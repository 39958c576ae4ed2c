from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec

import httpx2
import pytest

import nearbit
from service.cli.client import Client
from service.errors import Conflict, InvalidInput, NearbitError, Unauthorized, Unavailable


def answering(*responses: httpx2.Response) -> tuple[Client, list[httpx2.Request]]:
    """A client that gets these responses in turn, and the list of the requests that it makes."""
    requests: list[httpx2.Request] = []
    waiting = iter(responses)

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return next(waiting)

    return Client("http://here/", "key", httpx2.MockTransport(answer)), requests


def test_calls_go_under_v1_with_the_key_and_quoted_names() -> None:
    client, requests = answering(httpx2.Response(200, json={"n_documents": 3}))
    with client:
        assert client.collection("a/b?") == {"n_documents": 3}
    assert str(requests[0].url) == "http://here/v1/collections/a%2Fb%3F"
    assert requests[0].headers["authorization"] == "Bearer key"


def test_an_unavailable_service_is_called_again_after_the_wait_it_names() -> None:
    busy = httpx2.Response(503, json={"detail": "full"}, headers={"Retry-After": "0"})
    client, requests = answering(busy, busy, httpx2.Response(200, json={"seq": 7}))
    assert client.call("POST", "/collections/texts/retrain", {"epochs": 3}) == {"seq": 7}
    assert [json.loads(request.content) for request in requests] == [{"epochs": 3}] * 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthorized), (403, Unauthorized), (404, NearbitError), (409, Conflict), (422, InvalidInput)],
)
def test_a_refusal_is_raised_with_the_message_of_the_service(status: int, kind: type[NearbitError]) -> None:
    client, _ = answering(httpx2.Response(status, json={"detail": "because"}))
    with pytest.raises(kind, match=f"^http://here answered {status}: because$"):
        client.collection("texts")


def test_a_response_of_another_program_and_a_missing_one_are_reported() -> None:
    client, _ = answering(httpx2.Response(502, text="<html>bad gateway"))
    with pytest.raises(NearbitError, match="answered 502: <html>bad gateway"):
        client.collection("texts")
    with (
        Client("http://127.0.0.1:1") as nobody,
        pytest.raises(Unavailable, match=r"no answer from http://127\.0\.0\.1:1"),
    ):
        nobody.collection("texts")


def test_an_export_is_read_line_by_line() -> None:
    pieces = [b'{"id":"a', b'"}', b'\n{"id": "b\xe2\x80\xa8"}\n']
    client, requests = answering(httpx2.Response(200, content=iter(pieces)))
    assert list(client.export("a/b", codes=True)) == [b'{"id":"a"}', b'{"id": "b\xe2\x80\xa8"}']
    assert str(requests[0].url) == "http://here/v1/collections/a%2Fb/export?codes=1"


def test_an_export_that_breaks_off_is_an_error() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"id":"a"}\n'
        raise httpx2.RemoteProtocolError("peer closed connection")

    client, _ = answering(httpx2.Response(200, content=pieces()), httpx2.Response(404, json={"detail": "none"}))
    with pytest.raises(Unavailable, match="broke off, so it is not whole"):
        list(client.export("texts"))
    with pytest.raises(NearbitError, match="answered 404: none"):
        list(client.export("texts"))


def test_a_call_without_the_key_that_it_needs_says_how_to_give_one() -> None:
    client = Client("http://here", None, httpx2.MockTransport(lambda _: httpx2.Response(401, json={"detail": "no"})))
    with pytest.raises(Unauthorized, match=r"answered 401: no \(give the key with --key, or in NEARBIT_ADMIN_KEY\)"):
        client.collection("texts")


def test_a_key_is_sent_as_the_bytes_that_it_is() -> None:
    requests = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={})

    Client("http://here", " schlüssel\n", httpx2.MockTransport(answer)).collection("texts")
    assert (b"authorization", "Bearer schlüssel".encode()) in [(k.lower(), v) for k, v in requests[0].headers.raw]
    with pytest.raises(nearbit.InvalidInput, match="printable"):
        Client("http://here", "a\nb")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://here", "", "http://[::1", "http://here:port"])
def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    with pytest.raises(nearbit.InvalidInput, match="URL"):
        Client(url).collection("texts")


def test_text_that_cannot_be_sent_and_responses_of_other_programs_are_reported() -> None:
    client, _ = answering(httpx2.Response(200, text="<html>log in"))
    with pytest.raises(InvalidInput, match="lone surrogate"):
        client.call("GET", "/collections/texts/similar", None, {"q": "\udcff"})
    with pytest.raises(NearbitError, match="something else than JSON: <html>log in"):
        client.collection("\udcff")


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "bogus://x"])
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "http_proxy", "all_proxy"])
def test_this_machine_is_reached_whatever_proxy_the_environment_names(
    clean: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    clean.setenv(name, proxy)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"n_documents": 3}')

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for host in ("127.0.0.1", "localhost"):
            with Client(f"http://{host}:{server.server_port}") as client:
                assert client.ready()
                assert client.collection("texts") == {"n_documents": 3}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_proxy_that_cannot_be_used_for_another_host_is_reported(clean: pytest.MonkeyPatch) -> None:
    proxies = ["bogus://user:secret@127.0.0.1:9", "http://user:secret@127.0.0.1:port"]
    if find_spec("socksio") is None:
        proxies.append("socks5://user:secret@127.0.0.1:9")
    for proxy in proxies:
        clean.setenv("ALL_PROXY", proxy)
        with pytest.raises(nearbit.ConfigurationError, match="proxy") as refused:
            Client("http://example.org")
        assert "secret" not in str(refused.value)
