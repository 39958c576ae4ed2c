"""Filters, facets, order, groups and the rest of what every search takes, over HTTP, and what is refused of it."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st

from service.search.selection import Selection
from service.web.schemas.documents import DocumentPage, FoundDocuments
from service.web.schemas.search import QueryAnswer, QueryAnswers
from service.web.schemas.similar import Answer, Answers
from tests.search.narrowing import FILTERS, counts, random_metadata, sort_key
from tests.web.asserting import refused
from tests.web.conftest import Start, running
from tests.web.routes.test_similar import until_in_memory

C = "/v1/collections/texts"
DOCUMENTS, SEARCH, SIMILAR, RECOMMEND = f"{C}/documents", f"{C}/search", f"{C}/similar", f"{C}/recommend"
WORDS = ("black", "white", "cat", "dog", "bread", "tree")
DRAWN = random.Random(12)
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    f"d{i}": (" ".join(DRAWN.choices(WORDS, k=4)), random_metadata(DRAWN)) for i in range(40)
}
Ask = Callable[..., dict[str, Any]]


def fill(client: TestClient) -> TestClient:
    client.put(C, json={"n_bits": 32})
    documents = [{"id": id, "text": text, "metadata": metadata} for id, (text, metadata) in ROWS.items()]
    put = client.post(DOCUMENTS, json={"documents": documents})
    assert put.status_code == 201
    until_in_memory(client, put.json()["seq"])
    return client


@pytest.fixture
def filled(url: str, start: Start) -> TestClient:
    """A service with documents, on both databases."""
    return fill(start(url))


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same on SQLite alone, for tests that change nothing."""
    with ExitStack() as stack:
        yield fill(running(stack, f"sqlite:///{tmp_path_factory.mktemp('narrow')}/nearbit.db"))


def in_url(options: dict[str, Any]) -> dict[str, Any]:
    """Options as parameters of a GET."""
    joined = {name: ",".join(options[name]) for name in ("facets", "fields") if name in options}
    return options | joined | ({"filter": json.dumps(options["filter"])} if "filter" in options else {})


def get(client: TestClient, path: str, **options: Any) -> Response:
    return client.get(path, params=in_url({"q": "black cat"} | options))


def asked(client: TestClient, way: str, options: dict[str, Any]) -> dict[str, Any]:
    """The answer to a query that is asked one of six ways, which its schema describes."""
    method, path = way.split()
    path = f"{C}/{path}"
    schema: Any = Answer if "similar" in path else QueryAnswer
    if method == "GET":
        answer = client.get(path, params=in_url(options | ({} if "documents/" in path else {"q": "black cat"})))
    elif path == RECOMMEND:
        answer = client.post(path, json=options | {"positive": [{"text": "black cat"}]})
    else:
        answer = client.post(path, json=options | {"queries" if path == SEARCH else "texts": ["black cat"]})
        schema = Answers if path == SIMILAR else QueryAnswers
    assert answer.status_code == 200, answer.text
    read = schema.model_validate_json(answer.content)
    whole = json.loads(read.model_dump_json(exclude_unset=True, by_alias=True))
    assert whole == answer.json()  # nothing that the schema does not name
    found: dict[str, Any] = whole["answers"][0] if "answers" in whole else whole
    return found


WAYS = (
    "GET search",
    "POST search",
    "GET similar",
    "POST similar",
    "GET documents/d1/similar",
    "POST recommend",
)


@pytest.fixture(params=WAYS)
def ask(request: pytest.FixtureRequest, read_only: TestClient) -> Ask:
    """Asks one of the six ways."""
    return lambda **options: asked(read_only, request.param, options)


def languages_of(ids: list[str]) -> dict[Any, int]:
    """How many of some documents have each language."""
    return {value: n for (_, value), n in counts([ROWS[id] for id in ids], "lang").items()}


def ids(answer: dict[str, Any]) -> list[str]:
    return [match["id"] for match in answer["matches"]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("filter", "passes"), FILTERS)
