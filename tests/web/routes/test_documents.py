import json
from itertools import product
from urllib.parse import quote

import httpx2
import pytest
from fastapi.testclient import TestClient

from service.hashing.content import Text
from service.store import collections, documents
from service.store.database import Database
from service.store.documents import NewDocument
from tests.web.asserting import refused
from tests.web.conftest import Start

DOCUMENTS = "/v1/collections/texts/documents"
SIMILAR = "/v1/collections/texts/similar"
JSON = {"Content-Type": "application/json"}


def put(client: TestClient, *documents: dict[str, object]) -> dict[str, object]:
    response = client.post(DOCUMENTS, json={"documents": documents})
    assert response.status_code in (200, 201), response.text
    answer: dict[str, object] = response.json()
    return answer


def raw(client: TestClient, method: str, path: str) -> httpx2.Response:
    """The response to a request whose path is sent as it is, with nothing resolved or escaped."""
    url = httpx2.URL("http://localhost").copy_with(raw_path=path.encode("ascii"))
    response: httpx2.Response = client.request(method, url)
    return response


@pytest.fixture
def texts(client: TestClient) -> TestClient:
    client.put("/v1/collections/texts", json={"n_bits": 32})
    return client


def test_documents_are_stored_as_they_came(texts: TestClient) -> None:
    metadata = {"n": 1.5, "deep": [{"ü": None}, True, "\\u0000"], "big": 2**53}
    added = put(texts, {"id": "a/b c?d#ü", "text": "naïve 東京\n\ttext", "metadata": metadata})
    stored = {"created": True, "changed": True, "known": True, "revision": 1}
    assert added["documents"] == [{"id": "a/b c?d#ü", **stored}]
    for path in ("a%2Fb%20c%3Fd%23%C3%BC", "a/b%20c%3Fd%23%C3%BC"):
        stored = texts.get(f"{DOCUMENTS}/{path}").json()
        assert (stored["id"], stored["text"]) == ("a/b c?d#ü", "naïve 東京\n\ttext")
        assert (stored["metadata"], stored["revision"]) == (metadata, 1)


def test_a_document_without_an_id_is_given_one(texts: TestClient) -> None:
    added = put(texts, {"text": "one"}, {"text": "two"})
    ids = [d["id"] for d in added["documents"]]  # type: ignore[attr-defined]
    assert len(set(ids)) == 2
    assert texts.get(f"{DOCUMENTS}/{ids[1]}").json()["text"] == "two"


def test_putting_the_same_id_again_replaces_the_document(texts: TestClient) -> None:
    first = texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "one", "metadata": {"x": 1}}]})
    same = texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "one"}]})
    other = texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "two"}, {"id": "b", "text": "new"}]})
    assert [r.status_code for r in (first, same, other)] == [201, 200, 201]
    assert same.json()["documents"] == [{"id": "a", "created": False, "changed": False, "known": True, "revision": 2}]
    assert [d["changed"] for d in other.json()["documents"]] == [True, True]
    stored = texts.get(f"{DOCUMENTS}/a").json()
    assert (stored["text"], stored["metadata"], stored["revision"]) == ("two", {}, 3)
    assert stored["updated_at"] >= stored["created_at"]


def test_a_text_without_a_known_word_is_kept_and_flagged(texts: TestClient) -> None:
    assert put(texts, {"id": "a", "text": "?!"})["documents"] == [
        {"id": "a", "created": True, "changed": True, "known": False, "revision": 1}
    ]


