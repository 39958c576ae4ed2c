import time

import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused
from tests.web.conftest import Start


def test_a_collection_is_created_once_and_then_found_as_it_is(client: TestClient) -> None:
    created = client.put("/v1/collections/docs.v-1_A", json={"kind": "text", "n_bits": 128})
    again = client.put("/v1/collections/docs.v-1_A", json={"n_bits": 128})
    assert (created.status_code, again.status_code) == (201, 200)
    assert created.json() == again.json()
    assert created.json() | {"created_at": ""} == {
        "name": "docs.v-1_A",
        "kind": "text",
        "n_bits": 128,
        "seq": 0,
        "created_at": "",
    }
    assert created.json()["created_at"].endswith("Z")


def test_without_a_body_a_collection_has_64_bits(client: TestClient) -> None:
    assert client.put("/v1/collections/docs").json()["n_bits"] == 64


def test_the_same_name_with_another_width_is_a_conflict_that_names_both(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 32})
    problem = refused(client.put("/v1/collections/docs", json={"n_bits": 64}), 409, "collection-differs")
    assert problem["detail"] == "collection 'docs' exists with n_bits = 32, asked for 64"
    assert problem["collection"] == "docs"


@pytest.mark.parametrize("n_bits", [0, 7, 12, 264, -8, "x", 8.5, None, True])
def test_a_width_that_codes_cannot_have_is_refused(lite: TestClient, n_bits: object) -> None:
    problem = refused(lite.put("/v1/collections/new", json={"n_bits": n_bits}), 422, "invalid-input")
    assert "n_bits" in problem["detail"]


@pytest.mark.parametrize("name", ["-a", "a b", "a%00b", "ü", "x" * 65, "a%0A", ".a"])
def test_a_name_that_cannot_be_is_refused(lite: TestClient, name: str) -> None:
    refused(lite.put(f"/v1/collections/{name}"), 422, "invalid-input")


def test_an_unknown_kind_or_member_is_refused(lite: TestClient) -> None:
    refused(lite.put("/v1/collections/new", json={"kind": "smell"}), 422, "invalid-input")
    assert "n_bit" in refused(lite.put("/v1/collections/new", json={"n_bit": 8}), 422, "invalid-input")["detail"]


def test_a_collection_shows_the_number_of_its_documents_and_its_active_space(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 16})
    added = client.post("/v1/collections/docs/documents", json={"documents": [{"text": "one"}, {"text": "two"}]})
    detail = client.get("/v1/collections/docs").json()
    assert (detail["n_documents"], detail["seq"]) == (2, added.json()["seq"])
    assert detail["space"] == added.json()["space"]
    assert detail["replica"]["state"] in ("loading", "following")
    assert detail["replica"]["error"] is None


def test_a_collection_shows_what_its_metadata_take_in_memory(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 16})
    documents = [{"text": "one", "metadata": {"lang": "en", "seen": {"year": 2026}}}, {"text": "two"}]
    seq = client.post("/v1/collections/docs/documents", json={"documents": documents}).json()["seq"]
    deadline = time.monotonic() + 120
    while (columns := client.get("/v1/collections/docs").json()["columns"])["seq"] != seq:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert columns["n_fields"] == 2
    assert columns["memory_bytes"] > 0


def test_lists_are_paged_by_name(client: TestClient) -> None:
    for name in ("b", "a", "C", "d", "e"):
        client.put(f"/v1/collections/{name}")
    names, cursor, n_pages = [], None, 0
    while cursor is not None or n_pages == 0:
        page = client.get("/v1/collections", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        names += [c["name"] for c in page["items"]]
        cursor, n_pages = page["next_cursor"], n_pages + 1
    assert (names, n_pages) == (["C", "a", "b", "d", "e"], 3)


@pytest.mark.parametrize("cursor", ["x", "", "MQ", "bnVsbA", "IsOkIg", "Ilx1MDAwMCI", "a" * 5000, "\u00fc"])
def test_a_cursor_that_was_never_given_out_is_refused(lite: TestClient, cursor: str) -> None:
    refused(lite.get("/v1/collections", params={"cursor": cursor}), 422, "malformed-cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1e2", "9" * 30])
def test_a_limit_out_of_range_is_refused(lite: TestClient, limit: str) -> None:
    refused(lite.get("/v1/collections", params={"limit": limit}), 422, "invalid-input")


def test_a_deleted_collection_is_gone_with_its_documents_and_may_come_again(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"n_bits": 16})
    client.post("/v1/collections/docs/documents", json={"documents": [{"id": "a", "text": "one"}]})
    assert client.delete("/v1/collections/docs").status_code == 204
    refused(client.delete("/v1/collections/docs"), 404, "not-found")
    refused(client.get("/v1/collections/docs"), 404, "not-found")
    refused(client.get("/v1/collections/docs/similar", params={"q": "one"}), 404, "not-found")
    assert client.put("/v1/collections/docs", json={"n_bits": 32}).status_code == 201
    assert client.get("/v1/collections/docs").json()["n_documents"] == 0