def test_matches_and_counts_are_those_that_pass_the_filter(
    read_only: TestClient, way: str, filter: dict[str, Any], passes: Callable[[dict[str, Any]], bool]
) -> None:
    whole = ids(asked(read_only, way, {"k": 100}))
    answer = asked(read_only, way, {"k": 100, "filter": filter, "facets": ["lang", "tags:2", "year:2000..2010.."]})
    expected = [id for id in whole if passes(ROWS[id][1])]
    if way.endswith("similar"):
        assert ids(answer) == expected
    assert set(ids(answer)) == set(expected)
    assert answer["work"]["passing"] == sum(passes(metadata) for _, metadata in ROWS.values())
    assert answer["work"]["matching"] == len(expected)
    languages = languages_of(expected)
    values = sorted(languages.items(), key=lambda one: (-one[1], one[0]))
    assert answer["facets"]["lang"]["values"] == [{"value": value, "count": n} for value, n in values]
    assert answer["facets"]["lang"]["missing"] == len(expected) - sum(languages.values())
    assert len(answer["facets"]["tags"]["values"]) <= 2
    assert [(one["from"], one["to"]) for one in answer["facets"]["year"]["ranges"]] == [(2000, 2010), (2010, None)]
    assert ("hint" in answer) == ("nowhere" in filter)


def test_conditions_in_one_line_must_all_hold(ask: Ask) -> None:
    answer = ask(where=["lang:en", "year:2005"], k=100)
    both = [id for id, (_, m) in ROWS.items() if m.get("lang") == "en" and m.get("year") in (2005, "2005")]
    assert set(ids(answer)) <= set(both)
    assert answer["work"]["passing"] == len(both)


@pytest.mark.parametrize("sort", ["year", "-year", "tags", "-author.name"])
def test_matches_are_in_the_order_of_a_field(ask: Ask, sort: str) -> None:
    field, is_descending = sort.removeprefix("-"), sort.startswith("-")
    answer = ask(sort=sort, k=100)
    keys = [sort_key(ROWS[id][1], field, is_descending) for id in ids(answer)]
    assert keys == sorted(keys)
    assert len(keys) == answer["work"]["matching"] == answer["work"].get("scored", len(keys))
    assert ids(ask(sort=sort, k=5, offset=3)) == ids(answer)[3:8]
    assert all("sort_value" in match for match in answer["matches"])


@pytest.mark.parametrize("options", [{}, {"diversity": 0.4}, {"sort": "year"}, {"filter": {"lang": "en"}}])
def test_pages_agree_and_the_one_after_the_last_is_empty(ask: Ask, options: dict[str, Any]) -> None:
    whole = ids(ask(k=40, **options))
    pages = [ids(ask(k=6, offset=offset, **options)) for offset in range(0, 42, 6)]
    if "diversity" not in options:  # with another k, other matches are chosen from
        assert [id for page in pages for id in page] == whole
    assert sorted(id for page in pages for id in page) == sorted(whole)
    assert ids(ask(k=6, offset=1_000, **options)) == []


def test_groups_hold_the_best_of_each_value(ask: Ask) -> None:
    whole = ids(ask(k=40))
    answer = ask(group_by="lang", group_size=2, k=3)
    expected: dict[str | None, list[str]] = {}
    for id in whole:
        expected.setdefault(ROWS[id][1].get("lang"), []).append(id)
    first = list(expected.items())[:3]
    assert answer["groups"] == [{"value": value, "matches": min(2, len(members))} for value, members in first]
    assert ids(answer) == [id for _, members in first for id in members[:2]]