def test_documents_are_listed_page_by_page_in_the_order_of_arrival(texts: TestClient) -> None:
    put(texts, *({"id": f"d{i}", "text": f"text {i}"} for i in (3, 1, 2, 5, 4)))
    first = texts.get(DOCUMENTS, params={"limit": 3}).json()
    second = texts.get(DOCUMENTS, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [d["id"] for d in first["items"] + second["items"]] == ["d3", "d1", "d2", "d5", "d4"]
    assert second["next_cursor"] is None


def test_deleting_is_idempotent(texts: TestClient) -> None:
    added = put(texts, {"id": "a", "text": "one"})
    deleted = texts.delete(f"{DOCUMENTS}/a").json()
    assert deleted["deleted"]
    assert deleted["seq"] > added["seq"]
    assert texts.delete(f"{DOCUMENTS}/a").json() == {"deleted": False, "seq": None}
    refused(texts.get(f"{DOCUMENTS}/a"), 404, "not-found")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at least one character that is not white space"),
        (" \n\t\u3000", "at least one character that is not white space"),
        ("x" * 100_001, "at most 100000 characters long, got 100001"),
        ("a\x00b", "NUL character"),
    ],
)
def test_a_text_that_cannot_be_hashed_is_refused_by_its_place_and_nothing_is_kept(
    texts: TestClient, text: str, says: str
) -> None:
    body = {"documents": [{"id": "good", "text": "fine"}, {"id": "bad", "text": text}]}
    problem = refused(texts.post(DOCUMENTS, json=body), 422, "invalid-content")
    assert says in problem["detail"]
    assert problem["position"] == 1
    assert texts.get(DOCUMENTS).json()["items"] == []


def test_lone_surrogates_are_refused_wherever_they_stand(texts: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    for document in (
        r'{"text": "a\ud800"}',
        r'{"id": "\udfff", "text": "a"}',
        r'{"text": "a", "metadata": {"x": ["\ud800"]}}',
        r'{"text": "a", "metadata": {"\ud800": 1}}',
        r'{"text": "a", "\ud800": 1}',
    ):
        response = texts.post(DOCUMENTS, content=f'{{"documents": [{document}]}}', headers=headers)
        assert response.status_code == 422, response.text
        assert response.json()["type"].endswith(("invalid-input", "invalid-content"))
    assert texts.get(DOCUMENTS).json()["items"] == []


def test_an_id_twice_in_a_batch_is_refused_by_name(texts: TestClient) -> None:
    body = {"documents": [{"id": i, "text": "a"} for i in ("x", "y", "x")]}
    assert refused(texts.post(DOCUMENTS, json=body), 422, "duplicate-ids")["ids"] == ["x"]


@pytest.mark.parametrize("id", ["", "x" * 513, "a\nb", "a\x00b", "a\x85b", "a/similar", True, 5.0])
def test_an_id_that_cannot_be_is_refused(lite: TestClient, id: object) -> None:
    problem = refused(lite.post(DOCUMENTS, json={"documents": [{"id": id, "text": "a"}]}), 422, "invalid-input")
    assert "documents.0.id" in problem["detail"]


@pytest.mark.parametrize("path", ["%00", "a%01b", "a%C2%85b", "x" * 513])
def test_an_id_that_cannot_be_in_a_path_is_refused(lite: TestClient, path: str) -> None:
    refused(lite.get(f"{DOCUMENTS}/{path}"), 422, "invalid-input")
    refused(lite.delete(f"{DOCUMENTS}/{path}"), 422, "invalid-input")


def test_an_empty_and_a_too_large_batch_are_refused(lite: TestClient) -> None:
    refused(lite.post(DOCUMENTS, json={"documents": []}), 422, "invalid-input")
    body = {"documents": [{"text": "a"}] * 1_001}
    problem = refused(lite.post(DOCUMENTS, json=body), 422, "invalid-input")
    assert problem["detail"] == "documents must be at most 1000 per request, got 1001"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"documents": [', {"Content-Type": "application/json"}, 400),
        (b'{"documents": [{"text": "\xff\xfe"}]}', {"Content-Type": "application/json"}, 400),
        (b'{"documents": ' + b"[" * 100_000, {"Content-Type": "application/json"}, 400),
        (b'{"documents": [{"text": "a"}]}', {"Content-Type": "text/plain"}, 415),
        (b'{"documents": [{"text": "a"}]}', {}, 415),
    ],
    ids=["cut short", "no UTF-8", "too deep", "another media type", "no media type"],
)
def test_a_body_that_is_not_json_is_refused(
    lite: TestClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    refused(lite.post(DOCUMENTS, content=content, headers=headers), status, None)


def test_no_body_at_all_and_a_wrong_shape_are_refused(lite: TestClient) -> None:
    refused(lite.post(DOCUMENTS), 422, "invalid-input")
    for body in ([], {"documents": "x"}, {"documents": [[]]}, {"documents": [{"txt": "a"}]}, {"docs": []}):
        assert refused(lite.post(DOCUMENTS, json=body), 422, "invalid-input")["errors"]


def test_a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, max_body_bytes=2_000)
    client.put("/v1/collections/texts")
    body = json.dumps({"documents": [{"text": "x" * 3_000}]}).encode()
    headers = {"Content-Type": "application/json"}
    refused(client.post(DOCUMENTS, content=body, headers=headers), 413, None)
    chunks = (body[i : i + 500] for i in range(0, len(body), 500))
    response = client.post(DOCUMENTS, content=chunks, headers={**headers, "Transfer-Encoding": "chunked"})
    refused(response, 413, None)
    assert client.get(DOCUMENTS).json()["items"] == []


