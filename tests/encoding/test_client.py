import asyncio
import base64
import json

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from service.encoding.batcher import Batcher
from service.encoding.client import EncoderClient
from service.errors import CorruptArtifact, EncoderUnavailable, InvalidContent, NearbitError, NotFound, QueueFull
from service.hashing.content import Contents, Embedding, Image, Text
from service.hashing.digest import digest_of
from service.hashing.encoded import Encoded
from service.hashing.explain import explain
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from tests.hashing.pictures import png
from tests.web.encoder_app import encoder_app

FUNCTION = untrained_hash_function(24)
CONTENT = FUNCTION.to_bytes()
DIGEST = digest_of(CONTENT)
UNKNOWN = "f" * 64
TEXTS = [Text("sort a list"), Text("naïve 東京"), Text("?")]


def load(digest: str) -> bytes:
    if digest == UNKNOWN:
        raise NotFound("hash function", digest)
    return CONTENT


def raised(transport: httpx2.AsyncBaseTransport | None, digest: str = DIGEST, url: str = "http://e") -> NearbitError:
    """What asking that encoder process raises."""

    async def scenario() -> None:
        client = EncoderClient(url, timeout_s=1, transport=transport)
        try:
            await client.encode(digest, TEXTS)
        finally:
            await client.close()
            await client.close()

    with pytest.raises(NearbitError) as caught:
        asyncio.run(scenario())
    return caught.value


def raised_by_worker(digest: str) -> NearbitError:
    batcher = Batcher(load, device="cpu")
    app = encoder_app(batcher)
    try:
        return raised(httpx2.ASGITransport(app), digest)
    finally:
        asyncio.run(batcher.close())


def test_codes_over_http_are_those_of_the_hash_function() -> None:
    async def scenario() -> None:
        batcher = Batcher(load, device="cpu")
        app = encoder_app(batcher)
        client = EncoderClient("http://e", transport=httpx2.ASGITransport(app))
        got, wanted = await client.encode(DIGEST, TEXTS), FUNCTION.encode(TEXTS)
        np.testing.assert_array_equal(got.codes, wanted.codes)
        np.testing.assert_array_equal(got.n_known_features, wanted.n_known_features)
        np.testing.assert_array_equal(got.confidence, wanted.confidence)
        assert (await client.encode(DIGEST, [])).codes.shape == (0, 3)
        await client.close()
        await batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("function", "contents"),
    [
        (untrained_hash_function(24, kind="embedding", dims=3), [Embedding([0.1 * i, -1, 3e37]) for i in range(30)]),
        (untrained_hash_function(24, kind="image"), [Image(png(shade)) for shade in (0, 100, 255)]),
    ],
    ids=["vectors", "pictures"],
)
def test_codes_of_vectors_and_pictures_over_http_are_those_of_the_hash_function(
    function: HashFunction, contents: Contents
) -> None:
    async def scenario() -> None:
        batcher = Batcher(lambda digest: function.to_bytes(), device="cpu")
        app = encoder_app(batcher)
        client = EncoderClient("http://e", transport=httpx2.ASGITransport(app), max_texts=16)
        digest = digest_of(function.to_bytes())
        got, wanted = await client.encode(digest, contents), function.encode(contents)
        np.testing.assert_array_equal(got.codes, wanted.codes)
        np.testing.assert_array_equal(got.confidence, wanted.confidence)
        (explained,) = await client.explain(digest, contents[:1])
        assert explained.words == ()
        assert explained.code.tolist() == wanted.codes[0].tolist()
        with pytest.raises(InvalidContent, match="must be of the kind"):
            await client.encode(digest, [*contents[:2], Text("a")])
        await client.close()
        await batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("bits", [None, [5, 0], []])
def test_explanations_over_http_are_those_of_the_hash_function(bits: list[int] | None) -> None:
    async def scenario() -> None:
        batcher = Batcher(load, device="cpu")
        app = encoder_app(batcher)
        client = EncoderClient("http://e", transport=httpx2.ASGITransport(app), max_texts=2)
        texts = [Text("Sort a list of numbers", "Lists"), Text("?"), Text("a tree of numbers")]
        got, wanted = await client.explain(DIGEST, texts, bits), explain(FUNCTION, texts, bits)
        assert [one.words for one in got] == [one.words for one in wanted]
        for mine, theirs in zip(got, wanted, strict=True):
            np.testing.assert_allclose(mine.logits, theirs.logits, atol=1e-6)
            np.testing.assert_allclose(mine.margins, theirs.margins, atol=1e-6)
        assert await client.explain(DIGEST, [], bits) == []
        with pytest.raises(EncoderUnavailable, match="bits must be between 0 and 23, got 24"):
            await client.explain(DIGEST, texts, [24])
        await client.close()
        await batcher.close()

    asyncio.run(scenario())


