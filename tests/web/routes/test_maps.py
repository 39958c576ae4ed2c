from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from service.hashing.codes import hamming_distance
from service.store import collections, maps, spaces
from service.store.database import Database
from service.store.maps import Places, StoredMap
from tests.web.asserting import refused

TEXTS = "/v1/collections/texts"


@pytest.fixture
def some(lite: TestClient) -> TestClient:
    """A client of a service on SQLite, with an empty collection."""
    lite.delete(TEXTS)
    assert lite.put(TEXTS, json={"n_bits": 32}).status_code == 201
    return lite


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database behind `texts`."""
    database = Database.open(url)
    yield database
    database.close()


def put(client: TestClient, ids: range, **metadata: Any) -> None:
    documents = [{"id": f"d{i}", "text": f"text {i} of topic{i % 3}", "metadata": metadata} for i in ids]
    put_all(client, documents)


def put_all(client: TestClient, documents: list[dict[str, Any]]) -> None:
    response = client.post(f"{TEXTS}/documents", json={"documents": documents})
    assert response.status_code in (200, 201), response.text
    wait_for(client, response.json()["seq"])


def wait_for(client: TestClient, seq: int) -> None:
    """Until memory has a change."""
    while int(client.get(f"{TEXTS}/map").headers["Nearbit-Seq"]) < seq:
        time.sleep(0.01)


def arrays(response: httpx2.Response, *columns: tuple[str, int]) -> list[NDArray[Any]]:
    """Numbers, then the columns of some types and widths; nothing may be left."""
    assert response.status_code == 200, response.text
    n, at = int(response.headers["Nearbit-Count"]), 0
    found = []
    for kind, width in (("<u4", 1), *columns):
        found.append(np.frombuffer(response.content, kind, n * width, at).reshape((n, width) if width > 1 else n))
        at += found[-1].nbytes
    assert at == len(response.content)
    return found


def places(client: TestClient, **params: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    numbers, positions = arrays(client.get(f"{TEXTS}/map", params=params), ("<f4", 2))
    assert (np.diff(numbers.astype(np.int64)) > 0).all()
    assert np.isfinite(positions).all()
    return numbers, positions


def numbers_of(client: TestClient, ids: list[str]) -> list[int]:
    answer = client.post(f"{TEXTS}/documents/numbers", json={"ids": ids}).json()
    return [item["number"] for item in answer["items"]]


def compute(database: Database, positions: NDArray[np.float32], keys: NDArray[np.int64]) -> StoredMap:
    """A map of the active space that has these places, as a job leaves it."""
    with database.write() as connection:
        collection = collections.get(connection, "texts")
        space = spaces.active(connection, collection.id)
        map_id = maps.start(connection, space.id, collection.last_seq)
        maps.add(connection, map_id, 0, maps.chunk(Places(keys, positions)))
        label = {"x": 1.0, "y": 2.0, "text": "a, b", "words": ["a", "b"], "level": 0, "n": 3}
        report = {"trustworthiness": 0.9, "moved": 0.25}
        maps.finish(connection, map_id, len(keys), f"digest of {positions.sum()}", report, [label])
        stored = maps.latest(connection, space.id)
    assert stored is not None
    return stored


def test_before_the_first_map_all_documents_lie_on_the_principal_components(some: TestClient) -> None:
    before = some.get(f"{TEXTS}/map")
    put(some, range(30))
    numbers, positions = places(some)
    answer = some.get(f"{TEXTS}/map")
    assert numbers.tolist() == sorted(numbers_of(some, [f"d{i}" for i in range(30)]))
    assert answer.headers["Nearbit-Method"] == "pca"
    assert len(np.unique(positions, axis=0)) == len(positions)
    assert answer.headers["ETag"] != before.headers["ETag"]
    assert some.get(f"{TEXTS}/map/labels").json() == {"items": [], "space": {"version": 1}}


def test_a_computed_map_holds_every_document_once_and_none_that_is_gone(texts: TestClient, database: Database) -> None:
    put(texts, range(40))
    keys = places(texts)[0].astype(np.int64)
    known = np.random.default_rng(0).normal(size=(len(keys), 2)).astype(np.float32)
    stored = compute(database, known, keys)
    numbers, positions = places(texts)
    assert numbers.tolist() == keys.tolist()
    assert np.array_equal(positions, known)
    headers = texts.get(f"{TEXTS}/map").headers
    assert (headers["Nearbit-Method"], headers["Nearbit-Map-Seq"]) == ("tsne", str(stored.seq))
    assert (headers["Nearbit-Trustworthiness"], headers["Nearbit-Moved"]) == ("0.9", "0.25")
    assert texts.get(f"{TEXTS}/map/labels").json()["items"][0]["words"] == ["a", "b"]

    put(texts, range(40, 45))
    assert texts.patch(f"{TEXTS}/documents/d1", json={"metadata": {"a": 1}}).status_code == 200
    put_all(texts, [{"id": "d5", "text": "another text"}])
    seq = texts.post(f"{TEXTS}/documents/delete", json={"ids": ["d7", "d8"]}).json()["seq"]
    wait_for(texts, seq)
    now, after = places(texts)
    moved, new, gone = numbers_of(texts, ["d5"]), numbers_of(texts, [f"d{i}" for i in range(40, 45)]), 2
    assert len(now) == len(keys) + 5 - gone
    assert set(new) <= set(now.tolist())
    stay = np.isin(keys, now) & ~np.isin(keys, moved)
    assert np.array_equal(after[np.isin(now, keys[stay])], known[stay])
    low, high = known.min(axis=0) - 0.1, known.max(axis=0) + 0.1
    assert ((after > low) & (after < high)).all()
    refused(texts.get(f"{TEXTS}/map", params={"space": 9}), 404, "not-found")


def test_all_codes_are_those_of_the_search_whole_or_in_parts(some: TestClient) -> None:
    put(some, range(20))
    answer = some.get(f"{TEXTS}/codes")
    n_bytes = int(answer.headers["Nearbit-Bits"]) // 8
    numbers, codes = arrays(answer, ("u1", n_bytes))
    assert numbers.tolist() == places(some)[0].tolist()
    found = some.get(f"{TEXTS}/similar", params={"code": codes[3].tobytes().hex(), "k": 5}).json()["matches"]
    distances = sorted(hamming_distance(codes, codes[3]).tolist())[:5]
    assert [match["distance"] for match in found] == distances
    parts, after = [], 0
    while True:
        part = arrays(some.get(f"{TEXTS}/codes", params={"limit": 7, "after": after}), ("u1", n_bytes))
        if not len(part[0]):
            break
        parts.append(part[1])
        after = int(part[0][-1])
    assert np.array_equal(np.concatenate(parts), codes)


def test_what_a_caller_has_already_is_not_sent_again(some: TestClient) -> None:
    put(some, range(20), color="red")
    for path in ("map", "codes", "columns/color"):
        tag = some.get(f"{TEXTS}/{path}").headers["ETag"]
        for header in (tag, f'"other", W/{tag}', "*"):
            again = some.get(f"{TEXTS}/{path}", headers={"If-None-Match": header})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert some.get(f"{TEXTS}/{path}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_values_of_a_field_come_as_numbers_or_as_categories(some: TestClient) -> None:
    values: list[Any] = ["a", "b", "a", None, 3, True, ["b", "a"], 1, "a"]
    documents = [
        {"id": f"v{i}", "text": "text", "metadata": {"n": i / 2, "list": [i, -1], "mixed": value} | ({"wide": f"w{i}"})}
        for i, value in enumerate(values)
    ]
    documents += [{"id": f"w{i}", "text": "text", "metadata": {"wide": f"x{i}"}} for i in range(300)]
    put_all(some, documents)
    ids = [f"v{i}" for i in range(len(values))]
    for field, wanted in (("n", [i / 2 for i in range(9)]), ("list", list(range(9)))):
        answer = some.get(f"{TEXTS}/columns/{field}")
        numbers, found = arrays(answer, ("<f4", 1))
        assert answer.headers["Nearbit-Kind"] == "numbers"
        assert (numbers.tolist(), found.tolist()) == (numbers_of(some, ids), wanted)
    numbers, classes, legend = categories(some.get(f"{TEXTS}/columns/mixed"))
    assert legend[:2] == ["a", "b"]
    found_values = [legend[one] for one in classes]
    assert found_values == ["a", "b", "a", 3, True, "b", 1, "a"]
    assert [type(one) for one in found_values][4:] == [bool, str, int, str]
    assert numbers.tolist() == numbers_of(some, [one for one in ids if one != "v3"])
    _, classes, legend = categories(some.get(f"{TEXTS}/columns/wide"))
    assert (len(legend), len(classes), int((classes == 255).sum())) == (255, 309, 54)
    assert categories(some.get(f"{TEXTS}/columns/nowhere"))[2] == []


def categories(response: httpx2.Response) -> tuple[NDArray[Any], NDArray[Any], list[Any]]:
    assert response.headers["Nearbit-Kind"] == "categories"
    n = int(response.headers["Nearbit-Count"])
    numbers = np.frombuffer(response.content, "<u4", n)
    return numbers, np.frombuffer(response.content, "u1", n, 4 * n), json.loads(response.content[5 * n :])


def test_documents_are_found_by_number_and_numbers_by_id(some: TestClient) -> None:
    put(some, range(3), color="red")
    some.put("/v1/collections/others")
    other = {"documents": [{"id": "d1", "text": "of another collection"}]}
    some.post("/v1/collections/others/documents", json=other)
    by_id = some.post(f"{TEXTS}/documents/numbers", json={"ids": ["d2", "nobody", "d0", "d2"]}).json()
    assert [item["id"] for item in by_id["items"]] == ["d2", "d0"]
    assert by_id["missing"] == ["nobody"]
    first = by_id["items"][0]
    assert (first["text"], first["title"], first["metadata"]) == ("text 2 of topic2", None, {"color": "red"})
    elsewhere = some.post("/v1/collections/others/documents/numbers", json={"ids": ["d1"]}).json()["items"][0]
    numbers = [first["number"], elsewhere["number"]]
    by_number = some.post(f"{TEXTS}/documents/numbers", json={"numbers": numbers}).json()
    assert by_number == {"items": [first], "missing": [elsewhere["number"]]}
    for body in ({}, {"ids": ["a"], "numbers": [1]}, {"ids": ["a"] * 1_001}, {"numbers": [-1]}, {"numbers": ["x"]}):
        refused(some.post(f"{TEXTS}/documents/numbers", json=body), 422, "invalid-input")


def test_a_map_is_computed_by_a_job(some: TestClient) -> None:
    put(some, range(30))
    job = some.post(f"{TEXTS}/map")
    assert job.status_code == 202
    assert (job.json()["kind"], job.json()["params"]) == ("map", {})
    assert refused(some.post(f"{TEXTS}/map", json={"version": 1}), 409, "job-running")["job_id"] == job.json()["id"]
    refused(some.post(f"{TEXTS}/map", json={"version": 7}), 404, "not-found")
    some.put("/v1/collections/few")
    problem = refused(some.post("/v1/collections/few/map"), 422, "too-few-documents")
    assert problem["needed"] == 20
