import math
import re
import time
from collections import Counter
from itertools import product
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.hashing.analysis import Analyzer, decide_language
from service.hashing.content import Text
from service.hashing.untrained import untrained_hash_function
from service.index.words import Clause
from service.store import schema
from service.store.database import Database
from service.web.schemas.similar import Answer
from tests.index.words.oracle import Oracle
from tests.oracles import flip_cost, nearest
from tests.web.asserting import refused
from tests.web.conftest import Start

SIMILAR = "/v1/collections/texts/similar"
DOCUMENTS = "/v1/collections/texts/documents"
TEXTS_PATH = "/v1/collections/texts"
VERBS, NOUNS = ("sort", "search", "parse"), ("a list", "an array", "a tree", "text", "numbers")
FUNCTION = untrained_hash_function(32)
TEXTS = {f"d{i}": f"{verb} {noun}" for i, (verb, noun) in enumerate(product(VERBS, NOUNS))}
IN_REPLICA = re.compile(r'^nearbit_replica_seq{collection="texts",pid="\d+"} (\S+)', re.MULTILINE)


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service with a small collection, known to its replica."""
    client.put("/v1/collections/texts", json={"n_bits": 32})
    documents = [{"id": id, "text": text, "metadata": {"n": len(text)}} for id, text in TEXTS.items()]
    seq = client.post(DOCUMENTS, json={"documents": documents}).json()["seq"]
    until_in_memory(client, seq)
    return client


def until_in_memory(client: TestClient, seq: int) -> None:
    deadline = time.monotonic() + 120
    services = client.app.state.services  # type: ignore[attr-defined]

    def has_words() -> bool:
        return any(
            (words := services.follower.documents(collection.collection_id)) is not None and words.read_seq >= seq
            for collection, _ in services.follower.overview()
        )

    while (
        not (reached := IN_REPLICA.findall(client.get("/metrics").text)) or float(reached[0]) < seq or not has_words()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def beyond_replica(client: TestClient) -> int:
    """A seq that the database has reached and the replica never will: SQL answers the queries that name it."""
    client.app.state.services.follower.stop()  # type: ignore[attr-defined]
    client.post(DOCUMENTS, json={"documents": [{"id": "passing", "text": "by"}]})
    seq: int = client.delete(f"{DOCUMENTS}/passing").json()["seq"]
    return seq


def ask(client: TestClient, path: str = SIMILAR, **parameters: Any) -> dict[str, Any]:
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    Answer.model_validate(answer)
    return answer


def expected(q: str, k: int, ties: str = "arrival") -> list[tuple[str, int]]:
    """The k nearest ids and distances to a text, from the definition: by distance, confidence if asked for, arrival."""
    codes = FUNCTION.encode([Text(text) for text in TEXTS.values()]).codes
    query = FUNCTION.encode([Text(q)])
    asked, sure = query.codes[0].tobytes(), query.confidence[0]
    costs = [flip_cost(code.tobytes(), asked, sure) if ties == "confidence" else 0 for code in codes]
    found = nearest(dict(enumerate(code.tobytes() for code in codes)), asked, len(TEXTS))
    return [(f"d{i}", distance) for distance, _, i in sorted((distance, costs[i], i) for distance, i in found)][:k]


def expected_near(i: int, k: int) -> list[tuple[str, int]]:
    """The k nearest ids and distances to a stored document, from the definition: by distance, arrival."""
    codes = FUNCTION.encode([Text(text) for text in TEXTS.values()]).codes
    found = nearest(dict(enumerate(code.tobytes() for code in codes)), codes[i].tobytes(), len(TEXTS))
    return [(f"d{other}", distance) for distance, other in found if other != i][:k]


def bm25(q: str) -> dict[str, float]:
    """The BM25 of each document for the words of a text, from the definition."""
    language = decide_language(list(TEXTS.values()))
    analyzer, oracle = Analyzer(language), Oracle()
    for key, text in enumerate(TEXTS.values()):
        oracle.put(key, analyzer.all_terms(text), [])
    terms = Counter(analyzer.terms(q))
    clauses = [Clause(((term, 1.0),), weight=1 + math.log(n)) for term, n in terms.items()]
    frequencies = {term: oracle.frequency(term) for term in terms}
    return {id: oracle.score(clauses, key, frequencies) or 0.0 for key, id in enumerate(TEXTS)}


@pytest.mark.parametrize("source", ["memory", "sql"])
@pytest.mark.parametrize("radius", [None, 20])
def test_equal_distances_are_ordered_by_the_confidence_of_the_query_if_asked(
    filled: TestClient, source: str, radius: int | None
) -> None:
    more = {"at_least_seq": beyond_replica(filled)} if source == "sql" else {}
    more |= {} if radius is None else {"radius": radius}
    for q in ("search a tree", "parse numbers"):
        sure = [m for m in expected(q, 100, "confidence") if radius is None or m[1] <= radius]
        assert sure != expected(q, len(sure))  # else this would show nothing
        answer = ask(filled, q=q, k=100, ties="confidence", **more)
        assert [(m["id"], m["distance"]) for m in answer["matches"]] == sure
        assert answer["work"]["source"] == source
        body = {"texts": [q], "k": 5, "ties": "confidence", **more}
        (posted,) = filled.post(SIMILAR, json=body).json()["answers"]
        assert posted["matches"] == answer["matches"][:5]


@pytest.mark.parametrize("k", [1, 7, 100])
def test_the_nearest_documents_come_in_the_order_of_distance_and_arrival(filled: TestClient, k: int) -> None:
    answer = ask(filled, q="sort the numbers", k=k)
    assert [(m["id"], m["distance"]) for m in answer["matches"]] == expected("sort the numbers", k)
    assert (answer["exact"], answer["known"], answer["space"]["version"]) == (True, True, 1)
    assert answer["work"]["source"] == "memory"


def test_a_radius_cuts_the_nearest_off(filled: TestClient) -> None:
    q = "search a tree"
    for radius in (0, 5, 32):
        inside = [(id, d) for id, d in expected(q, 100) if d <= radius]
        assert [(m["id"], m["distance"]) for m in ask(filled, q=q, radius=radius, k=100)["matches"]] == inside
    assert len(ask(filled, q=q, radius=32, k=4)["matches"]) == 4


def test_a_stored_document_finds_the_others(filled: TestClient) -> None:
    answer = ask(filled, f"{DOCUMENTS}/d3/similar", k=5)
    assert [(m["id"], m["distance"]) for m in answer["matches"]] == expected_near(3, 5)
    assert answer["known"] is None


def test_an_id_with_slashes_finds_its_neighbors_too(filled: TestClient) -> None:
    filled.post(DOCUMENTS, json={"documents": [{"id": "a/b/c", "text": "sort a list"}]})
    for path in ("a/b/c", "a%2Fb%2Fc"):
        assert ask(filled, f"{DOCUMENTS}/{path}/similar", k=1)["matches"][0]["id"] == "d0"


def test_many_texts_are_answered_as_each_alone(filled: TestClient) -> None:
    texts = ["sort", "parse text", "?!"]
    body = {"texts": texts, "k": 3, "radius": 20, "fields": ["metadata"]}
    answers = filled.post(SIMILAR, json=body).json()["answers"]
    for q, answer in zip(texts, answers, strict=True):
        alone = ask(filled, q=q, k=3, radius=20, fields="metadata")
        assert answer["matches"] == alone["matches"]
        assert (answer["code"], answer["known"]) == (alone["code"], alone["known"])
    assert [answer["known"] for answer in answers] == [True, True, False]


@pytest.mark.parametrize("q", ["parse an array", "sort and search", "tree tree numbers in a tree, sort", "an or -sort"])
def test_re_ranked_documents_come_in_the_order_of_their_words(filled: TestClient, q: str) -> None:
    answer = ask(filled, q=q, k=6, rerank="features")
    by_words = bm25(q)
    found = [(m["id"], m["distance"]) for m in answer["matches"]]
    assert found == sorted(expected(q, 100), key=lambda match: -round(by_words[match[0]], 6))[:6]
    assert [m["score"] for m in answer["matches"]] == pytest.approx([by_words[id] for id, _ in found], abs=2e-6)
    assert answer["work"]["reranked"] == len(TEXTS)
    assert answer["partial"] == ask(filled, q=q)["partial"] == []
    assert "score" not in ask(filled, q=q)["matches"][0]
    assert ask(filled, q=q)["work"]["reranked"] == 0


@pytest.mark.parametrize("shortlist", [3, 4, 9])
def test_no_more_than_the_shortlist_is_re_ranked(filled: TestClient, shortlist: int) -> None:
    q = "search numbers"
    answer = ask(filled, q=q, k=3, rerank="features", shortlist=shortlist)
    by_words = bm25(q)
    nearest_by_code = expected(q, shortlist)
    assert [(m["id"], m["distance"]) for m in answer["matches"]] == sorted(
        nearest_by_code, key=lambda match: -round(by_words[match[0]], 6)
    )[:3]
    assert answer["work"]["reranked"] == shortlist


@pytest.mark.parametrize("radius", [0, 6, 32])
def test_with_a_radius_all_within_it_are_re_ranked(filled: TestClient, radius: int) -> None:
    q = "search a tree"
    answer = ask(filled, q=q, k=100, radius=radius, rerank="features")
    assert {(m["id"], m["distance"]) for m in answer["matches"]} == {m for m in expected(q, 100) if m[1] <= radius}
    assert answer["work"]["reranked"] == len(answer["matches"])
    scores = [m["score"] for m in answer["matches"]]
    assert scores == sorted(scores, reverse=True)


def test_documents_similar_to_a_stored_one_are_re_ranked_without_it(filled: TestClient) -> None:
    answer = ask(filled, f"{DOCUMENTS}/d3/similar", k=14, rerank="features", shortlist=14)
    by_words = bm25(TEXTS["d3"])
    assert [m["id"] for m in answer["matches"]] == [
        id for id, _ in sorted(expected_near(3, 14), key=lambda match: -round(by_words[match[0]], 6))
    ]
    assert answer["work"]["reranked"] == 14


def test_many_texts_are_re_ranked_as_each_alone(filled: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.search.search._RERANKED_AT_ONCE", 20)
    monkeypatch.setattr("service.search.search._BRIEF_SHORTLIST", 5)
    texts = ["sort", "parse text", "?!", "search a tree", "numbers"]
    body = {"texts": texts, "k": 3, "rerank": "features", "shortlist": 9, "fields": ["score"]}
    answers = filled.post(SIMILAR, json=body).json()["answers"]
    for q, answer in zip(texts, answers, strict=True):
        alone = ask(filled, q=q, k=3, rerank="features", shortlist=9, fields="id,score")
        assert answer == alone | {"work": alone["work"]}
        assert answer["work"]["reranked"] == 9


def test_signs_mean_nothing_in_a_text_that_is_re_ranked(filled: TestClient) -> None:
    plain = ask(filled, q="sort parse tree", k=15, rerank="features", fields="id", shortlist=15)
    signed = ask(filled, q='+sort -parse "tree"', k=15, rerank="features", fields="id", shortlist=15)
    assert {m["id"]: m["score"] for m in signed["matches"]} == {m["id"]: m["score"] for m in plain["matches"]}


def test_without_words_in_memory_the_order_of_the_codes_stays_and_the_answer_says_so(filled: TestClient) -> None:
    more = {"at_least_seq": beyond_replica(filled), "k": 4}
    for path, asked in ((SIMILAR, {"q": "search a tree"}), (f"{DOCUMENTS}/d3/similar", {})):
        answer = ask(filled, path, rerank="features", **asked, **more)
        assert answer["partial"] == ["words"]
        assert answer["work"]["reranked"] == 0
        assert answer["matches"] == ask(filled, path, **asked, **more)["matches"]
    body = {"texts": ["search a tree", "sort"], "rerank": "features", **more}
    answers = filled.post(SIMILAR, json=body).json()["answers"]
    assert [answer["partial"] for answer in answers] == [["words"], ["words"]]


def test_a_text_without_a_known_word_is_re_ranked_to_the_order_of_the_codes(filled: TestClient) -> None:
    matches = ask(filled, q="?!", k=5, rerank="features")["matches"]
    assert [(m["id"], m["score"]) for m in matches] == [(id, 0.0) for id, _ in expected("?!", 5)]


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        (None, {"id", "distance", "text", "metadata"}),
        ("id", {"id", "distance"}),
        ("text", {"id", "distance", "text"}),
        ("metadata,id", {"id", "distance", "metadata"}),
    ],
)
def test_fields_say_what_comes_back(filled: TestClient, fields: str | None, members: set[str]) -> None:
    parameters = {"q": "sort"} | ({"fields": fields} if fields else {})
    assert all(set(match) == members for match in ask(filled, **parameters)["matches"])


def test_what_was_written_is_found_at_once_with_its_seq(filled: TestClient) -> None:
    for i in range(10):
        body = {"documents": [{"id": f"new{i}", "text": f"something new number{i}"}]}
        seq = filled.post(DOCUMENTS, json=body).json()["seq"]
        answer = ask(filled, q=f"something new number{i}", k=1, at_least_seq=seq)
        assert (answer["matches"][0]["id"], answer["matches"][0]["distance"]) == (f"new{i}", 0)
    gone = filled.delete(f"{DOCUMENTS}/new3").json()["seq"]
    matches = ask(filled, q="something new number3", k=3, at_least_seq=gone)["matches"]
    assert "new3" not in [match["id"] for match in matches]


def test_sql_answers_the_same_when_the_replica_is_behind(filled: TestClient) -> None:
    in_memory = ask(filled, q="parse numbers", k=6)
    in_sql = ask(filled, q="parse numbers", k=6, at_least_seq=beyond_replica(filled))
    assert in_sql["work"]["source"] == "sql"
    assert in_sql["matches"] == in_memory["matches"]


def test_an_empty_collection_has_no_matches(client: TestClient) -> None:
    client.put("/v1/collections/texts", json={"n_bits": 32})
    assert ask(client, q="sort")["matches"] == []


def test_a_text_without_a_known_word_is_answered_and_flagged(filled: TestClient) -> None:
    answer = ask(filled, q="?!", k=3)
    assert (answer["known"], len(answer["matches"])) == (False, 3)


@pytest.mark.parametrize(
    ("parameters", "kind", "says"),
    [
        ({"q": ""}, "invalid-content", "not white space"),
        ({"q": " \t"}, "invalid-content", "not white space"),
        ({"q": "a\x00"}, "invalid-content", "NUL"),
        ({"q": "x" * 20_001}, "invalid-content", "at most 20000 characters"),
        ({}, "invalid-input", "query.q"),
        ({"q": "a", "k": 0}, "invalid-input", "query.k"),
        ({"q": "a", "k": -1}, "invalid-input", "query.k"),
        ({"q": "a", "k": 1_001}, "invalid-input", "k must be between 1 and 1000, got 1001"),
        ({"q": "a", "k": "ten"}, "invalid-input", "query.k"),
        ({"q": "a", "k": 10**30}, "invalid-input", "k must be between"),
        ({"q": "a", "radius": -1}, "invalid-input", "query.radius"),
        ({"q": "a", "radius": 33}, "invalid-input", "radius must be between 0 and n_bits = 32, got 33"),
        ({"q": "a", "fields": "id,code"}, "invalid-input", "query.fields"),
        ({"q": "a", "rerank": "cosine"}, "invalid-input", "query.rerank"),
        ({"q": "a", "ties": "score"}, "invalid-input", "query.ties"),
        ({"q": "a", "shortlist": 100}, "invalid-input", "shortlist must come with rerank"),
        ({"q": "a", "rerank": "features", "shortlist": 0}, "invalid-input", "query.shortlist"),
        ({"q": "a", "rerank": "features", "shortlist": 9}, "invalid-input", "between k = 10 and 5000, got 9"),
        ({"q": "a", "rerank": "features", "shortlist": 5_001}, "invalid-input", "between k = 10 and 5000, got 5001"),
        ({"q": "a", "at_least_seq": -1}, "invalid-input", "query.at_least_seq"),
        ({"q": "a", "at_least_seq": 2**63}, "invalid-input", "query.at_least_seq"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    sqlite_url: str, start: Start, parameters: dict[str, Any], kind: str, says: str
) -> None:
    client = start(sqlite_url, max_text_chars=20_000)
    client.put("/v1/collections/texts", json={"n_bits": 32})
    assert says in refused(client.get(SIMILAR, params=parameters), 422, kind)["detail"]
    if "q" in parameters:
        body = {**parameters, "texts": [parameters["q"]]}
        del body["q"]
        if "fields" in body:
            body["fields"] = body["fields"].split(",")
        refused(client.post(SIMILAR, json=body), 422, kind)


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\ufeff\u00ad\t", "a\x00", "x" * 100_001])
def test_a_text_of_many_that_cannot_be_hashed_is_named_by_its_position(lite: TestClient, blank: str) -> None:
    problem = refused(lite.post(SIMILAR, json={"texts": ["fine", "fine too", blank]}), 422, "invalid-content")
    assert problem["position"] == 2
    assert problem["detail"].startswith("texts[2]: text must")
    if len(blank) < 10:
        assert refused(lite.get(SIMILAR, params={"q": blank}), 422, "invalid-content")["position"] is None


def test_every_known_parameter_passes_however_it_is_escaped(filled: TestClient) -> None:
    answer = filled.get(
        f"{SIMILAR}?&%71=sort+a%20list&k=2&radius=32&fields=id&rerank=features&shortlist=9&ties=arrival&"
    )
    assert len(answer.json()["matches"]) == 2


def test_a_text_that_is_not_utf8_is_refused_and_a_replacement_character_is_not(lite: TestClient) -> None:
    problem = refused(lite.get(f"{SIMILAR}?k=3&q=ab%ffc"), 422, "invalid-content")
    assert problem["detail"] == "text must be valid UTF-8, got another byte at 2"
    assert lite.get(SIMILAR, params={"q": "what is \ufffd?"}).status_code == 200


def test_no_texts_and_too_many_are_refused(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, max_batch=3)
    client.put("/v1/collections/texts")
    refused(client.post(SIMILAR, json={"texts": []}), 422, "invalid-input")
    problem = refused(client.post(SIMILAR, json={"texts": ["a"] * 4}), 422, "invalid-input")
    assert problem["detail"] == "texts must be at most 3 per request, got 4"


def test_an_unknown_collection_or_document_is_named(lite: TestClient) -> None:
    for path in ("/v1/collections/none/similar?q=a", "/v1/collections/none/documents/a/similar"):
        assert refused(lite.get(path), 404, "not-found")["kind"] == "collection"
    assert refused(lite.post("/v1/collections/none/similar", json={"texts": ["a"]}), 404, "not-found")
    assert refused(lite.get(f"{DOCUMENTS}/none/similar"), 404, "not-found")["kind"] == "document"


def test_a_corrupt_hash_function_is_refused_by_name(url: str, start: Start) -> None:
    client = start(url)
    digest = (
        client.put("/v1/collections/texts").json() and client.get("/v1/collections/texts").json()["space"]["digest"]
    )
    database = Database.open(url)
    with database.write() as connection:
        connection.execute(schema.hash_functions.update().values(content=b"rotten"))
    database.close()
    for response in (
        client.get(SIMILAR, params={"q": "a"}),
        client.post(DOCUMENTS, json={"documents": [{"text": "a"}]}),
    ):
        problem = refused(response, 500, "corrupt-artifact")
        assert problem["name"] == f"hash function {digest[:12]}"
        assert "its digest is" in problem["detail"]