def test_an_encoder_process_is_never_sent_more_texts_than_it_takes() -> None:
    async def scenario() -> None:
        batcher = Batcher(load, device="cpu")
        app = encoder_app(batcher, max_texts=2)
        client = EncoderClient("http://e", transport=httpx2.ASGITransport(app), max_texts=2)
        texts = [Text(f"text {i}") for i in range(5)]
        got, wanted = await client.encode(DIGEST, texts), FUNCTION.encode(texts)
        np.testing.assert_array_equal(got.codes, wanted.codes)
        await client.close()
        await batcher.close()

    asyncio.run(scenario())


def test_a_corrupt_hash_function_is_named_on_this_side_too() -> None:
    error = raised_by_worker("0" * 64)
    assert isinstance(error, CorruptArtifact)
    assert (error.name, error.reason) == ("hash function 000000000000", f"its digest is {DIGEST[:12]}")


def test_an_unknown_hash_function_is_not_found_on_this_side_too() -> None:
    error = raised_by_worker(UNKNOWN)
    assert isinstance(error, NotFound)
    assert (error.kind, error.name) == ("hash function", UNKNOWN)


def test_a_full_queue_over_there_is_a_full_queue_here() -> None:
    problem = {"type": "urn:nearbit:problem:queue-full", "detail": "8192 contents wait"}
    error = raised(httpx2.MockTransport(lambda _: httpx2.Response(503, json=problem)))
    assert isinstance(error, QueueFull)
    assert str(error) == "8192 contents wait"


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"n_bits": 24, "codes": "AAAA", "n_known": [1]}),
        httpx2.Response(200, json={"n_bits": 24, "codes": "AAAA", "n_known": [1, 1, 1]}),
        httpx2.Response(200, json={"n_bits": 0, "codes": "AAAA", "n_known": [1, 1, 1]}),
        httpx2.Response(502, text="bad gateway"),
        httpx2.Response(503, json={"type": "about:blank", "detail": "closing"}),
    ],
)
def test_any_other_answer_says_that_the_encoder_is_unavailable(response: httpx2.Response) -> None:
    error = raised(httpx2.MockTransport(lambda _: response))
    assert isinstance(error, EncoderUnavailable)
    assert "http://e" in str(error)