def test_groups_are_looked_for_beside_the_event_loop(read_only: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    grouped, places = Selection._grouped, []

    def noted(self: Selection, *arguments: Any) -> Any:
        with suppress(RuntimeError):
            places.append(asyncio.get_running_loop())
        return grouped(self, *arguments)

    monkeypatch.setattr(Selection, "_grouped", noted)
    for path in (SEARCH, SIMILAR, f"{DOCUMENTS}/d1/similar"):
        options = {} if "/d1/" in path else {"q": "black cat"}
        assert read_only.get(path, params={"group_by": "lang", "k": 1, **options}).status_code == 200
    assert not places


def test_every_other_option_goes_with_every_search(ask: Ask) -> None:
    answer = ask(k=5, diversity=0.3, radius=20, highlight=True, explain=True, fields=["id", "metadata.lang"], offset=1)
    for match in answer["matches"]:
        assert {"explain", "highlight"} <= match.keys()
        assert "text" not in match
        assert set(match["metadata"]) <= {"lang"}


def test_matches_below_a_score_are_left_out(read_only: TestClient) -> None:
    for path, options in ((SEARCH, {}), (SIMILAR, {"rerank": "features"})):
        whole = get(read_only, path, k=40, **options).json()["matches"]
        least = whole[len(whole) // 2]["score"]
        above = get(read_only, path, k=40, min_score=least, **options).json()
        assert ids(above) == [match["id"] for match in whole if match["score"] >= least]


def test_facets_may_be_objects_in_a_body(read_only: TestClient) -> None:
    options = {"facets": [{"field": "lang", "limit": 1}, {"field": "year", "ranges": [[None, 2000], [2000, None]]}]}
    for path, name in ((SEARCH, "queries"), (SIMILAR, "texts")):
        answer = read_only.post(path, json={name: ["black cat"], **options})
        assert answer.status_code == 200, answer.text
        facets = answer.json()["answers"][0]["facets"]
        assert len(facets["lang"]["values"]) == 1
        assert len(facets["year"]["ranges"]) == 2


def test_without_a_known_word_nothing_matches_in_any_order(read_only: TestClient) -> None:
    for rank in ("words", "hybrid"):
        whole = get(read_only, SEARCH, q="zzzzqqqq", rank=rank, k=100).json()
        answer = get(read_only, SEARCH, q="zzzzqqqq", rank=rank, k=100, sort="year", facets=["lang"]).json()
        assert len(answer["matches"]) == len(whole["matches"]) == answer["work"]["matching"]
    assert get(read_only, SEARCH, rank="code").json()["work"]["matching"] is None


def test_recommendations_leave_their_examples_out(read_only: TestClient) -> None:
    body = {"positive": [{"id": "d1"}, {"id": "d1"}, {"text": "white dog"}], "negative": [{"id": "d2"}], "k": 100}
    for rank in ("hybrid", "words", "code"):
        answer = read_only.post(RECOMMEND, json=body | {"rank": rank})
        found = QueryAnswer.model_validate_json(answer.content)
        assert not {"d1", "d2"} & {match.id for match in found.matches}
        assert found.matches
        assert found.known is None


# what is refused, and what is not


def deep(n: int) -> dict[str, Any]:
    """A filter of `n` levels above a condition."""
    found: dict[str, Any] = {"lang": "en"}
    for _ in range(n):
        found = {"not": found}
    return found


def test_filters_that_are_large_but_within_the_limits_are_answered(ask: Ask) -> None:
    assert ask(filter=deep(20), k=100)["work"]["passing"] == sum(m.get("lang") == "en" for _, m in ROWS.values())
    many = {"or": [{"year": {"in": list(range(900))}}, {"lang": {"in": [f"{i}" for i in range(100)]}}]}
    assert ask(filter=many)["matches"] == []


def test_a_list_of_ten_thousand_values_is_answered_and_a_longer_one_refused(read_only: TestClient) -> None:
    body: dict[str, Any] = {"queries": ["cat"], "filter": {"year": {"in": list(range(10_000))}}}
    assert read_only.post(SEARCH, json=body).status_code == 200
    body["filter"]["year"]["in"].append(1)
    problem = refused(read_only.post(SEARCH, json=body), 422, "invalid-input")
    assert problem["detail"] == "filter must hold at most 10000 values, got more at filter.year.in[10000]"


REFUSED: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"filter": deep(40)}, ("filter", "32 levels", "filter.not.not")),
    ({"filter": {"author.living": {"gte": "abc"}}}, ("filter.author.living.gte", "booleans", "'abc'")),
    ({"filter": {"lang": 3}}, ("filter.lang", "texts", "3")),
    ({"filter": {"lang": {"gte": 1}}}, ("filter.lang.gte", "texts", "1")),
    ({"filter": {"lang": {"ge": 1}}}, ("filter.lang", "gte", '"ge"')),
    ({"filter": {"lang": None}}, ("filter.lang", "null", "exists")),
    ({"filter": {"lang": []}}, ("filter.lang", "list")),
    ({"filter": {"lang": {}}}, ("filter.lang", "none")),
    ({"filter": {"or": {"lang": "en"}}}, ("filter.or", "list")),
    ({"filter": {"lang": {"in": "en"}}}, ("filter.lang.in", "list", '"en"')),
    ({"filter": {"year": {"gt": 1, "lt": "b"}}}, ("filter.year", "numbers or by texts", '"b"')),
    ({"filter": {"year": {"gt": True}}}, ("filter.year.gt", "number", "true")),
    ({"filter": {"year": 1 << 63}}, ("filter.year", "64 bits", "9223372036854775808")),
    ({"filter": {"tags": {"prefix": 1}}}, ("filter.tags.prefix", "text", "1")),
    ({"filter": {"": 1}}, ("filter.", "field")),
    ({"filter": {"x" * 1_001: 1}}, ("1000 characters", "1001")),
    ({"filter": {"lang": "a\x00"}}, ("filter.lang", "NUL")),
    ({"where": ["lang"]}, ("where", "FIELD:VALUE", '"lang"')),
    ({"where": [":en"]}, ("where", '":en"')),
    ({"facets": ["lang", "lang:3"]}, ("facets", "once", "lang")),
    ({"facets": ["lang:0"]}, ("facets", "lang", "1 to 1000", "'0'")),
    ({"facets": ["lang:1001"]}, ("facets", "'1001'")),
    ({"facets": ["year:5..1"]}, ("facets", "year", "5 and 1")),
    ({"facets": ["year:1..b"]}, ("facets", "year", "'b'")),
    ({"facets": ["year:.."]}, ("facets", "year", "bound")),
    ({"facets": ["lang:1..2"]}, ("facets.lang", "texts", "1")),
    ({"facets": ["year:NaN.."]}, ("facets", "year", "nan")),
    ({"facets": [""]}, ("facets", "field", '""')),
    ({"facets": [f"f{i}" for i in range(51)]}, ("facets", "50", "51")),
    ({"sort": "-"}, ("sort", "field")),
    ({"sort": ""}, ("sort", "field")),
    ({"group_by": "tags"}, ("group_by", "tags", "one value", "list")),
    ({"group_by": ""}, ("group_by", "field")),
    ({"group_by": "lang", "group_size": 0}, ("group_size", "1")),
    ({"sort": "year", "diversity": 0.5}, ("sort", "diversity")),
    ({"diversity": 1.5}, ("diversity", "1")),
    ({"offset": -1}, ("offset", "0")),
    ({"offset": 100_000}, ("offset", "100000", "100010")),
    ({"radius": 33}, ("radius", "32", "33")),
    ({"explain": True, "k": 1_000}, ("explain", "100", "1000")),
    ({"explain": True, "k": 50, "group_by": "lang"}, ("explain", "100", "150")),
    ({"fields": ["author"]}, ("fields", "metadata")),
]


