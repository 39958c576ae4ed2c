import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx2
import numpy as np
import pytest

from service.encoding.batcher import Batcher
from service.errors import NotFound
from service.hashing.content import Contents, Text
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded
from service.hashing.explain import explain
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from tests.web.encoder_app import encoder_app

FUNCTION = untrained_hash_function(24)
CONTENT = FUNCTION.to_bytes()
DIGEST = digest_of(CONTENT)
CORRUPT = "0" * 64
UNKNOWN = "f" * 64


def load(digest: str) -> bytes:
    if digest == UNKNOWN:
        raise NotFound("hash function", digest)
    return CONTENT


@asynccontextmanager
async def serving(max_queue: int = 100) -> AsyncIterator[tuple[httpx2.AsyncClient, Batcher]]:
    batcher = Batcher(load, device="cpu", max_queue=max_queue, inline_chars=0)
    transport = httpx2.ASGITransport(encoder_app(batcher))
    async with httpx2.AsyncClient(transport=transport, base_url="http://encoder") as client:
        yield client, batcher
    await batcher.close()


def asked(texts: Sequence[str], digest: str = DIGEST) -> dict[str, object]:
    return {"digest": digest, "texts": list(texts)}


def test_it_answers_the_codes_of_the_hash_function() -> None:
    async def scenario() -> None:
        async with serving() as (client, _):
            answer = (await client.post("/v1/encode", json=asked(["sort a list", "?"]))).raise_for_status().json()
        wanted = FUNCTION.encode([Text("sort a list"), Text("?")])
        assert answer["n_bits"] == 24
        assert answer["n_known"] == wanted.n_known_features.tolist()
        np.testing.assert_array_equal(
            np.frombuffer(base64.b64decode(answer["codes"]), np.uint8).reshape(-1, 3), wanted.codes
        )

    asyncio.run(scenario())


def test_it_explains_codes_by_words() -> None:
    async def scenario() -> None:
        async with serving() as (client, _):
            body = asked(["sort a list", "?"]) | {"bits": [3, 20]}
            answer = (await client.post("/v1/explain", json=body)).raise_for_status().json()
            too_many = await client.post("/v1/explain", json=asked(["word"] * 65))
            no_bit = await client.post("/v1/explain", json=asked(["word"]) | {"bits": [24]})
        assert answer["n_asked"] == 2
        assert [text["words"] for text in answer["texts"]] == [["sort", "a", "list"], []]
        (wanted, _) = explain(FUNCTION, [Text("sort a list"), Text("?")], [3, 20])
        logits = np.frombuffer(base64.b64decode(answer["texts"][0]["logits"]), "<f4").reshape(3, 2)
        np.testing.assert_allclose(logits, wanted.logits, atol=1e-6)
        assert (too_many.status_code, no_bit.status_code) == (422, 422)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (asked(["fine", " "]), 422, "urn:nearbit:problem:invalid-content"),
        (asked(["fine"], digest="short"), 422, "urn:nearbit:problem:invalid-input"),
        (asked(["fine"], digest=CORRUPT), 500, "urn:nearbit:problem:corrupt-artifact"),
        (asked(["fine"], digest=UNKNOWN), 404, "urn:nearbit:problem:not-found"),
        ({"digest": DIGEST}, 422, "urn:nearbit:problem:invalid-input"),
        (asked(["a"] * 1_001), 422, "urn:nearbit:problem:invalid-input"),
        (asked(["long " * 100_000] * 3), 422, "urn:nearbit:problem:invalid-input"),
    ],
)
def test_it_refuses_with_a_problem_that_says_why(body: dict[str, object], status: int, kind: str) -> None:
    async def scenario() -> None:
        async with serving() as (client, _):
            response = await client.post("/v1/encode", json=body)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == kind
        assert len(response.content) < 1_000

    asyncio.run(scenario())


def test_a_digest_mismatch_is_named() -> None:
    async def scenario() -> None:
        async with serving() as (client, _):
            problem = (await client.post("/v1/encode", json=asked(["fine"], digest=CORRUPT))).json()
        assert problem["name"] == f"hash function {CORRUPT[:12]}"
        assert problem["reason"] == f"its digest is {DIGEST[:12]}"

    asyncio.run(scenario())


def test_a_full_queue_answers_503_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, encode = threading.Event(), HashFunction.encode

    def slow(self: HashFunction, contents: Contents) -> Encoded:
        assert opened.wait(10)
        return encode(self, contents)

    monkeypatch.setattr(HashFunction, "encode", slow)

    async def scenario() -> None:
        async with serving(max_queue=2) as (client, batcher):
            first = asyncio.ensure_future(client.post("/v1/encode", json=asked(["a"])))
            while not batcher.n_running:
                await asyncio.sleep(0.01)
            second = asyncio.ensure_future(client.post("/v1/encode", json=asked(["a", "b"])))
            while not batcher.n_waiting:
                await asyncio.sleep(0.01)
            refused = await client.post("/v1/encode", json=asked(["a"]))
            opened.set()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert (await first).status_code == (await second).status_code == 200

    asyncio.run(scenario())


def test_a_caller_that_closed_its_connection_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, encode, sizes = threading.Event(), HashFunction.encode, []

    def slow(self: HashFunction, contents: Contents) -> Encoded:
        sizes.append(len(contents))
        assert opened.wait(10)
        return encode(self, contents)

    monkeypatch.setattr(HashFunction, "encode", slow)

    async def scenario() -> None:
        batcher = Batcher(load, device="cpu", inline_chars=0)
        app = encoder_app(batcher)
        hang_up = asyncio.Event()
        body = httpx2.Request("POST", "http://encoder", json=asked(["a", "b", "c"])).content
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[object] = []

        async def receive() -> dict[str, object]:
            if messages:
                return messages.pop()
            await hang_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/encode",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"host", b"encoder")],
        }
        running = asyncio.ensure_future(batcher.encode(DIGEST, [Text("first")]))
        while not batcher.n_running:
            await asyncio.sleep(0.01)
        request = asyncio.ensure_future(app(scope, receive, send))
        while not batcher.n_waiting:
            await asyncio.sleep(0.01)
        hang_up.set()
        await request
        opened.set()
        await running
        await batcher.close()
        assert sizes == [1]
        assert batcher.stats.n_dropped == 1
        assert sent[0]["status"] == 499  # type: ignore[index]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"vectors": ["AAAA"]}, "vectors must be base64 of whole ones"),
        ({"vectors": ["?"]}, "vectors must be base64 of whole ones"),
        ({"vectors": ["AAAA" * 8]}, "an embedding must have"),
        ({"images": ["AAAA"]}, "PNG or JPEG"),
        ({}, "must have one of texts, vectors, images"),
        ({"texts": ["a"], "images": []}, "must have one of texts, vectors, images"),
    ],
)
def test_what_is_no_content_of_the_hash_function_is_refused(members: dict[str, list[str]], reason: str) -> None:
    function = untrained_hash_function(24, kind="embedding", dims=3).to_bytes()

    async def scenario() -> httpx2.Response:
        batcher = Batcher(lambda digest: function, device="cpu")
        transport = httpx2.ASGITransport(encoder_app(batcher))
        async with httpx2.AsyncClient(transport=transport, base_url="http://encoder") as client:
            response = await client.post("/v1/encode", json={"digest": digest_of(function), **members})
        await batcher.close()
        return response

    response = asyncio.run(scenario())
    assert response.status_code == 422, response.text
    assert reason in response.text
