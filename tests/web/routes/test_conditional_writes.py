from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.web.asserting import refused

TEXTS = "/v1/collections/texts"
DOCUMENTS = f"{TEXTS}/documents"

pytestmark = pytest.mark.long_on_postgresql


@pytest.fixture
def texts(client: TestClient) -> TestClient:
    client.put(TEXTS, json={"n_bits": 32})
    client.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "one", "metadata": {"n": 1, "x": {"y": 2}}}]})
    return client


def test_a_patch_changes_metadata_and_nothing_else_and_searches_know_it(texts: TestClient) -> None:
    response = texts.patch(f"{DOCUMENTS}/a", json={"metadata": {"n": 2, "x": {"z": 3}}})
    assert response.status_code == 200
    patched = response.json()
    assert {name: patched[name] for name in ("id", "revision", "changed")} == {
        "id": "a",
        "revision": 2,
        "changed": True,
    }
    stored = texts.get(f"{DOCUMENTS}/a")
    assert stored.headers["etag"] == response.headers["etag"]
    assert (stored.json()["metadata"], stored.json()["text"]) == ({"n": 2, "x": {"y": 2, "z": 3}}, "one")
    found = texts.get(f"{TEXTS}/search", params={"q": "one", "filter": '{"n": 2}', "at_least_seq": patched["seq"]})
    assert [match["id"] for match in found.json()["matches"]] == ["a"]
    assert texts.get(DOCUMENTS, params={"where": "n:1"}).json()["items"] == []


def test_null_removes_all_metadata_and_the_media_type_of_merge_patches_is_taken(texts: TestClient) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    assert texts.patch(f"{DOCUMENTS}/a", content=b'{"metadata": null}', headers=headers).json()["changed"]
    assert texts.get(f"{DOCUMENTS}/a").json()["metadata"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {"text": "two"},
        {"metadata": [1]},
        {"metadata": {"n": 1 << 70}},
        {"metadata": {"big": "x" * 70_000}},
        {"expires_at": 5},
        {"expires_at": "tomorrow"},
        {"expires_at": "2026-12-01"},
        {"expires_at": "2026-12-01T00:00:00"},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        [],
    ],
)
def test_a_patch_that_cannot_be_is_refused(lite: TestClient, body: object) -> None:
    lite.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "one"}]})
    refused(lite.patch(f"{DOCUMENTS}/a", json=body), 422, "invalid-input")
    assert lite.get(f"{DOCUMENTS}/a").json()["revision"] == 1


def test_patches_of_documents_that_do_not_exist_are_not_found_or_missing(lite: TestClient) -> None:
    refused(lite.patch(f"{DOCUMENTS}/none", json={"metadata": {}}), 404, "not-found")
    response = lite.post(f"{DOCUMENTS}/patch", json={"documents": [{"id": "none"}]})
    assert (response.status_code, response.json()["missing"]) == (200, ["none"])
    refused(lite.post(f"{DOCUMENTS}/patch", json={"documents": [{"id": "x"}, {"id": "x"}]}), 422, "duplicate-ids")


def test_many_documents_are_patched_all_or_none(texts: TestClient) -> None:
    texts.post(DOCUMENTS, json={"documents": [{"id": "b", "text": "two"}]})
    patches = [{"id": "a", "metadata": {"n": None}}, {"id": "b", "metadata": {"n": 5}, "revision": 1}]
    answer = texts.post(f"{DOCUMENTS}/patch", json={"documents": patches}).json()
    assert [one["revision"] for one in answer["documents"]] == [2, 2]
    patches[0]["metadata"] = {"n": 9}
    problem = refused(texts.post(f"{DOCUMENTS}/patch", json={"documents": patches}), 412, "revision-differs")
    assert problem["revisions"] == {"b": 2}
    assert "n" not in texts.get(f"{DOCUMENTS}/a").json()["metadata"]


def test_a_change_of_another_revision_is_refused_and_one_of_the_same_is_made(texts: TestClient) -> None:
    tag = texts.get(f"{DOCUMENTS}/a").headers["etag"]
    assert texts.patch(f"{DOCUMENTS}/a", json={"metadata": {"n": 2}}, headers={"If-Match": tag}).status_code == 200
    for header in (tag, '"1"', '"7", "8"', 'W/"2"', '""'):
        refused(texts.patch(f"{DOCUMENTS}/a", json={}, headers={"If-Match": header}), 412, "revision-differs")
        refused(texts.delete(f"{DOCUMENTS}/a", headers={"If-Match": header}), 412, "revision-differs")
    for header in ("*", '"2"', '"1" , "2"'):
        assert texts.patch(f"{DOCUMENTS}/a", json={}, headers={"If-Match": header}).status_code == 200
    now = texts.get(f"{DOCUMENTS}/a").headers["etag"]
    assert texts.delete(f"{DOCUMENTS}/a", headers={"If-Match": now}).json()["deleted"]
    refused(texts.delete(f"{DOCUMENTS}/a", headers={"If-Match": "*"}), 412, "revision-differs")