def test_an_unknown_collection_is_named(client: TestClient) -> None:
    for response in (
        client.post("/v1/collections/none/documents", json={"documents": [{"text": "a"}]}),
        client.get("/v1/collections/none/documents"),
        client.get("/v1/collections/none/documents/a"),
        client.delete("/v1/collections/none/documents/a"),
    ):
        problem = refused(response, 404, "not-found")
        assert (problem["kind"], problem["name"]) == ("collection", "none")


@pytest.mark.parametrize("cursor", ["x", "ImEi", "LTE", "MS4w", "dHJ1ZQ", "OTIyMzM3MjAzNjg1NDc3NTgwOA"])
def test_a_cursor_that_was_never_given_out_is_refused(texts: TestClient, cursor: str) -> None:
    refused(texts.get(DOCUMENTS, params={"cursor": cursor}), 422, "malformed-cursor")


@pytest.mark.parametrize("id", ["..", ".", "a/../b", "./x", "x/.", "../..", "/..", "a/..", "..//"])
def test_an_id_that_clients_take_out_of_a_path_is_refused(lite: TestClient, id: str) -> None:
    problem = refused(lite.post(DOCUMENTS, json={"documents": [{"id": id, "text": "a"}]}), 422, "invalid-input")
    assert "documents.0.id" in problem["detail"]
    escaped = quote(id, safe="").replace(".", "%2E")
    for path in (escaped, escaped.replace("%2F", "/"), escaped.lower()):
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/similar")):
            problem = refused(raw(lite, method, f"{DOCUMENTS}/{path}{rest}"), 422, "invalid-input")
            assert "'.' or '..'" in problem["detail"]


@pytest.mark.parametrize("id", ["...", ".a", "a.", "a..b", "a/..b/c", ".../x", "v1.0/readme.md"])
def test_other_dots_in_an_id_are_allowed(texts: TestClient, id: str) -> None:
    put(texts, {"id": id, "text": "a"})
    assert texts.get(f"{DOCUMENTS}/{id}").json()["id"] == id
    assert texts.delete(f"{DOCUMENTS}/{id}").json()["deleted"]


def test_a_path_that_a_client_shortened_does_nothing(texts: TestClient) -> None:
    put(texts, {"id": "a", "text": "a"})
    shortened = ("/v1/collections/texts/", "/v1/collections/", "/v1/", "/v1/collections/texts/similar/")
    for method, path in product(("DELETE", "PUT", "POST", "GET", "HEAD", "PATCH"), shortened):
        response = raw(texts, method, path)
        assert response.status_code == 404, (method, path)
        assert "location" not in response.headers
    refused(texts.delete(f"{DOCUMENTS}/"), 422, "invalid-input")
    assert texts.get(f"{DOCUMENTS}/a").status_code == 200


def test_many_are_deleted_by_a_body_and_named(texts: TestClient) -> None:
    added = put(texts, *({"id": id, "text": "a"} for id in ("a", "b/c", "5", "d")))
    deleted = texts.post(f"{DOCUMENTS}/delete", json={"ids": ["b/c", "none", 5, "b/c", "5", "a"]}).json()
    assert (deleted["deleted"], deleted["ids"]) == (3, ["b/c", "5", "a"])
    assert deleted["seq"] > added["seq"]  # type: ignore[operator]
    assert [d["id"] for d in texts.get(DOCUMENTS).json()["items"]] == ["d"]
    again = texts.post(f"{DOCUMENTS}/delete", json={"ids": ["a"]}).json()
    assert again == {"deleted": 0, "ids": [], "seq": None}


