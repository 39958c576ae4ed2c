from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.config import Settings
from service.ingest.documents import DocumentWriter
from service.ingest.idempotency import IdempotentCalls
from service.store import collections, schema, spaces
from service.store.database import Database
from service.store.schema import now
from service.web.app import create_app
from service.web.auth import needs
from service.web.guarded_route import GuardedRoute
from service.web.idempotency import concluded_with, idempotent_stream, is_idempotent
from service.web.response_json import json_response
from tests.web.asserting import refused
from tests.web.conftest import Start, running

TEXTS = "/v1/collections/texts"
DOCUMENTS = f"{TEXTS}/documents"
REPLAYED = "idempotent-replayed"
WITHOUT_KEY = {"/v1/jobs/{job}/cancel", "/v1/keys"}
"""POST that may be repeated as it is, and one whose answer holds a secret, which must not be kept."""


def post(client: TestClient, path: str, key: str, body: object, **headers: str) -> httpx2.Response:
    response: httpx2.Response = client.post(path, json=body, headers={"Idempotency-Key": key, **headers})
    return response


def n_documents(client: TestClient) -> int:
    n: int = client.get(TEXTS).json()["n_documents"]
    return n


@pytest.fixture
def texts(client: TestClient) -> TestClient:
    client.put(TEXTS, json={"n_bits": 32})
    return client


def test_a_call_with_the_same_key_gets_the_first_answer_again_and_does_nothing(texts: TestClient) -> None:
    body = {"documents": [{"text": "a document that is given an id"}]}
    first, second = (post(texts, DOCUMENTS, "k1", body) for _ in range(2))
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    assert (second.status_code, second.headers[REPLAYED]) == (201, "true")
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert n_documents(texts) == 1
    assert post(texts, DOCUMENTS, "k2", body).json()["documents"] != first.json()["documents"]
    assert n_documents(texts) == 2


def test_a_key_with_another_call_is_refused(texts: TestClient) -> None:
    body = {"documents": [{"id": "a", "text": "one"}]}
    assert post(texts, DOCUMENTS, "k", body).status_code == 201
    for path, other in (
        (DOCUMENTS, {"documents": [{"id": "a", "text": "two"}]}),
        (f"{DOCUMENTS}?if_absent=true", body),
        (f"{DOCUMENTS}/delete", {"ids": ["a"]}),
    ):
        assert "'k'" in refused(post(texts, path, "k", other), 422, "key-reused")["detail"]
    assert texts.get(f"{DOCUMENTS}/a").json()["text"] == "one"


def test_parts_are_the_same_whatever_boundary_a_client_draws(client: TestClient) -> None:
    client.put("/v1/collections/vectors", json={"kind": "embedding", "dims": 2, "n_bits": 16})
    array = io.BytesIO()
    np.save(array, np.eye(2, dtype=np.float32))

    def send(metadata: dict[str, int]) -> httpx2.Response:
        documents = json.dumps({"documents": [{"metadata": metadata}] * 2})
        response: httpx2.Response = client.post(
            "/v1/collections/vectors/documents",
            files={"vectors": array.getvalue(), "documents": documents.encode()},
            headers={"Idempotency-Key": "parts"},
        )
        return response

    first, second = send({"n": 1}), send({"n": 1})
    assert (first.status_code, second.headers[REPLAYED]) == (201, "true")
    assert first.request.headers["content-type"] != second.request.headers["content-type"]
    refused(send({"n": 2}), 422, "key-reused")


def test_every_post_that_writes_takes_a_key() -> None:
    app = create_app(Settings(database_url="sqlite://"))
    routes = [route.original_route for route in iter_route_contexts(app.routes)]
    writing = {
        route.path: is_idempotent(route.endpoint)
        for route in routes
        if isinstance(route, GuardedRoute) and "POST" in (route.methods or ()) and route.needs != "read"
    }
    assert {path for path, takes_key in writing.items() if not takes_key} == WITHOUT_KEY
    assert len(writing) > len(WITHOUT_KEY) + 5


def test_every_call_that_opts_in_is_answered_once(texts: TestClient) -> None:
    texts.post(DOCUMENTS, json={"documents": [{"id": f"{i}", "text": f"text {i}"} for i in range(3)]})
    for path, body in (
        (f"{DOCUMENTS}/delete", {"ids": ["0"]}),
        (f"{DOCUMENTS}/patch", {"documents": [{"id": "1", "metadata": {"n": 1}}]}),
        (f"{TEXTS}/duplicates", {"radius": 1}),
    ):
        first, second = (post(texts, path, path, body) for _ in range(2))
        assert first.status_code in (200, 202), first.text
        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert second.headers[REPLAYED] == "true"
        assert second.headers.get("location") == first.headers.get("location")


def test_a_promotion_is_answered_once_and_a_rollback_is_not_undone_by_its_repetition(
    url: str, texts: TestClient
) -> None:
    retire_a_space(url)
    for path in (f"{TEXTS}/rollback", f"{TEXTS}/spaces/2/promote"):
        first, second = (post(texts, path, path, None) for _ in range(2))
        assert first.status_code == 200, first.text
        assert second.json() == first.json()
        assert second.headers[REPLAYED] == "true"
    assert texts.get(TEXTS).json()["space"]["version"] == 2