def test_with_an_admin_key_only_a_caller_with_it_creates_and_deletes_collections(sqlite_url: str, start: Start) -> None:
    key = "a key with spaces and ü"
    client = start(sqlite_url, admin_key=key, host="0.0.0.0")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {key}".encode("latin-1")}):
        response = client.put("/v1/collections/docs", headers=headers)
        refused(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
    bearer = {"Authorization": f"Bearer {key}".encode()}
    assert client.put("/v1/collections/docs", headers=bearer).status_code == 201
    refused(client.delete("/v1/collections/docs"), 401, "unauthorized")
    refused(client.get("/v1/collections/docs"), 401, "unauthorized")
    assert client.get("/v1/collections/docs", headers=bearer).status_code == 200
    assert client.delete("/v1/collections/docs", headers=bearer).status_code == 204


# how words are found

DEFAULTS = {"language": "auto", "k1": 1.2, "b": 0.75, "title_weight": 3.0, "synonyms": []}
BAD_SETTINGS = [
    ("language", "xx"),
    ("language", ""),
    ("language", "EN"),
    ("language", 3),
    ("k1", -0.1),
    ("k1", 101),
    ("k1", "many"),
    ("b", 2),
    ("b", -1),
    ("b", [0.5]),
    ("title_weight", -1),
    ("title_weight", 1e9),
    ("synonyms", "car"),
    ("synonyms", ["car"]),
    ("synonyms", [["car"]]),
    ("synonyms", [[]]),
    ("synonyms", [["car", ""]]),
    ("synonyms", [["car", "auto", "x" * 201]]),
    ("synonyms", [["a", "b"], ["car", 3]]),
    ("synonyms", [["car", "a\u0000b"]]),
    ("synonyms", [["car", "  "]]),
    ("synonyms", [[f"w{i}" for i in range(101)]]),
    ("stemmer", "en"),
]


def settings_of(client: TestClient, collection: str) -> dict[str, object]:
    """What was set of how words are found."""
    words = client.get(f"/v1/collections/{collection}").json()["words"]
    return {name: words[name] for name in DEFAULTS}


def test_word_settings_are_given_with_a_collection_and_come_back(client: TestClient) -> None:
    client.put("/v1/collections/plain")
    assert settings_of(client, "plain") == DEFAULTS
    given = {
        "language": "de",
        "k1": 2.0,
        "b": 0.0,
        "title_weight": 0.0,
        "synonyms": [["auto", "wagen"], ["pkw", "ein auto"]],
    }
    assert client.put("/v1/collections/set", json=given).status_code == 201
    assert client.put("/v1/collections/set", json=given).status_code == 200
    assert settings_of(client, "set") == given
    assert client.get("/v1/collections/set").json()["words"]["analyzed_as"] == "de"


def test_a_collection_that_exists_with_other_word_settings_is_a_conflict(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"language": "en", "k1": 1.5})
    assert client.put("/v1/collections/docs").status_code == 200, "what is left out stays as it is"
    for name, value, there in (("language", "de", "en"), ("k1", 1.2, "1.5"), ("synonyms", [["a", "b"]], "[]")):
        problem = refused(client.put("/v1/collections/docs", json={name: value}), 409, "collection-differs")
        assert f"{name} = {there}" in problem["detail"]
    assert settings_of(client, "docs") == DEFAULTS | {"language": "en", "k1": 1.5}


def test_a_patch_changes_what_it_names_and_leaves_the_rest(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"language": "en", "k1": 1.5})
    expected = DEFAULTS | {"language": "en", "k1": 1.5}
    for change in ({"b": 0.5}, {"synonyms": [["a", "b c"]]}, {"k1": 0}, {"language": "none"}, {}, {"synonyms": []}):
        response = client.patch("/v1/collections/docs", json=change)
        assert response.status_code == 200, response.text
        expected |= change
        assert {name: response.json()["words"][name] for name in DEFAULTS} == expected
        assert settings_of(client, "docs") == expected


def test_a_patch_changes_what_codes_are_judged_by(client: TestClient) -> None:
    client.put("/v1/collections/docs")
    assert client.get("/v1/collections/docs").json()["judge"] == "aim"
    for judge in ("label:group", "pairs", "neighbors"):
        assert client.patch("/v1/collections/docs", json={"judge": judge}).json()["judge"] == judge
        assert client.patch("/v1/collections/docs", json={"b": 0.5}).json()["judge"] == judge
    refused(client.patch("/v1/collections/docs", json={"judge": "label:"}), 422, "invalid-input")