def test_ids_that_no_path_can_carry_any_more_are_deleted_by_a_body(url: str, texts: TestClient) -> None:
    old = [".", "..", "a/../b", "a/similar"]
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "texts")
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(id, Text("a"), {}) for id in old])
    database.close()
    assert texts.post(f"{DOCUMENTS}/delete", json={"ids": old}).json()["ids"] == old
    assert texts.get(DOCUMENTS).json()["items"] == []


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([], "body.ids"),
        (["a"] * 1_001, "ids must be at most 1000 per request, got 1001"),
        (["a", ""], "body.ids.1"),
        (["x" * 513], "body.ids.0"),
        (["a\x00"], "body.ids.0"),
        (["\ud800"], "body.ids.0"),
        ([True], "body.ids.0"),
        ([1.0], "body.ids.0"),
        ("a", "body.ids"),
        (None, "must have ids or filter"),
    ],
)
def test_a_deletion_that_makes_no_sense_is_refused(lite: TestClient, ids: object, says: str) -> None:
    assert (
        says
        in refused(
            lite.post(f"{DOCUMENTS}/delete", content=json.dumps({"ids": ids}), headers=JSON), 422, "invalid-input"
        )["detail"]
    )


def test_a_deletion_in_an_unknown_collection_names_it(lite: TestClient) -> None:
    refused(lite.post("/v1/collections/none/documents/delete", json={"ids": ["a"]}), 404, "not-found")


@pytest.mark.parametrize(
    "id",
    [
        "Screenshot 2024-05-01 at 9.41.00\u202fAM.png",
        "a\u00a0b",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u200d\U0001f469\u200d\U0001f680",
        "\u6771\u4eac\u3000\u90fd",
        "a\ufeff\u00ad\u2060b",
        " a ",
        "line\u2028and\u2029paragraph",
        "\ue000 private, \U000e0100 selector, \U0010fffe unassigned",
    ],
)
def test_ids_in_any_script_are_kept_found_and_deleted(texts: TestClient, id: str) -> None:
    seq = {"at_least_seq": put(texts, {"id": id, "text": "one"}, {"id": "other", "text": "two"})["seq"]}
    path = f"{DOCUMENTS}/{quote(id, safe='')}"
    assert texts.get(path).json()["id"] == id
    assert texts.get(f"{path}/similar", params=seq).json()["matches"][0]["id"] == "other"
    assert texts.get(f"{DOCUMENTS}/other/similar", params=seq).json()["matches"][0]["id"] == id
    first = texts.get(DOCUMENTS, params={"limit": 1}).json()
    assert first["items"][0]["id"] == id
    assert texts.get(DOCUMENTS, params={"limit": 1, "cursor": first["next_cursor"]}).json()["items"][0]["id"] == "other"
    assert texts.delete(path).json()["deleted"]


def test_an_integer_is_taken_as_its_decimal_text(texts: TestClient) -> None:
    added = put(texts, {"id": 5, "text": "one"}, {"id": -(2**70), "text": "two"}, {"id": 0, "text": "three"})
    assert [d["id"] for d in added["documents"]] == ["5", str(-(2**70)), "0"]  # type: ignore[attr-defined]
    assert put(texts, {"id": "5", "text": "one"})["documents"][0]["created"] is False  # type: ignore[index]
    body = {"documents": [{"id": 7, "text": "a"}, {"id": "7", "text": "b"}]}
    assert refused(texts.post(DOCUMENTS, json=body), 422, "duplicate-ids")["ids"] == ["7"]


def test_a_path_that_is_not_utf8_is_refused(texts: TestClient) -> None:
    put(texts, {"id": "a\ufffd", "text": "one"})
    for method in ("GET", "DELETE"):
        assert "UTF-8" in refused(raw(texts, method, f"{DOCUMENTS}/a%ff"), 422, "invalid-input")["detail"]
    assert texts.get(f"{DOCUMENTS}/a%EF%BF%BD").status_code == 200