@pytest.mark.parametrize("way", ["GET search", "POST search", "GET similar", "POST similar", "POST recommend"])
@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_is_wrong_is_named_with_its_rule_and_value(
    read_only: TestClient, way: str, options: dict[str, Any], said: tuple[str, ...]
) -> None:
    method, path = way.split()
    if method == "GET":
        answer = get(read_only, f"{C}/{path}", **options)
    else:
        query = {
            "search": {"queries": ["cat"]},
            "similar": {"texts": ["cat"]},
            "recommend": {"positive": [{"id": "d1"}]},
        }
        answer = read_only.post(f"{C}/{path}", json=query[path] | options)
    problem = refused(answer, 422, "invalid-input")
    for part in said:
        assert part in problem["detail"], problem["detail"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"filter": "{"}, "must be JSON"),
        ({"filter": "[1]"}, "filter"),
        ({"filter": '{"a":' * 5_000}, "filter"),
        ({"filter": '{"a": NaN}'}, "filter.a"),
        ({"filter": ""}, "filter"),
        ({"facets": "year:" + "[" * 15_000}, "facets"),
        ({"min_score": "nan"}, "min_score"),
        ({"min_score": "1"}, "rerank"),
        ({"rerank": "features", "sort": "year"}, "rerank"),
        ({"wher": "lang:en"}, "where"),
    ],
)
def test_parameters_that_cannot_be_read_are_refused(
    read_only: TestClient, parameters: dict[str, str], said: str
) -> None:
    problem = refused(read_only.get(SIMILAR, params={"q": "cat", **parameters}), 422, "invalid-input")
    assert said in problem["detail"]