def test_a_patch_says_when_new_codes_are_made(client: TestClient) -> None:
    client.put("/v1/collections/docs")
    first = client.get("/v1/collections/docs").json()
    assert (first["auto_retrain"], first["retrain_advised"], first["drift"]["growth"]) == ("off", [], None)
    whole = {"growth": 0.5, "drift": True, "hours": [1, 5]}
    for given, shown in (
        ("advise", "advise"),
        (whole, whole),
        ({"drift": True}, {"growth": None, "drift": True, "hours": None}),
        ("off", "off"),
    ):
        response = client.patch("/v1/collections/docs", json={"auto_retrain": given})
        assert response.status_code == 200, response.text
        assert client.get("/v1/collections/docs").json()["auto_retrain"] == shown
    for wrong in ("on", {}, {"growth": 0}, {"drift": False}, {"drift": True, "hours": [1, 24]}, {"growth": 1, "at": 3}):
        refused(client.patch("/v1/collections/docs", json={"auto_retrain": wrong}), 422, "invalid-input")
    refused(
        client.patch("/v1/collections/docs", json={"auto_retrain": whole | {"hours": [3, 3]}}), 422, "invalid-input"
    )


def test_upkeep_is_settled_at_creation_and_again_only_as_it_is(client: TestClient) -> None:
    upkeep = {
        "judge": "label:group",
        "auto_retrain": {"growth": 0.5, "drift": True, "hours": [1, 5]},
        "keep_queries": 9,
    }
    assert client.put("/v1/collections/docs", json=upkeep).status_code == 201
    detail = client.get("/v1/collections/docs").json()
    assert {name: detail[name] for name in upkeep} == upkeep
    for same in ({}, upkeep, {"keep_queries": 9}):
        assert client.put("/v1/collections/docs", json=same).status_code == 200
    for name, value in (
        ("judge", "aim"),
        ("auto_retrain", "off"),
        ("auto_retrain", {"drift": True}),
        ("keep_queries", 0),
    ):
        problem = refused(client.put("/v1/collections/docs", json={name: value}), 409, "collection-differs")
        assert f"exists with {name} = {upkeep[name]}".split("[")[0] in problem["detail"]  # hours are a tuple there
    for name, value in (("judge", "size"), ("auto_retrain", {}), ("keep_queries", 1001)):
        assert name in refused(client.put("/v1/collections/no", json={name: value}), 422, "invalid-input")["detail"]
    refused(client.get("/v1/collections/no"), 404, "not-found")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS)
def test_a_bad_word_setting_is_refused_by_its_name(lite: TestClient, method: str, name: str, value: object) -> None:
    path = "/v1/collections/texts" if method == "PATCH" else "/v1/collections/never"
    problem = refused(lite.request(method, path, json={name: value}), 422, "invalid-input")
    assert name in problem["detail"]
    assert settings_of(lite, "texts") == DEFAULTS
    refused(lite.get("/v1/collections/never"), 404, "not-found")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("name", ["k1", "b", "title_weight"])
def test_a_word_setting_that_is_no_number_is_refused(lite: TestClient, name: str, number: bytes) -> None:
    content = b'{"%s": %s}' % (name.encode(), number)
    headers = {"Content-Type": "application/json"}
    response = lite.patch("/v1/collections/texts", content=content, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert settings_of(lite, "texts") == DEFAULTS


def test_a_patch_of_a_collection_that_is_not_there_is_not_found(lite: TestClient) -> None:
    refused(lite.patch("/v1/collections/none", json={"b": 0.5}), 404, "not-found")


def test_a_patch_does_not_change_what_a_collection_is(lite: TestClient) -> None:
    for change in ({"n_bits": 64}, {"kind": "text"}, {"name": "other"}):
        refused(lite.patch("/v1/collections/texts", json=change), 422, "invalid-input")


def test_a_patch_needs_the_admin_key(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, admin_key="the key", host="0.0.0.0")
    bearer = {"Authorization": "Bearer the key"}
    client.put("/v1/collections/docs", headers=bearer)
    refused(client.patch("/v1/collections/docs", json={"b": 0.5}), 401, "unauthorized")
    assert client.patch("/v1/collections/docs", json={"b": 0.5}, headers=bearer).status_code == 200


def test_a_change_of_settings_changes_what_is_found(client: TestClient) -> None:
    client.put("/v1/collections/docs", json={"language": "none", "n_bits": 16})
    documents = [{"id": "a", "text": "inverted files"}, {"id": "b", "text": "an automobile"}]
    seq = client.post("/v1/collections/docs/documents", json={"documents": documents}).json()["seq"]

    def found(q: str) -> list[str]:
        asked = {"q": q, "rank": "words", "at_least_seq": seq, "typos": False}
        return [m["id"] for m in client.get("/v1/collections/docs/search", params=asked).json()["matches"]]

    def until(q: str, expected: list[str]) -> None:
        deadline = time.monotonic() + 120
        while found(q) != expected:
            assert time.monotonic() < deadline, client.get("/v1/collections/docs").text
            time.sleep(0.02)

    until("inverting", [])
    client.patch("/v1/collections/docs", json={"language": "en"})
    until("inverting", ["a"])
    client.patch("/v1/collections/docs", json={"synonyms": [["car", "automobile"]]})
    until("car", ["b"])
    client.patch("/v1/collections/docs", json={"language": "none", "synonyms": []})
    until("inverting", [])
    until("car", [])
    assert client.get("/v1/collections/docs").json()["words"]["analyzed_as"] == "none"
