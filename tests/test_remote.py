from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from service.errors import Conflict, InvalidInput, NearbitError, Unauthorized, Unavailable
from service.remote import Remote, read_batches


def answering(*responses: httpx2.Response) -> tuple[Remote, list[httpx2.Request]]:
    """A remote that gets these answers in turn, and the requests that it makes."""
    requests: list[httpx2.Request] = []
    waiting = iter(responses)

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return next(waiting)

    return Remote("http://here/", "key", httpx2.MockTransport(answer)), requests


def test_calls_go_under_v1_with_the_key_and_quoted_names() -> None:
    remote, requests = answering(httpx2.Response(200, json={"n_documents": 3}))
    with remote:
        assert remote.collection("a/b?") == {"n_documents": 3}
    assert str(requests[0].url) == "http://here/v1/collections/a%2Fb%3F"
    assert requests[0].headers["authorization"] == "Bearer key"


def test_a_service_that_is_unavailable_is_asked_again_after_the_wait_it_names() -> None:
    busy = httpx2.Response(503, json={"detail": "full"}, headers={"Retry-After": "0"})
    remote, requests = answering(busy, busy, httpx2.Response(200, json={"seq": 7}))
    assert remote.put_documents("texts", [{"text": "a"}]) == {"seq": 7}
    assert [json.loads(request.content) for request in requests] == [{"documents": [{"text": "a"}]}] * 3


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthorized), (404, NearbitError), (409, Conflict), (422, InvalidInput)]
)
def test_a_refusal_is_raised_with_the_words_of_the_service(status: int, kind: type[NearbitError]) -> None:
    remote, _ = answering(httpx2.Response(status, json={"detail": "because"}))
    with pytest.raises(kind, match=f"^http://here answered {status}: because$"):
        remote.retrain("texts")


def test_an_answer_of_something_else_and_no_answer_are_said() -> None:
    remote, _ = answering(httpx2.Response(502, text="<html>bad gateway"))
    with pytest.raises(NearbitError, match="answered 502: <html>bad gateway"):
        remote.spaces("texts")
    with (
        Remote("http://127.0.0.1:1") as nobody,
        pytest.raises(Unavailable, match=r"no answer from http://127\.0\.0\.1:1"),
    ):
        nobody.similar("texts", "a", 1)


def test_documents_are_read_page_by_page() -> None:
    pages = [{"items": [{"id": "a"}], "next_cursor": "x"}, {"items": [{"id": "b"}], "next_cursor": None}]
    remote, requests = answering(*(httpx2.Response(200, json=page) for page in pages))
    assert [document["id"] for document in remote.documents("texts")] == ["a", "b"]
    assert dict(requests[1].url.params) == {"limit": "1000", "cursor": "x"}


def test_a_job_is_watched_to_its_end() -> None:
    states = [{"id": "1", "state": "running"}, {"id": "1", "state": "failed"}]
    remote, _ = answering(*(httpx2.Response(200, json=state) for state in states))
    seen = [job["state"] for job in remote.watch({"id": "1", "state": "queued"}, every_s=0)]
    assert seen == ["queued", "running", "failed"]


def test_a_file_is_read_in_batches_without_its_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text("\n".join(json.dumps({"id": str(i), "text": "é"}) + "\n" for i in range(1_001)))
    batches = list(read_batches(file))
    assert [len(batch) for batch, _ in batches] == [1_000, 1]
    assert batches[-1][1] == file.stat().st_size


@pytest.mark.parametrize(
    ("line", "says"), [("{", "must be JSON"), ("[1]", "must be a JSON object, got list"), ('{"a": "\xff"}', "JSON")]
)
def test_a_line_that_is_no_document_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_bytes(b'{"text": "a"}\n' + line.encode("latin-1"))
    with pytest.raises(InvalidInput, match=f"docs.jsonl:2 .*{says}"):
        list(read_batches(file))
