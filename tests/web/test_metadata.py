import json

import pytest
from fastapi.testclient import TestClient

from service.hashing.content import Text
from service.store import collections, documents
from service.store.database import Database
from service.store.documents import NewDocument
from tests.web.asserting import refused

DOCUMENTS = "/v1/collections/texts/documents"
SIMILAR = "/v1/collections/texts/similar"
JSON = {"Content-Type": "application/json"}


def put(client: TestClient, *documents: dict[str, object]) -> dict[str, object]:
    response = client.post(DOCUMENTS, json={"documents": documents})
    assert response.status_code in (200, 201), response.text
    answer: dict[str, object] = response.json()
    return answer


@pytest.fixture
def texts(client: TestClient) -> TestClient:
    client.put("/v1/collections/texts", json={"n_bits": 32})
    return client


@pytest.mark.parametrize(
    "metadata",
    ['{"a": NaN}', '{"a": [Infinity]}', '{"a": 1e999}', r'{"a": "\u0000"}', r'{"\u0000": 1}', "[1]", '"a"'],
)
def test_metadata_that_json_or_a_database_cannot_hold_is_refused(texts: TestClient, metadata: str) -> None:
    body = f'{{"documents": [{{"text": "a", "metadata": {metadata}}}]}}'
    response = texts.post(DOCUMENTS, content=body, headers={"Content-Type": "application/json"})
    assert "metadata" in refused(response, 422, "invalid-input")["detail"]


def test_too_much_metadata_is_refused_by_its_place(lite: TestClient) -> None:
    body = {"documents": [{"text": "a"}, {"text": "b", "metadata": {"x": "y" * 17_000}}]}
    problem = refused(lite.post(DOCUMENTS, json=body), 422, "invalid-input")
    assert problem["detail"] == "documents[1]: metadata must be at most 16384 bytes of JSON"


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ('{"a": {"b": [0, 1, NaN]}}', "documents[1].metadata.a.b[2] must be a finite number"),
        ('{"a": 1e999}', "documents[1].metadata.a must be a finite number"),
        ('{"a b": [9223372036854775808]}', 'documents[1].metadata["a b"][0] must be an integer of at most 64 bits'),
        ('{"a": -9223372036854775809}', "documents[1].metadata.a must be an integer of at most 64 bits"),
        (r'{"a": [{"b": "x\u0000"}]}', "documents[1].metadata.a[0].b must be a text that does not contain the NUL"),
        (r'{"a": "\ud800"}', "documents[1].metadata.a must be a text that is valid Unicode"),
        (r'{"a": {"\udfff": 1}}', r'documents[1].metadata.a["\udfff"] must have a name that is valid Unicode'),
        (json.dumps({"a": list(range(1_000))}), "documents[1].metadata.a must not bring the whole over 1000 members"),
        ("[" * 5 + "]" * 5, "documents.1.metadata"),
        ('"a"', "documents.1.metadata"),
        ("3", "documents.1.metadata"),
    ],
)
def test_metadata_that_breaks_a_rule_is_refused_with_its_path(lite: TestClient, metadata: str, says: str) -> None:
    body = f'{{"documents": [{{"text": "a"}}, {{"text": "b", "metadata": {metadata}}}]}}'
    problem = refused(lite.post(DOCUMENTS, content=body, headers=JSON), 422, "invalid-input")
    assert says in problem["detail"]
    assert lite.get(DOCUMENTS).json()["items"] == []


def nested(depth: int, inner: str = "{}") -> str:
    """A JSON object nested that many levels deep."""
    return '{"a": ' * (depth - 1) + inner + "}" * (depth - 1)


def test_metadata_is_kept_up_to_its_bounds(texts: TestClient) -> None:
    wide = {f"m{i}": i for i in range(1_000)}
    integers = {"least": -(2**63), "greatest": 2**63 - 1, "yes": True}
    for metadata in (json.loads(nested(32)), wide, integers):
        put(texts, {"id": "a", "text": "a", "metadata": metadata})
        assert texts.get(f"{DOCUMENTS}/a").json()["metadata"] == metadata
    put(texts, {"id": "a", "text": "a", "metadata": None})
    assert texts.get(f"{DOCUMENTS}/a").json()["metadata"] == {}


@pytest.mark.parametrize("depth", [33, 100, 250, 255, 300, 900, 2_000, 100_000])
@pytest.mark.parametrize("path", [DOCUMENTS, f"{DOCUMENTS}/delete", SIMILAR, "/v1/collections/texts/retrain"])
def test_a_body_nested_however_deep_is_refused(lite: TestClient, depth: int, path: str) -> None:
    for deep in (nested(depth), nested(depth, "[]"), "[" * depth + "]" * depth):
        for body in (f'{{"documents": [{{"text": "a", "metadata": {deep}}}]}}', f'{{"documents": {deep}}}', deep):
            response = lite.post(path, content=body, headers=JSON)
            assert response.status_code in (400, 422), response.text
            assert response.headers["content-type"] == "application/problem+json"
    body = f'{{"documents": [{{"text": "a", "metadata": {nested(depth)}}}]}}'
    detail = lite.post(DOCUMENTS, content=body, headers=JSON).json()["detail"]
    assert "nested at most 32 levels deep" in detail or "nested too deeply" in detail


@pytest.mark.parametrize("depth", [33, 250, 254, 300])
def test_metadata_that_an_earlier_release_stored_too_deep_is_still_returned(
    url: str, texts: TestClient, depth: int
) -> None:
    deep = json.loads(nested(depth))
    database = Database.open(url)
    with database.read() as connection:
        collection = collections.get(connection, "texts")
    seq = {"at_least_seq": put(texts, {"id": "deep", "text": "a text"}, {"id": "b", "text": "a text too"})["seq"]}
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument("deep", Text("a text"), deep)])
    database.close()
    one = texts.get(f"{DOCUMENTS}/deep")
    assert (one.status_code, one.json()["metadata"]) == (200, deep)
    assert one.json().keys() == texts.get(f"{DOCUMENTS}/b").json().keys()
    assert one.json()["created_at"][-1] == texts.get(f"{DOCUMENTS}/b").json()["created_at"][-1] == "Z"
    listed = texts.get(DOCUMENTS)
    assert (listed.status_code, listed.json()["items"][0]) == (200, one.json())
    for answer in (
        texts.get(SIMILAR, params={"q": "a text", **seq}).json(),
        texts.get(f"{DOCUMENTS}/b/similar", params=seq).json(),
        texts.post(SIMILAR, json={"texts": ["a text"], **seq}).json()["answers"][0],
    ):
        assert answer["matches"][0]["metadata"] == deep
