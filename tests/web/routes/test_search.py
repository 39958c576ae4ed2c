"""GET and POST /search over HTTP: what a query finds, what it is refused for, and what the answer says about itself."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.index.document_replicas import DocumentReplicas
from service.web.schemas.search import QueryAnswer, QueryAnswers
from tests.web.asserting import refused
from tests.web.conftest import Start

COLLECTION = "/v1/collections/texts"
SEARCH = f"{COLLECTION}/search"
DOCUMENTS = f"{COLLECTION}/documents"
RANKS = ("hybrid", "words", "code")
CORPUS: dict[str, tuple[str | None, str]] = {
    "sort": ("Sorting", "How to sort a list of numbers in place, quickly."),
    "order": (None, "A list in order: numbers that were arranged before."),
    "tree": ("Trees", "A binary tree holds numbers; walk the tree to sort them."),
    "cat": (None, "The black cat sleeps on the warm car."),
    "car": (None, "A black automobile; the cat is not in New York City."),
    "city": ("Big Apple", "Restaurants of New York City, by borough."),
    "code": (None, "Call numpy.linalg.inv to invert a matrix \U0001f44d"),
    "hamlet": (None, "To be, or not to be, that is the question."),
}
SYNONYMS = [["car", "automobile"], ["nyc", "new york city"], ["laptop", "notebook"]]


def fill(client: TestClient, **settings: Any) -> int:
    """The collection with the corpus; the seq of its last change."""
    made = client.put(COLLECTION, json={"n_bits": 32, "language": "en", "synonyms": SYNONYMS} | settings)
    assert made.status_code == 201, made.text
    documents = [
        {"id": id, "text": text, "metadata": {"n": i}} | ({"title": title} if title else {})
        for i, (id, (title, text)) in enumerate(CORPUS.items())
    ]
    added = client.post(DOCUMENTS, json={"documents": documents})
    assert added.status_code == 201, added.text
    seq: int = added.json()["seq"]
    until_words(client, seq)
    return seq


def until_words(client: TestClient, seq: int) -> None:
    """Wait until the words of every change up to a seq are in memory."""
    deadline = time.monotonic() + 120
    while True:
        answer = client.get(SEARCH, params={"q": "x", "at_least_seq": seq})
        if answer.status_code == 200 and not answer.json()["partial"]:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    """A client of a service with the corpus, whose words are in memory."""
    fill(client)
    return client


@pytest.fixture(scope="module")
def corpus(lite: TestClient) -> TestClient:
    """The same on SQLite alone, for queries, which change nothing."""
    assert lite.delete(COLLECTION).status_code == 204
    fill(lite)
    return lite


def search(client: TestClient, q: str, **parameters: Any) -> dict[str, Any]:
    response = client.get(SEARCH, params={"q": q, **parameters})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    QueryAnswer.model_validate(answer)
    return answer


def found(client: TestClient, q: str, **parameters: Any) -> list[str]:
    """Ids of what the words of a query find, best first."""
    return [match["id"] for match in search(client, q, **{"rank": "words", **parameters})["matches"]]


# what is found


def test_words_find_the_documents_that_have_them_in_any_form_and_best_first(filled: TestClient) -> None:
    assert set(found(filled, "sorting number")) == {"sort", "order", "tree"}
    assert found(filled, "sorting number")[0] == "sort"
    assert found(filled, "borough") == ["city"]
    assert found(filled, "xyzzy") == []


def test_a_document_is_found_by_its_title_and_there_a_word_counts_more(corpus: TestClient) -> None:
    assert found(corpus, "apple") == ["city"]
    assert found(corpus, "trees")[0] == "tree"


@pytest.mark.parametrize("rank", ["words", "hybrid"])
def test_plus_requires_a_word_and_minus_excludes_one(corpus: TestClient, rank: str) -> None:
    assert set(found(corpus, "numbers +tree", rank=rank)) == {"tree"}
    assert set(found(corpus, "numbers -tree", rank=rank)) == {"sort", "order"}
    assert set(found(corpus, "+numbers +list -place", rank=rank)) == {"order"}
    assert found(corpus, "+xyzzy numbers", rank=rank) == []


def test_a_phrase_is_found_only_where_its_words_follow_each_other(corpus: TestClient) -> None:
    assert set(found(corpus, '"black cat"')) == {"cat"}
    assert set(found(corpus, "black cat")) >= {"cat", "car"}
    assert set(found(corpus, '"New York City"')) == {"car", "city"}
    assert found(corpus, '"city york"') == []
    assert set(found(corpus, "\u201cblack cat\u201d")) == {"cat"}
    assert found(corpus, '"to be or not to be"') == ["hamlet"]


def test_an_excluded_phrase_leaves_documents_that_only_have_its_words(corpus: TestClient) -> None:
    assert set(found(corpus, 'cat -"black cat"')) == {"car"}
    assert set(found(corpus, 'numbers -"binary tree"')) == {"sort", "order"}


def test_an_excluded_phrase_hides_no_match_behind_the_many_that_have_it(client: TestClient) -> None:
    client.put(COLLECTION, json={"n_bits": 32, "language": "en"})
    many = [{"text": "cat cat big cat"} for _ in range(300)]
    rest = [{"id": "few", "text": "a cat among many other words of no importance at all"}]
    seq = client.post(DOCUMENTS, json={"documents": many + rest}).json()["seq"]
    until_words(client, seq)
    answer = search(client, 'cat -"big cat"', rank="words")
    assert [match["id"] for match in answer["matches"]] == ["few"]
    assert answer["exact"]


def test_a_beginning_of_a_word_finds_it_with_a_star_or_as_the_last_word_while_typing(corpus: TestClient) -> None:
    assert found(corpus, "res", typos=False) == []
    assert found(corpus, "res*") == ["city"]
    assert found(corpus, "res", prefix=True) == ["city"]
    assert found(corpus, "res* place")[0] in ("city", "sort")
    assert found(corpus, "res numbers", prefix=True, typos=False) == found(corpus, "numbers", typos=False)
    assert set(found(corpus, "tree -numb*")) <= {"tree"}


def test_an_unknown_word_is_corrected_and_the_answer_names_the_word_as_it_is_written(corpus: TestClient) -> None:
    answer = search(corpus, "resturants", rank="words")
    assert [match["id"] for match in answer["matches"]] == ["city"]
    assert answer["corrected"] == {"resturants": "restaurants"}
    assert search(corpus, "resturants", rank="words", typos=False)["matches"] == []
    assert search(corpus, "resturants", rank="words", typos=False)["corrected"] == {}


def test_a_word_that_a_document_has_is_never_corrected(corpus: TestClient) -> None:
    for word in ("cat", "car", "sort", "tree", "list"):
        assert search(corpus, word, rank="words")["corrected"] == {}
    assert "car" not in found(corpus, "+sleeps cat")


def test_synonyms_find_each_other_also_those_of_several_words(corpus: TestClient) -> None:
    assert set(found(corpus, "automobile")) == {"cat", "car"}
    assert set(found(corpus, "car")) == {"cat", "car"}
    assert set(found(corpus, "nyc")) == {"car", "city"}
    assert found(corpus, "notebook") == []


def test_stop_words_find_nothing_beside_others_but_alone_they_are_looked_for(corpus: TestClient) -> None:
    assert found(corpus, "to be or not to be")[0] == "hamlet"
    assert found(corpus, "the borough") == ["city"]


def test_an_emoji_and_a_dotted_name_are_words(corpus: TestClient) -> None:
    assert found(corpus, "\U0001f44d") == ["code"]
    assert found(corpus, "numpy.linalg.inv") == ["code"]
    assert found(corpus, "linalg") == ["code"]


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize(
    "q",
    [
        *('"', '""', '" "', '"black cat', 'black" cat', '+"', '-"" x'),
        *("*", "-", "+", "--force", "+-", "()[]{}", "?!", "...", "'", "\\", "%", "a:b", "NOT OR AND", "\U0001f600"),
    ],
)
def test_nothing_that_is_typed_is_an_error(corpus: TestClient, q: str, prefix: bool, rank: str) -> None:
    answer = corpus.get(SEARCH, params={"q": q, "prefix": prefix, "rank": rank, "highlight": True})
    assert answer.status_code == 200, answer.text
    QueryAnswer.model_validate(answer.json())


def test_a_quotation_mark_without_its_partner_is_ignored(corpus: TestClient) -> None:
    assert found(corpus, '"black cat') == found(corpus, "black cat")


@pytest.mark.parametrize("rank", RANKS)
def test_a_query_of_excluded_words_only_is_refused(corpus: TestClient, rank: str) -> None:
    problem = refused(corpus.get(SEARCH, params={"q": "-only -negatives", "rank": rank}), 422, "invalid-input")
    assert "'-only -negatives'" in problem["detail"]
    body = {"queries": ["cat", '-"a b"'], "rank": rank}
    problem = refused(corpus.post(SEARCH, json=body), 422, "invalid-input")
    assert "queries[1]" in problem["detail"]


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    "q",
    [
        " ".join(f"word{i}" for i in range(10_000)),
        "numbers " * 10_000,
        "+numbers " * 2_000,
        "x" * 100_000,
        '"' + "black cat " * 3_000 + '"',
        '"' * 9_999 + " cat",
        "resturantz* " * 2_000,
        "-tree " * 5_000 + "numbers",
        "\u4e2d" * 20_000,
    ],
    ids=["unknown", "repeated", "required", "one word", "phrase", "quotes", "beginnings", "excluded", "han"],
)
def test_a_long_query_is_answered(corpus: TestClient, q: str, rank: str) -> None:
    answer = corpus.post(SEARCH, json={"queries": [q], "rank": rank, "highlight": True})
    assert answer.status_code == 200, answer.text
    QueryAnswers.model_validate(answer.json())


def test_words_of_a_long_query_are_found_wherever_they_stand(corpus: TestClient) -> None:
    q = "borough " + " ".join(f"unknown{i}" for i in range(500))
    (answer,) = corpus.post(SEARCH, json={"queries": [q], "rank": "words"}).json()["answers"]
    assert [match["id"] for match in answer["matches"]] == ["city"]


# what is refused


@pytest.mark.parametrize("q", ["", " ", "\t\n", "\u3000"])
def test_a_blank_query_is_refused(corpus: TestClient, q: str) -> None:
    problem = refused(corpus.get(SEARCH, params={"q": q}), 422, "invalid-content")
    assert problem["detail"].startswith("q must hold at least one character")
    problem = refused(corpus.post(SEARCH, json={"queries": ["cat", q]}), 422, "invalid-content")
    assert "queries[1]" in problem["detail"]


def test_a_query_with_nul_or_a_lone_surrogate_is_refused(corpus: TestClient) -> None:
    for q in ("%00", "a%00b", "%ED%A0%80", "%FF"):
        assert refused(corpus.get(f"{SEARCH}?q={q}"), 422, "invalid-content")["detail"].startswith("q must ")
    headers = {"Content-Type": "application/json"}
    for q in (r"\u0000", r"a\u0000b", r"\ud800", r"a\udfffb"):
        response = corpus.post(SEARCH, content=f'{{"queries": ["fine", "{q}"]}}'.encode(), headers=headers)
        assert "queries[1]" in refused(response, 422, "invalid-content")["detail"]


def test_a_query_longer_than_a_text_may_be_is_refused(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, max_text_chars=1_000)
    client.put(COLLECTION)
    refused(client.get(SEARCH, params={"q": "y" * 1_001}), 422, "invalid-content")
    problem = refused(client.post(SEARCH, json={"queries": ["x", "y" * 1_001]}), 422, "invalid-content")
    assert "queries[1]" in problem["detail"]
    assert "1000" in problem["detail"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "0"),
        ("k", "-1"),
        ("k", "1.5"),
        ("k", "x"),
        ("k", "1000000"),
        ("k", "9" * 40),
        ("rank", "best"),
        ("rank", ""),
        ("prefix", "perhaps"),
        ("typos", "2"),
        ("highlight", "x"),
        ("fields", "id,smell"),
        ("fields", ""),
        ("at_least_seq", "-1"),
        ("at_least_seq", "x"),
        ("at_least_seq", str(1 << 63)),
        ("radius", "33"),
        ("radius", "-1"),
        ("offset", "-1"),
        ("offset", "100000"),
        ("filter", "lang"),
        ("filter", "[]"),
        ("filter", '{"a": null}'),
        ("where", "lang"),
        ("facets", "year:0"),
        ("facets", "a,a"),
        ("sort", ""),
        ("group_by", ""),
        ("group_size", "0"),
        ("diversity", "1.5"),
        ("min_score", "nan"),
        ("explain", "x"),
        ("shortlist", "100"),
        ("unknown", "1"),
        ("queries", "a"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(corpus: TestClient, name: str, value: str) -> None:
    problem = refused(corpus.get(SEARCH, params={"q": "cat", name: value}), 422, "invalid-input")
    assert name in problem["detail"]


def test_q_is_required(corpus: TestClient) -> None:
    assert "q" in refused(corpus.get(SEARCH), 422, "invalid-input")["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "queries"),
        ({"queries": []}, "queries"),
        ({"queries": "cat"}, "queries"),
        ({"queries": ["cat", 1]}, "queries"),
        ({"queries": ["cat", None]}, "queries"),
        ({"queries": ["cat"], "k": 0}, "k"),
        ({"queries": ["cat"], "k": 10**6}, "k"),
        ({"queries": ["cat"], "k": "many"}, "k"),
        ({"queries": ["cat"], "rank": "best"}, "rank"),
        ({"queries": ["cat"], "typos": "perhaps"}, "typos"),
        ({"queries": ["cat"], "fields": ["smell"]}, "fields"),
        ({"queries": ["cat"], "q": "cat"}, "q"),
        ({"queries": ["cat"] * 1_001}, "queries"),
        ({"queries": ["cat"] * 1_000, "k": 1_000}, "queries times k"),
        ({"queries": ["cat"], "at_least_seq": -1}, "at_least_seq"),
    ],
)
def test_a_bad_body_is_refused_and_the_member_named(corpus: TestClient, body: dict[str, Any], named: str) -> None:
    assert named in refused(corpus.post(SEARCH, json=body), 422, "invalid-input")["detail"]


def test_a_body_that_is_no_json_object_is_refused(corpus: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    refused(corpus.post(SEARCH, content=b"{", headers=headers), 400, None)
    refused(corpus.post(SEARCH, content=b"[]", headers=headers), 422, "invalid-input")
    refused(corpus.post(SEARCH, content=b"queries=a", headers={"Content-Type": "text/plain"}), 415, None)


def test_k_is_at_most_what_the_installation_allows_and_the_refusal_says_so(corpus: TestClient) -> None:
    problem = refused(corpus.get(SEARCH, params={"q": "cat", "k": 10**6}), 422, "invalid-input")
    assert problem["detail"].startswith("k must be between 1 and ")
    assert "1000000" in problem["detail"]


def test_a_collection_that_does_not_exist_is_not_found(corpus: TestClient) -> None:
    refused(corpus.get("/v1/collections/none/search", params={"q": "cat"}), 404, "not-found")
    refused(corpus.post("/v1/collections/none/search", json={"queries": ["cat"]}), 404, "not-found")


def test_an_answer_of_too_many_bytes_is_refused_and_fits_without_the_texts(url: str, start: Start) -> None:
    client = start(url, max_read_bytes=20_000)
    client.put(COLLECTION, json={"n_bits": 32})
    documents = [{"id": f"d{i}", "text": f"{'long ' * 200}{i}"} for i in range(30)]
    seq = client.post(DOCUMENTS, json={"documents": documents}).json()["seq"]
    until_words(client, seq)
    for more in ({}, {"highlight": True, "fields": "id"}, {"rank": "words"}):
        problem = refused(client.get(SEARCH, params={"q": "long", "k": 30, **more}), 422, "too-much-to-read")
        assert problem["limit"] == 20_000
    assert len(search(client, "long", k=30, fields="id")["matches"]) == 30


# what the answer says


def test_an_empty_collection_answers_with_nothing(client: TestClient) -> None:
    client.put(COLLECTION)
    for rank in RANKS:
        assert search(client, "cat", rank=rank)["matches"] == []


def test_k_matches_come_best_first_and_then_in_the_order_of_arrival(corpus: TestClient) -> None:
    for rank in RANKS:
        everything = search(corpus, "black cat numbers", rank=rank, k=100)["matches"]
        scores = [match["score"] for match in everything]
        assert scores == sorted(scores, reverse=True)
        for k in (1, 2, 3):
            assert search(corpus, "black cat numbers", rank=rank, k=k)["matches"] == everything[:k]


def test_parts_of_the_score_come_with_each_match_and_null_where_a_part_was_not_asked(corpus: TestClient) -> None:
    by_words = search(corpus, "black cat", rank="words")
    by_code = search(corpus, "black cat", rank="code")
    both = search(corpus, "black cat", rank="hybrid")
    assert all(match["score"] == match["scores"]["words"] > 0 for match in by_words["matches"])
    assert all(match["scores"]["code"] is None and match["distance"] is None for match in by_words["matches"])
    assert all(match["score"] == match["scores"]["code"] for match in by_code["matches"])
    assert all(match["scores"]["words"] is None and match["distance"] >= 0 for match in by_code["matches"])
    assert (by_words["code"], by_words["language"], by_code["language"]) == (None, "en", None)
    assert by_code["code"] == both["code"] == by_code["code"]
    assert {m["id"]: m["scores"]["words"] for m in both["matches"]} == pytest.approx(
        {m["id"]: m["scores"]["words"] for m in by_words["matches"]}, rel=1e-5
    )


def test_where_codes_have_learned_nothing_hybrid_finds_what_words_find(corpus: TestClient) -> None:
    for q in ("black cat", "numbers", "sort a tree", "new york", "xyzzy"):
        hybrid, words = (search(corpus, q, rank=rank)["matches"] for rank in ("hybrid", "words"))
        assert {match["id"] for match in hybrid} == {match["id"] for match in words}
        assert [match["id"] for match in hybrid[:1]] == [match["id"] for match in words[:1]]


def test_known_says_whether_the_query_means_anything_here(corpus: TestClient) -> None:
    assert search(corpus, "cat")["known"]
    assert search(corpus, "xyzzy cat")["known"]
    assert not search(corpus, "xyzzyqq")["known"]
    assert not search(corpus, "xyzzyqq", rank="words")["known"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_fields_choose_what_of_a_document_comes_back(corpus: TestClient, method: str) -> None:
    def first(fields: list[str] | None) -> dict[str, Any]:
        if method == "get":
            return dict(
                search(corpus, "apple", **({} if fields is None else {"fields": ",".join(fields)}))["matches"][0]
            )
        body = {"queries": ["apple"]} | ({} if fields is None else {"fields": fields})
        return dict(corpus.post(SEARCH, json=body).json()["answers"][0]["matches"][0])

    always = {"id", "score", "scores", "distance"}
    whole = first(None)
    assert whole.keys() == always | {"title", "text", "metadata"}
    assert (whole["title"], whole["text"]) == CORPUS["city"]
    for name in ("title", "text", "metadata"):
        assert first(["id", name]).keys() == always | {name}
    assert first(["id"]).keys() == always


def test_a_document_without_a_title_comes_without_one(corpus: TestClient) -> None:
    (match,) = search(corpus, "sleeps", highlight=True)["matches"]
    assert "title" not in match
    assert match["highlight"]["title_marks"] == []


def test_highlights_mark_the_words_of_the_query_in_text_and_title(corpus: TestClient) -> None:
    for fields in (None, "id"):
        chosen = {} if fields is None else {"fields": fields}
        match = search(corpus, "sorted trees", highlight=True, **chosen)["matches"][0]
        found_there = match["highlight"]
        passage, title = found_there["passage"], CORPUS["tree"][0]
        assert CORPUS["tree"][1][found_there["start"] :].startswith(passage)
        assert [passage[a:b] for a, b in found_there["marks"]] == ["tree", "tree", "sort"]
        assert title is not None
        assert [title[a:b] for a, b in found_there["title_marks"]] == ["Trees"]
        assert ("text" in match) == (fields is None)
    assert all("highlight" not in match for match in search(corpus, "tree")["matches"])


def test_highlights_mark_synonyms_completions_and_corrected_words(corpus: TestClient) -> None:
    def marked(q: str, **parameters: Any) -> set[str]:
        matches = search(corpus, q, highlight=True, rank="words", **parameters)["matches"]
        return {m["highlight"]["passage"][a:b] for m in matches for a, b in m["highlight"]["marks"]}

    assert marked("automobile") == {"automobile", "car"}
    assert marked("resturants") == {"Restaurants"}
    assert marked("restau", prefix=True) == {"Restaurants"}


def test_one_answer_of_many_is_that_of_the_query_alone(filled: TestClient) -> None:
    queries = ["black cat", "numbers +list", '"new york city"', "resturants", "xyzzy", "nyc", "the", "cat"]
    for options in ({}, {"rank": "words"}, {"rank": "code"}, {"k": 2, "highlight": True, "prefix": True}):
        response = filled.post(SEARCH, json={"queries": queries, **options})
        assert response.status_code == 200, response.text
        answers = response.json()["answers"]
        assert answers == [search(filled, q, **options) for q in queries]


def test_an_answer_holds_every_change_up_to_the_seq_that_it_was_asked_for(filled: TestClient) -> None:
    for i in range(5):
        document = {"id": "new", "text": f"fresh{i} words"}
        seq = filled.post(DOCUMENTS, json={"documents": [document]}).json()["seq"]
        assert found(filled, f"fresh{i}", at_least_seq=seq) == ["new"]
        if i:
            assert found(filled, f"fresh{i - 1}", at_least_seq=seq, typos=False) == []
    seq = filled.delete(f"{DOCUMENTS}/new").json()["seq"]
    assert found(filled, "fresh4", at_least_seq=seq, typos=False) == []
    refused(filled.get(SEARCH, params={"q": "cat", "at_least_seq": seq + 1}), 409, "seq-not-reached")
    refused(filled.post(SEARCH, json={"queries": ["cat"], "at_least_seq": seq + 1}), 409, "seq-not-reached")


def test_without_words_in_memory_codes_answer_and_the_answer_is_partial(
    url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DocumentReplicas, "_load", lambda *_: None)
    client = start(url)
    client.put(COLLECTION, json={"n_bits": 32})
    seq = client.post(DOCUMENTS, json={"documents": [{"id": "a", "text": "black cat"}]}).json()["seq"]
    for rank in ("hybrid", "words"):
        answer = search(client, 'cat +black -dog "black cat"', rank=rank, highlight=True, at_least_seq=seq)
        assert [match["id"] for match in answer["matches"]] == ["a"]
        assert (answer["partial"], answer["language"], answer["corrected"]) == (["words"], None, {})
        assert answer["matches"][0]["scores"]["words"] is None
    assert search(client, "cat", rank="code")["partial"] == []
    refused(client.get(SEARCH, params={"q": "-cat"}), 422, "invalid-input")
    assert search(client, "cat", at_least_seq=seq)["partial"] == ["words"]
    words = client.get(COLLECTION).json()["words"]
    assert (words["state"], words["n_documents"], words["error"]) == ("loading", None, None)