def test_a_value_of_brackets_is_a_text(read_only: TestClient) -> None:
    brackets = "[" * 15_000
    assert get(read_only, SIMILAR, where=f"lang:{brackets}").json()["matches"] == []
    facets = get(read_only, SIMILAR, facets=[f"lang:{brackets}.."]).json()["facets"]
    assert facets["lang"]["ranges"][0]["count"] == sum("lang" in metadata for _, metadata in ROWS.values())


def test_fields_that_no_document_has_match_nothing_and_are_named(ask: Ask) -> None:
    answer = ask(filter={"langu": "en"}, facets=["yaer"], sort="nowhere")
    assert answer["matches"] == []
    assert answer["facets"]["yaer"]["values"] == []
    for name in ("langu", "yaer", "nowhere", "lang", "year", "author.name"):
        assert name in answer["hint"]
    assert "hint" not in ask(facets=["lang"])
    assert "nowhere" in ask(group_by="nowhere")["hint"]


def test_each_condition_looks_at_the_values_of_its_type(filled: TestClient) -> None:
    values = [2005, "2005", True, "2026-11-30", "2026-11-30T00:30:00+02:00", "2026-11-30T23:00", None, [7, "x"]]
    documents = [{"id": f"v{i}", "text": "value", "metadata": {"v": value}} for i, value in enumerate(values)]
    seq = filled.post(DOCUMENTS, json={"documents": documents}).json()["seq"]
    expected: list[tuple[Any, set[str]]] = [
        (2005, {"v0"}),
        (2005.0, {"v0"}),
        ("2005", {"v1"}),
        (True, {"v2"}),
        ({"gte": 5}, {"v0", "v7"}),
        ({"gte": "2026-11-30", "lt": "2026-12-01"}, {"v3", "v5"}),  # no zone: UTC
        ({"lt": "2026-11-30T00:00:00Z"}, {"v4"}),
        ({"exists": True}, {"v0", "v1", "v2", "v3", "v4", "v5", "v7"}),
        ({"exists": False}, {"v6", *ROWS}),
        ({"contains": 7}, {"v7"}),
        ({"prefix": "2026"}, {"v3", "v4", "v5"}),
    ]
    for condition, found in expected:
        answer = get(filled, SIMILAR, q="value", filter={"v": condition}, k=100, at_least_seq=seq)
        assert set(ids(answer.json())) == found, condition
    assert set(ids(get(filled, SIMILAR, where="v:2005", k=100).json())) == {"v0", "v1"}
    answer = get(filled, SIMILAR, q="value", facets=["v"], filter={"v": {"exists": True}})
    assert {"value": True, "count": 1} in answer.json()["facets"]["v"]["values"]