def test_the_tag_of_a_deleted_document_is_not_that_of_one_with_its_id(texts: TestClient) -> None:
    before = texts.get(f"{DOCUMENTS}/a").headers["etag"]
    texts.delete(f"{DOCUMENTS}/a")
    texts.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "one"}]})
    assert texts.get(f"{DOCUMENTS}/a").json()["revision"] == 1
    refused(texts.delete(f"{DOCUMENTS}/a", headers={"If-Match": before}), 412, "revision-differs")


@pytest.mark.parametrize("header", ["", "3", "a", '"a', '"a" "b"', '"a",'])
def test_an_if_match_that_is_none_is_refused(lite: TestClient, header: str) -> None:
    refused(lite.delete(f"{DOCUMENTS}/a", headers={"If-Match": header}), 422, "invalid-input")


def test_a_batch_with_another_revision_is_refused_as_a_whole(texts: TestClient) -> None:
    documents = [{"id": "new", "text": "n", "revision": 0}, {"id": "a", "text": "two", "revision": 2}]
    problem = refused(texts.post(DOCUMENTS, json={"documents": documents}), 412, "revision-differs")
    assert problem["revisions"] == {"a": 1}
    refused(texts.get(f"{DOCUMENTS}/new"), 404, "not-found")
    documents[1]["revision"] = 1
    answer = texts.post(DOCUMENTS, json={"documents": documents})
    assert [one["revision"] for one in answer.json()["documents"]] == [1, 2]
    assert refused(texts.post(DOCUMENTS, json={"documents": documents}), 412, "revision-differs")["revisions"] == {
        "new": 1,
        "a": 2,
    }


def test_existing_documents_are_left_alone_and_counted_where_that_is_asked(texts: TestClient) -> None:
    documents = [{"id": "a", "text": "other"}, {"id": "b", "text": "two"}, {"text": "three"}]
    response = texts.post(DOCUMENTS, params={"if_absent": True}, json={"documents": documents})
    assert response.status_code == 201
    answer = response.json()
    assert [(one["created"], one["skipped"]) for one in answer["documents"]] == [(False, True), *[(True, False)] * 2]
    assert (answer["existing"], "revision" in answer["documents"][0]) == (1, False)
    assert texts.get(f"{DOCUMENTS}/a").json()["text"] == "one"
    again = texts.post(DOCUMENTS, params={"if_absent": True}, json={"documents": documents[:2]})
    assert (again.status_code, again.json()["existing"]) == (200, 2)
    both = {"if_absent": True, "skip_duplicates": 0}
    refused(texts.post(DOCUMENTS, params=both, json={"documents": documents}), 422, "invalid-input")


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put as known", "patch", "patch as known", "delete", "delete as known", "read"]),
        st.sampled_from("ab"),
        st.integers(0, 2),
    ),
    min_size=4,
    max_size=12,
)


@given(CHANGES)
@examples(15)
def test_a_writer_that_sends_what_it_knows_never_overwrites_what_it_has_not_seen(
    client: TestClient, changes: list[tuple[str, str, int]]
) -> None:
    client.put(TEXTS, json={"n_bits": 32})
    for id in "ab":
        client.delete(f"{DOCUMENTS}/{id}")
    known: dict[str, tuple[int, str]] = {}
    current: dict[str, int] = {}  # by id, how many changes were made of it in all
    seen: dict[str, int] = {}
    for what, id, n in changes:
        path, is_known = f"{DOCUMENTS}/{id}", what.endswith("as known")
        revision, tag = known.get(id, (0, '"none"'))
        headers = {"If-Match": tag} if is_known else {}
        exists = client.get(path).status_code == 200
        before = client.get(path).json().get("revision")
        if what == "read":
            response = client.get(path)
            known.pop(id, None)
            if response.status_code == 200:
                known[id] = response.json()["revision"], response.headers["etag"]
            seen[id] = current.get(id, 0)
            continue
        if what.startswith("put"):
            document = {"id": id, "text": "same", "metadata": {"n": n}} | ({"revision": revision} if is_known else {})
            response = client.post(DOCUMENTS, json={"documents": [document]})
        elif what.startswith("patch"):
            response = client.patch(path, json={"metadata": {"n": n}}, headers=headers)
        else:
            response = client.delete(path, headers=headers)
        if is_known and response.status_code not in (404, 412) and what != "put as known":
            assert seen.get(id, 0) == current.get(id, 0)
        if what == "put as known":
            assert (response.status_code == 412) == ((before or 0) != revision)
        after = client.get(path)
        if (after.json().get("revision"), after.status_code == 200) != (before, exists):
            current[id] = current.get(id, 0) + 1