def retire_a_space(url: str) -> None:
    """Make a second space active, of the function of the first."""
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "texts")
        first = spaces.active(connection, collection.id)
    with database.write() as connection:
        space = spaces.start(connection, collection.id, 32, "neighbor")
        spaces.set_digest(connection, space.id, first.digest or "")
        for state in ("encoding", "evaluating", "ready"):
            spaces.move(connection, space.id, state)
    with database.lane(collection.id) as lane:
        spaces.promote(lane, space.id)
    database.close()


def test_a_refused_call_runs_anew_with_the_same_key(texts: TestClient) -> None:
    bad = {"documents": [{"id": "a", "text": "one", "revision": 7}]}
    for _ in range(2):
        refused(post(texts, DOCUMENTS, "k", bad), 412, "revision-differs")
        refused(post(texts, f"{DOCUMENTS}/patch", "p", {"documents": [{"id": "a", "what": 1}]}), 422, "invalid-input")
    texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": str(i)} for i in range(1)]})
    for i in range(6):
        texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": f"v{i}"}]})
    assert post(texts, DOCUMENTS, "k", bad).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
def test_a_key_that_cannot_be_is_refused(lite: TestClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    response = lite.post(DOCUMENTS, json={"documents": [{"text": "a"}]}, headers=headers)  # type: ignore[arg-type]
    assert "Idempotency-Key must be" in refused(response, 422, "invalid-input")["detail"]


def test_twins_at_once_write_once(texts: TestClient) -> None:
    body = {"documents": [{"text": f"text {i}"} for i in range(50)]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(texts, DOCUMENTS, "twins", body), range(8)))
    done = [answer for answer in answers if answer.status_code == 201]
    assert done
    assert len({answer.content for answer in done}) == 1
    for answer in answers:
        if answer.status_code != 201:
            refused(answer, 409, "call-running")
            assert answer.headers["retry-after"] == "1"
    assert n_documents(texts) == 50
    assert post(texts, DOCUMENTS, "twins", body).content == done[0].content


def end_leases(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(schema.idempotent_calls).values(claimed_until=now(-1)))


@pytest.mark.parametrize("moment", ["before the write", "after the write"])
def test_a_process_that_is_killed_leaves_no_double_write_and_no_lost_answer(
    url: str, start: Start, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    client = start(url)
    client.put(TEXTS, json={"n_bits": 32})
    body = {"documents": [{"text": "one"}]}
    commit = DocumentWriter._commit
    written: list[Any] = []

    def killed(self: DocumentWriter, *args: Any) -> None:
        if moment == "after the write":
            written.append(commit(self, *args))
        raise RuntimeError("the process is gone at this point")

    async def no_release(self: IdempotentCalls, claim: object) -> None:
        """A process that is gone releases nothing."""

    with monkeypatch.context() as patched:
        patched.setattr(DocumentWriter, "_commit", killed)
        patched.setattr(IdempotentCalls, "release", no_release)
        assert post(client, DOCUMENTS, "k", body).status_code == 500
    if moment == "before the write":
        refused(post(client, DOCUMENTS, "k", body), 409, "call-running")
        database = Database.open(url)
        end_leases(database)
        database.close()
    answer = post(client, DOCUMENTS, "k", body)
    assert (answer.status_code, n_documents(client)) == (201, 1)
    assert (REPLAYED in answer.headers) == (moment == "after the write")
    if written:
        assert answer.json()["documents"][0]["id"] == written[0].documents[0].id


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service with two keys that may write."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path_factory.mktemp('keyed')}/nearbit.db"
        yield running(stack, url, admin_key="one", read_key="two")


def test_two_callers_do_not_share_their_answers(keyed: TestClient) -> None:
    one, two = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
    keyed.put(TEXTS, headers=one)
    body = {"documents": [{"text": "secret"}]}
    assert post(keyed, DOCUMENTS, "k", body, **one).status_code == 201
    refused(post(keyed, DOCUMENTS, "k", body, **two), 403, "forbidden")
    assert post(keyed, DOCUMENTS, "k", body, **one).headers[REPLAYED] == "true"


def streaming(url: str) -> tuple[FastAPI, list[bytes]]:
    """The app with a call that reads a body as it comes, and what it wrote."""
    app, written = create_app(Settings(database_url=url)), []
    router = APIRouter(route_class=GuardedRoute)

    @router.post("/stream")
    @idempotent_stream
    @needs("write")
    async def stream(request: Request) -> Response:
        pieces = [piece async for piece in request.stream()]

        def respond(n: int) -> Response:
            return json_response({"n": n})

        conclude = concluded_with(request, respond)
        with request.app.state.services.database.write() as connection:
            if conclude is not None:
                conclude(connection, len(written))
        written.append(b"".join(pieces))
        return respond(len(written) - 1)

    app.router.routes[:0] = router.routes
    return app, written


def test_a_body_that_is_read_as_it_comes_is_known_again(sqlite_url: str) -> None:
    app, written = streaming(sqlite_url)
    with TestClient(app, "http://localhost") as client:

        def send(*pieces: bytes) -> httpx2.Response:
            response: httpx2.Response = client.post("/stream", content=iter(pieces), headers={"Idempotency-Key": "k"})
            return response

        assert send(b"one", b"two").json() == {"n": 0}
        again = send(b"onet", b"wo")
        assert (again.json(), again.headers[REPLAYED]) == ({"n": 0}, "true")
        refused(send(b"one", b"three"), 422, "key-reused")
        assert client.post("/stream", content=b"onetwo").json() == {"n": 1}
        assert written == [b"onetwo", b"onetwo"]
