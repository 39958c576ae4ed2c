from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from service.web import decompression
from service.web.body_limits import limit_body
from tests.web.asserting import refused
from tests.web.conftest import Start

DOCUMENTS = "/v1/collections/texts/documents"
JSON = {"Content-Type": "application/json"}
MAX_BYTES = 3 << 20


@pytest.fixture
def client(sqlite_url: str, start: Start) -> TestClient:
    """A client of a service with a collection and a limit of 3 MiB."""
    client = start(sqlite_url, max_body_bytes=MAX_BYTES)
    client.put("/v1/collections/texts")
    return client


def send(client: TestClient, content: bytes | Iterator[bytes], coding: str) -> Any:
    return client.post(DOCUMENTS, content=content, headers={**JSON, "Content-Encoding": coding})


def body_of(n: int) -> bytes:
    return json.dumps({"documents": [{"id": f"{i}", "text": f"text {i} " + "x" * 2_000} for i in range(n)]}).encode()


def wide(content: bytes) -> bytes:
    """Content in Zstandard whose decoder must remember 128 MiB."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(content) + stream.flush()


COMPRESSED = [("gzip", gzip.compress), ("zstd", zstandard.compress)]
ZSTD = zstandard.compress(body_of(500))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZip", "deflate", "zstd", "identity"])
@pytest.mark.parametrize("n", [1, 1_000])
def test_a_compressed_body_is_read(client: TestClient, coding: str, n: int) -> None:
    plain = body_of(n)
    compress = {"deflate": zlib.compress, "zstd": zstandard.compress, "identity": bytes}.get(coding, gzip.compress)
    encoded = compress(plain)
    assert send(client, encoded, coding).status_code == 201
    assert client.get("/v1/collections/texts").json()["n_documents"] == n
    chunks = (encoded[i : i + 700] for i in range(0, len(encoded), 700))
    assert send(client, chunks, coding).status_code == 200


@pytest.mark.parametrize(("coding", "compress"), COMPRESSED)
def test_a_small_body_that_expands_into_a_huge_one_is_refused(
    client: TestClient, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(b'{"documents": [' + b" " * (1 << 26))
    assert len(bomb) < MAX_BYTES
    problem = refused(send(client, bomb, coding), 413, None)
    assert problem["detail"] == f"the body must be at most {MAX_BYTES} bytes"
    refused(send(client, compress(b" " * (MAX_BYTES + 1)), coding), 413, None)
    refused(send(client, b"\x00" * (MAX_BYTES + 1), coding), 413, None)


@pytest.mark.parametrize(("coding", "compress"), COMPRESSED)
def test_a_bomb_is_decompressed_no_further_than_the_limit(coding: str, compress: Callable[[bytes], bytes]) -> None:
    bomb, n_bytes = compress(b" " * (1 << 26)), 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bomb, "more_body": False}

    async def scenario() -> None:
        nonlocal n_bytes
        decoded = limit_body(receive, coding.encode(), MAX_BYTES)
        while True:
            piece = (await decoded())["body"]
            assert len(piece) <= 2 << 20
            n_bytes += len(piece)

    with pytest.raises(HTTPException, match="at most"):
        asyncio.run(scenario())
    assert MAX_BYTES - (2 << 20) <= n_bytes <= MAX_BYTES


def test_after_the_body_come_the_further_messages_of_the_server() -> None:
    messages = [
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": gzip.compress(b"abc"), "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def scenario() -> None:
        decoded, body = limit_body(receive, b"gzip", MAX_BYTES), b""
        while True:
            message = await decoded()
            body += message["body"]
            if not message["more_body"]:
                break
        assert body == b"abc"
        assert await decoded() == {"type": "http.disconnect"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no gzip at all", "as its Content-Encoding says"),
        (gzip.compress(body_of(1))[:-9], "it is cut short"),
        (gzip.compress(body_of(1)) + b"more", "must be one piece"),
        (gzip.compress(body_of(1))[:-8] + bytes(8), "as its Content-Encoding says"),
        (zlib.compress(body_of(1)), "as its Content-Encoding says"),
    ],
    ids=["no gzip", "cut short", "more after it", "wrong checksum", "another coding"],
)
def test_a_compressed_body_that_cannot_be_decoded_is_refused(client: TestClient, content: bytes, says: str) -> None:
    assert says in refused(send(client, content, "gzip"), 400, None)["detail"]
    assert client.get(DOCUMENTS).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zstd at all", "Unknown frame descriptor"),
        (ZSTD[:-2], "it is cut short"),
        (ZSTD[:200] + bytes(9) + ZSTD[209:], "as its Content-Encoding says"),
        (ZSTD + ZSTD, "must be one piece"),
        (ZSTD + bytes(100), "must be one piece"),
        (wide(body_of(1)), "too much memory"),
    ],
    ids=["no zstd", "cut short", "damaged", "two", "more after it", "a wide window"],
)
def test_a_body_in_zstd_that_cannot_be_decoded_is_refused(client: TestClient, content: bytes, says: str) -> None:
    assert says in refused(send(client, content, "zstd"), 400, None)["detail"]
    chunks = (content[i : i + 64] for i in range(0, len(content), 64))
    assert says in refused(send(client, chunks, "zstd"), 400, None)["detail"]
    assert client.get(DOCUMENTS).json()["items"] == []


def test_without_its_library_zstd_is_refused_by_its_name(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "find_spec", lambda name: None)
    response = send(client, ZSTD, "zstd")
    assert "needs the package zstandard" in refused(response, 415, None)["detail"]
    assert response.headers["accept-encoding"] == "gzip, deflate"


def test_lines_to_import_may_come_in_zstd(client: TestClient) -> None:
    lines = b"".join(b'{"id": "%d", "text": "text %d"}\n' % (i, i) for i in range(1_000))
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}
    path = "/v1/collections/texts/import"
    refused(client.post(path, content=ZSTD + ZSTD, headers=headers), 400, None)
    assert client.post(path, content=zstandard.compress(lines), headers=headers).status_code == 202


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "compress", "nonsense"])
def test_an_unknown_encoding_is_refused_with_the_names_of_the_known_ones(client: TestClient, coding: str) -> None:
    response = send(client, body_of(1), coding)
    assert "gzip, deflate" in refused(response, 415, None)["detail"]
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd"


def test_an_empty_body_is_no_body_whatever_its_content_encoding(client: TestClient) -> None:
    refused(send(client, b"", "gzip"), 422, "invalid-input")
    assert client.get(DOCUMENTS, headers={"Content-Encoding": "gzip"}).status_code == 200