def test_examples_that_cannot_be_used_are_named(read_only: TestClient) -> None:
    def problem(status: int, **body: Any) -> dict[str, Any]:
        return refused(read_only.post(RECOMMEND, json=body), status, "not-found" if status == 404 else "invalid-input")

    one = [{"id": "d1"}]
    assert "positive" in problem(422, negative=one)["detail"]
    assert "positive" in problem(422, positive=[], negative=one)["detail"]
    assert "positive" in problem(422, positive=[{"text": "x"}] * 101)["detail"]
    assert "positive.0" in problem(422, positive=[{}])["detail"]
    assert "positive.0" in problem(422, positive=[{"id": "d1", "text": "cat"}])["detail"]
    assert "q" in problem(422, positive=one, q="cat")["detail"]
    for name in ("positive", "negative"):
        missing = problem(404, **{"positive": one, name: [*one, {"id": "nobody"}]})
        assert (missing["kind"], missing["name"]) == ("document", "nobody")
    blank = read_only.post(RECOMMEND, json={"positive": [{"text": "cat"}, {"text": " "}]})
    assert "positive[1].text" in refused(blank, 422, "invalid-content")["detail"]


# the list of documents


def listed(client: TestClient, **options: Any) -> DocumentPage:
    answer = client.get(DOCUMENTS, params=in_url(options))
    assert answer.status_code == 200, answer.text
    return DocumentPage.model_validate_json(answer.content)


def pages(client: TestClient, **options: Any) -> Iterator[DocumentPage]:
    """All pages of a list, one at a time."""
    cursor: dict[str, Any] = {}
    while True:
        page = listed(client, **options, **cursor)
        yield page
        if page.next_cursor is None:
            return
        cursor = {"cursor": page.next_cursor}


@pytest.mark.parametrize(("filter", "passes"), FILTERS)
def test_the_list_is_filtered_counted_and_sorted_at_once(
    filled: TestClient, filter: dict[str, Any], passes: Callable[[dict[str, Any]], bool]
) -> None:
    expected = [id for id, (_, metadata) in ROWS.items() if passes(metadata)]
    for sort in (None, "year", "-year"):
        options = {} if sort is None else {"sort": sort}
        found = list(pages(filled, filter=filter, facets=["lang"], limit=7, **options))
        in_order = expected
        if sort is not None:
            in_order = sorted(expected, key=lambda id: sort_key(ROWS[id][1], "year", sort == "-year"))
        assert [one.id for page in found for one in page.items] == in_order
        assert {page.total for page in found} == {len(expected)}
        counted = (found[-1].facets or {})["lang"].values or ()
        assert {one.value: one.count for one in counted} == languages_of(expected)
        assert (found[0].hint is not None) == ("nowhere" in filter)


def cursor_of(position: object) -> str:
    text = json.dumps(position if isinstance(position, str) else json.dumps(position))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_cursor_of_another_order_is_refused(read_only: TestClient) -> None:
    cursors = {sort: listed(read_only, limit=3, **sort_of(sort)).next_cursor for sort in (None, "", "year", "-year")}
    for sort, cursor in cursors.items():
        for other in cursors:
            if other != sort:
                answer = read_only.get(DOCUMENTS, params={"cursor": cursor, **sort_of(other)})
                assert answer.status_code == 422
                assert "cursor" in answer.json()["detail"]
    assert (
        "sort='year'" in read_only.get(DOCUMENTS, params={"cursor": cursors["year"], "sort": "-year"}).json()["detail"]
    )


def sort_of(sort: str | None) -> dict[str, str]:
    """Parameters of a list: None for the plain one, "" for a filtered one in the order of arrival."""
    return {} if sort is None else {"sort": sort} if sort else {"where": "lang:en"}