def test_nobody_listening_and_nobody_answering_in_time_say_so() -> None:
    assert "does not answer" in str(raised(None, url="http://127.0.0.1:1"))

    def late(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("late", request=request)

    assert "within 1 s" in str(raised(httpx2.MockTransport(late)))


def health(transport: httpx2.AsyncBaseTransport | None, url: str = "http://e") -> str | None:
    """What the client says of that encoder process."""

    async def scenario() -> str | None:
        client = EncoderClient(url, timeout_s=1, transport=transport)
        try:
            return await client.health()
        finally:
            await client.close()

    return asyncio.run(scenario())


def test_an_encoder_process_says_whether_it_is_well() -> None:
    batcher = Batcher(load, device="cpu")
    app = encoder_app(batcher)
    assert health(httpx2.ASGITransport(app)) is None
    asyncio.run(batcher.close())
    assert health(httpx2.ASGITransport(app)) == "encoder http://e: the encoder is closing"


@pytest.mark.parametrize(
    "response", [httpx2.Response(502, text="bad gateway"), httpx2.Response(404, json={}), httpx2.Response(503, json=[])]
)
def test_an_encoder_process_that_answers_anything_else_is_not_well(response: httpx2.Response) -> None:
    reason = health(httpx2.MockTransport(lambda _: response))
    assert reason == f"encoder http://e answered {response.status_code}"


def test_an_encoder_process_that_does_not_answer_is_not_well() -> None:
    assert "http://127.0.0.1:1 does not answer" in str(health(None, url="http://127.0.0.1:1"))

    def late(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("late", request=request)

    assert health(httpx2.MockTransport(late)) == "encoder http://e did not answer within 1 s"


class Recorded(httpx2.AsyncBaseTransport):
    """The transport of an app that takes bodies of so many bytes, and the size of each request and answer."""

    def __init__(self, app: FastAPI, max_body_bytes: int = 16 << 20) -> None:
        self.inner = httpx2.ASGITransport(app)
        self.max_body_bytes = max_body_bytes
        self.sizes: list[tuple[int, int]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        if len(body) > self.max_body_bytes:
            return httpx2.Response(413, json={"type": "about:blank", "detail": "too large"})
        response = await self.inner.handle_async_request(request)
        answer = await response.aread()
        self.sizes.append((len(body), len(answer)))
        return httpx2.Response(response.status_code, headers=response.headers, content=answer)


def over_http(contents: list[Text], max_body_bytes: int = 16 << 20) -> tuple[Encoded, Recorded]:
    """Codes of contents by an encoder process, and the sizes of what went over the wire."""
    batcher = Batcher(load, device="cpu")
    app = encoder_app(batcher)
    transport = Recorded(app, max_body_bytes)

    async def scenario() -> Encoded:
        client = EncoderClient("http://e", transport=transport)
        try:
            return await client.encode(DIGEST, contents)
        finally:
            await client.close()
            await batcher.close()

    return asyncio.run(scenario()), transport


def same(got: Encoded, contents: list[Text]) -> bool:
    wanted = FUNCTION.encode(contents)
    return (
        np.array_equal(got.codes, wanted.codes)
        and np.array_equal(got.n_known_features, wanted.n_known_features)
        and np.array_equal(got.confidence, wanted.confidence)
    )


LONG = [
    Text(" ".join(f"{chr(0x4E00 + (i * n) % 20_000)}{i * n % 9_973}" for i in range(15_000))[:100_000])
    for n in range(1, 13)
]


@pytest.mark.parametrize(
    "contents",
    [LONG, [Text(f"word {i}") for i in range(2_500)], [Text('"\\\u0001' * 30_000)] * 12, [*TEXTS, LONG[0], *TEXTS]],
    ids=["long", "many", "escapes", "mixed"],
)
def test_many_or_long_texts_travel_in_parts_of_bounded_size(contents: list[Text]) -> None:
    codes, transport = over_http(contents)
    assert same(codes, contents)
    assert max(sent for sent, _ in transport.sizes) < 1 << 20
    assert max(answered for _, answered in transport.sizes) < 8 << 20


def test_one_text_longer_than_a_part_travels_alone() -> None:
    contents = [Text("one"), Text("東 " * 200_000), Text("two")]
    codes, _ = over_http(contents)
    assert same(codes, contents)


def test_an_encoder_process_that_takes_less_at_a_time_is_sent_less_at_a_time() -> None:
    contents = [Text(f"word {i} " * 10) for i in range(200)]
    codes, transport = over_http(contents, max_body_bytes=2_000)
    assert same(codes, contents)
    assert max(sent for sent, _ in transport.sizes) <= 2_000
    with pytest.raises(EncoderUnavailable, match="413"):
        over_http([Text("x" * 3_000), *TEXTS], max_body_bytes=2_000)


def test_a_content_that_is_refused_is_named_by_its_place_among_all() -> None:
    def refusing(request: httpx2.Request) -> httpx2.Response:
        texts = json.loads(request.content)["texts"]
        if "bad" not in texts:
            n = len(texts)
            answer = {"n_bits": 8, "codes": b64(n), "n_known": [1] * n, "confidence": b64(8 * n)}
            return httpx2.Response(200, json=answer)
        problem = {"type": "urn:nearbit:problem:invalid-content", "reason": "no", "position": texts.index("bad")}
        return httpx2.Response(422, json=problem)

    async def scenario() -> None:
        client = EncoderClient("http://e", transport=httpx2.MockTransport(refusing))
        try:
            await client.encode(DIGEST, [Text(f"fine {i}") for i in range(1_234)] + [Text("bad")])
        finally:
            await client.close()

    with pytest.raises(InvalidContent) as caught:
        asyncio.run(scenario())
    assert (caught.value.reason, caught.value.position) == ("no", 1_234)


def b64(n_bytes: int) -> str:
    return base64.b64encode(bytes(n_bytes)).decode()