@pytest.mark.parametrize(
    "position",
    [
        ["year", None, 1 << 63],
        ["year", None, -1],
        ["year", None, True],
        ["year", [1], 2],
        ["year", float("nan"), 2],
        ["year", 2],
        [2000, 2, 3],
        {"a": 1, "b": 2, "c": 3},
        "[" * 20_000,
        "x",
        "",
        7,
    ],
)
def test_a_cursor_that_no_list_gave_is_refused(read_only: TestClient, position: object) -> None:
    answer = read_only.get(DOCUMENTS, params={"sort": "year", "cursor": cursor_of(position)})
    refused(answer, 422, "malformed-cursor")


LONG = "x" * 300
VALUES = st.sampled_from([None, 1, 2, 2.5, "a", "b", True, LONG, LONG + "a", LONG + "b", [1, "a"]])


@settings(max_examples=25)
@given(
    values=st.lists(VALUES, min_size=4, max_size=14),
    changes=st.lists(st.tuples(st.integers(0, 99), VALUES, st.booleans()), max_size=5),
    sort=st.sampled_from(["v", "-v"]),
)
def test_paging_visits_each_document_once_while_others_come_and_go(
    read_only: TestClient, values: list[Any], changes: list[tuple[int, Any, bool]], sort: str
) -> None:
    def put(id: str, value: Any) -> None:
        metadata = {} if value is None else {"v": value}
        read_only.post(path, json={"documents": [{"id": id, "text": "x", "metadata": metadata}]})

    collection = f"/v1/collections/pages{random.getrandbits(60)}"
    path = f"{collection}/documents"
    read_only.put(collection, json={"n_bits": 8})
    for i, value in enumerate(values):
        put(f"d{i}", value)
    staying = {f"d{i}" for i in range(len(values))}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = read_only.get(path, params={"sort": sort, "limit": 2, **cursor})
        page = DocumentPage.model_validate_json(answer.content)
        seen += [one.id for one in page.items]
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}
        if changes:
            place, value, is_deleted = changes.pop()
            if is_deleted:  # also that at which the page ended
                id = sorted(staying)[place % len(staying)] if place % 2 else seen[-1]
                read_only.delete(f"{path}/{id}")
                staying.discard(id)
            else:
                put(f"new{len(changes)}", value)
    read_only.delete(collection)
    assert staying <= set(seen)
    twice = {id for id in staying if seen.count(id) > 1}  # only after a page that ended at a long text which is gone
    assert all(str(values[int(id[1:])]).startswith(LONG) for id in twice)


# many documents by id


def test_many_documents_come_in_the_order_of_their_ids_each_once(filled: TestClient) -> None:
    answer = filled.post(f"{DOCUMENTS}/get", json={"ids": ["d3", "nobody", "d1", "d3", "nobody", 7]})
    found = FoundDocuments.model_validate_json(answer.content)
    assert [one.id for one in found.items] == ["d3", "d1"]
    assert found.missing == ["nobody", "7"]
    assert found.next_ids == []
    assert found.items[0].metadata == ROWS["d3"][1]


def test_documents_that_would_be_too_long_are_to_be_asked_for_next(filled: TestClient) -> None:
    texts = {f"long{i}": "word " * 15_000 for i in range(80)}
    for i in range(0, 80, 20):
        part = list(texts.items())[i : i + 20]
        answer = filled.post(DOCUMENTS, json={"documents": [{"id": id, "text": text} for id, text in part]})
        assert answer.status_code == 201, answer.text
    waiting, seen = list(texts), []
    while waiting:
        answer = filled.post(f"{DOCUMENTS}/get", json={"ids": waiting})
        found = FoundDocuments.model_validate_json(answer.content)
        assert found.items
        seen += [one.id for one in found.items]
        waiting = found.next_ids
    assert seen == list(texts)


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": [""]}, {"ids": ["x"] * 1_001}, {}, {"ids": ["a"], "k": 1}])
def test_ids_that_cannot_be_read_are_refused(read_only: TestClient, body: dict[str, Any]) -> None:
    refused(read_only.post(f"{DOCUMENTS}/get", json=body), 422, "invalid-input")
