"""Filters, counts, orders, groups and pages of both searches are what the slow way gives, from memory and from SQL."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from service.errors import InvalidInput
from service.hashing.codes import hamming_distance
from service.hashing.content import Text, from_wire
from service.search.request import Example, QueryOptions, RecommendOptions, SearchRequest, TextOptions
from service.search.results import SearchResult
from service.store import codes, collections, spaces
from service.store.documents import NewDocument
from tests.search.narrowing import FILTERS, Metadata, counts, is_number, random_metadata, sort_key, values_of
from tests.use_cases import UseCases, by_texts, run

WORDS = ("black", "white", "cat", "dog", "bread", "tree", "number", "list")


class Documents:
    """A collection with a history: documents put, replaced and deleted."""

    def __init__(self, use_cases: UseCases, seed: int) -> None:
        self.use_cases = use_cases
        self.random = random.Random(seed)
        self.rows: dict[str, tuple[str, Metadata]] = {}
        self.put(f"d{i}" for i in range(50))
        use_cases.follower.poll()
        self.put(f"d{i}" for i in self.random.sample(range(50), 12))
        self.delete([f"d{i}" for i in self.random.sample(range(50), 8)])
        self.put(f"e{i}" for i in range(10))

    def put(self, ids: Any) -> None:
        new = {id: (" ".join(self.random.choices(WORDS, k=4)), random_metadata(self.random)) for id in ids}
        documents = [NewDocument(id, from_wire(text=text), metadata) for id, (text, metadata) in new.items()]
        run(self.use_cases.documents.add(self.use_cases.collection.name, documents))
        self.rows |= new

    def delete(self, ids: list[str]) -> None:
        run(self.use_cases.changes.delete(self.use_cases.collection.name, ids))
        for id in ids:
            self.rows.pop(id, None)

    def by_distance(self, text: str) -> list[tuple[int, str]]:
        """Distances and ids of all documents, nearest first, then as they arrived."""
        with self.use_cases.database.read() as connection:
            active = spaces.active(connection, self.use_cases.collection.id)
            by_key = codes.load(connection, active.id, active.n_bits // 8)
        encoded = run(self.use_cases.encoder.encode(str(active.digest), [Text(text)]))
        distances = hamming_distance(by_key[1], encoded.codes[0]).tolist()
        ids = self.ids_by_key()
        found = sorted(zip(distances, by_key[0].tolist(), strict=True))
        return [(distance, ids[key]) for distance, key in found if key in ids]

    def ids_by_key(self) -> dict[int, str]:
        result = by_texts(self.use_cases, ["cat"], TextOptions(k=1_000, at_least_seq=self.last_seq))
        return {match.document.key: match.document.id for match in result[0].matches}

    @property
    def last_seq(self) -> int:
        with self.use_cases.database.read() as connection:
            return collections.get(connection, self.use_cases.collection.name).last_seq


@pytest.fixture(params=["memory", "sql", "memory after a swap"])
def documents(request: pytest.FixtureRequest, use_cases: UseCases) -> Documents:
    """Documents whose codes and metadata are in memory, or only in SQL."""
    documents = Documents(use_cases, 7)
    if request.param == "memory after a swap":
        use_cases.swap_space()
    if request.param == "sql":
        use_cases.follower._answering.clear()
        use_cases.follower._documents.keep(())
    else:
        use_cases.follower.poll()
    return documents


def similar(documents: Documents, text: str, **options: Any) -> SearchResult:
    (result,) = by_texts(documents.use_cases, [text], TextOptions(**options))
    return result


def search(documents: Documents, query: str, **options: Any) -> SearchResult:
    name = documents.use_cases.collection.name
    request = SearchRequest.of(QueryOptions(**options), kind="search", collection=name, texts=[query])
    (result,) = run(documents.use_cases.search.answer(request))
    return result


def ids(result: SearchResult) -> list[str]:
    return [match.document.id for match in result.matches]


def passes(documents: Documents, condition: Callable[[Metadata], bool]) -> Callable[[str], bool]:
    return lambda id: condition(documents.rows[id][1])


def test_a_filter_leaves_the_nearest_that_pass(documents: Documents) -> None:
    near = documents.by_distance("black cat")
    for written, condition in FILTERS:
        expected = [(d, id) for d, id in near if condition(documents.rows[id][1])]
        for options in ({"k": 5}, {"k": 200}, {"k": 7, "offset": 6}, {"k": 200, "radius": 15}, {"k": 4, "radius": 12}):
            result = similar(documents, "black cat", filter=written, **options)
            of_page = [(d, id) for d, id in expected if d <= options.get("radius", 32)]
            begin = options.get("offset", 0)
            assert [(m.distance, m.document.id) for m in result.matches] == of_page[begin : begin + options["k"]], (
                written
            )
            assert result.work.n_passing == sum(condition(metadata) for _, metadata in documents.rows.values())


def test_a_filter_lets_the_same_pass_on_the_event_loop_and_in_a_thread(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.search.search._BRIEF_DOCUMENTS", 0)
    answers = []
    for most in (0, 1_000_000):
        monkeypatch.setattr("service.search.search._BRIEF_COMPARISONS", most)
        answers.append([similar(documents, "black cat", filter=written).matches for written, _ in FILTERS])
    assert answers[0] == answers[1]


def test_lines_and_filters_must_all_hold(documents: Documents) -> None:
    result = similar(documents, "cat", k=100, where=["lang:en", "year:2005"], filter={"tags": {"exists": True}})
    assert set(ids(result)) == {
        id
        for id, (_, m) in documents.rows.items()
        if m.get("lang") == "en" and m.get("year") in (2005, "2005") and m.get("tags") and m["year"] is not True
    }


def test_facets_count_all_that_match_not_the_page(documents: Documents) -> None:
    near = documents.by_distance("black cat")
    for filter, options in product((None, {"lang": "en"}), ({}, {"radius": 14}, {"k": 1}, {"offset": 5})):
        check_facets(documents, near, filter, options)


def check_facets(
    documents: Documents, near: list[tuple[int, str]], filter: dict[str, Any] | None, options: dict[str, Any]
) -> None:
    ranges = [{"field": "year", "ranges": [(None, 2005), (2005, 2020), (2005.5, None)]}]
    asked = ["lang", "tags:1", "author.living:5", "nowhere"]
    result = similar(documents, "black cat", filter=filter, facets=[*asked, *ranges], **options)
    rows = [
        (id, documents.rows[id][1])
        for distance, id in near
        if distance <= options.get("radius", 32) and (filter is None or documents.rows[id][1].get("lang") == "en")
    ]
    for facet in result.facets:
        field = facet.request.field
        if facet.values is None:
            numbers = [[v for v in values_of(m, "year") if is_number(v)] for _, m in rows]
            bounds = facet.request.ranges or ()
            assert facet.in_ranges == [
                sum(any((a is None or a <= v) and (b is None or v < b) for v in of_one) for of_one in numbers)  # type: ignore[operator]
                for a, b in bounds
            ]
            continue
        expected = counts(rows, field)
        found = {(isinstance(value, bool), value): n for value, n in facet.values.values}
        best = sorted(expected.values(), reverse=True)[: facet.request.limit]
        assert sorted(found.values(), reverse=True) == best
        assert all(expected[value] == n for value, n in found.items())
        assert facet.values.n_distinct == len(expected)
        assert facet.values.n_other == sum(expected.values()) - sum(best)
        assert facet.values.n_missing == sum(not values_of(m, field) for _, m in rows)
    assert result.hint is not None
    assert "nowhere" in result.hint


def test_sorted_matches_are_in_the_order_of_the_field(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.search.answering._FEWEST_SORTED", 3)
    near, arrival = documents.by_distance("black cat"), {id: key for key, id in documents.ids_by_key().items()}
    for sort in ("year", "-year", "lang", "-tags", "author.name", "nowhere"):
        check_order(documents, near, arrival, sort)


def check_order(documents: Documents, near: list[tuple[int, str]], arrival: dict[str, int], sort: str) -> None:
    field, is_descending = sort.removeprefix("-"), sort.startswith("-")
    for radius in (32, 14):
        expected = sorted(
            (id for distance, id in near if distance <= radius),
            key=lambda id: (sort_key(documents.rows[id][1], field, is_descending), arrival[id]),
        )
        options = {} if radius == 32 else {"radius": radius}
        pages = [similar(documents, "black cat", sort=sort, k=20, offset=offset, **options) for offset in (0, 20, 40)]
        assert [id for page in pages for id in ids(page)] == expected
        distances = {id: distance for distance, id in near}
        assert all(m.distance == distances[m.document.id] for page in pages for m in page.matches)


def test_groups_hold_the_best_of_each_value(documents: Documents) -> None:
    near = documents.by_distance("black cat")
    for field in ("lang", "author.name", "nowhere"):
        check_groups(documents, near, field)


def check_groups(documents: Documents, near: list[tuple[int, str]], field: str) -> None:
    groups: dict[Any, list[str]] = {}
    for _, id in near:
        value = next(iter(values_of(documents.rows[id][1], field)), None)
        groups.setdefault(value, []).append(id)
    for k, size, offset in ((10, 3, 0), (2, 2, 0), (2, 100, 1)):
        result = similar(documents, "black cat", group_by=field, group_size=size, k=k, offset=offset)
        expected = [*groups.items()][offset : offset + k]
        assert [group.value for group in result.groups or ()] == [value for value, _ in expected]
        assert ids(result) == [id for _, members in expected for id in members[:size]]
        assert [group.n_matches for group in result.groups or ()] == [min(size, len(m)) for _, m in expected]
        assert result.exact


def test_groups_of_a_list_are_refused(documents: Documents) -> None:
    with pytest.raises(InvalidInput, match="tags"):
        similar(documents, "black cat", group_by="tags", k=20)


def test_a_condition_of_another_type_than_all_values_is_refused(documents: Documents) -> None:
    with pytest.raises(InvalidInput, match=r"filter\.lang\.gt"):
        similar(documents, "black cat", filter={"lang": {"gt": 3}})


def test_words_are_filtered_counted_sorted_and_paged_alike(documents: Documents) -> None:
    whole = search(documents, "black cat", rank="words", k=1_000)
    if whole.partial:
        pytest.skip("words are in memory or not at all")
    for written, condition in FILTERS:
        passed = [m for m in whole.matches if condition(m.document.metadata)]
        result = search(documents, "black cat", rank="words", k=1_000, filter=written, facets=["lang"])
        assert [(m.document.id, m.score) for m in result.matches] == [(m.document.id, m.score) for m in passed]
        (facet,) = result.facets
        assert facet.values is not None
        expected = counts([(m.document.id, m.document.metadata) for m in passed], "lang")
        assert dict(facet.values.values) == {value: n for (_, value), n in expected.items()}
        page = search(documents, "black cat", rank="words", k=3, offset=4, filter=written)
        assert ids(page) == ids(result)[4:7]
    in_order = search(documents, "black cat", sort="-year", k=1_000)
    arrival = {m.document.id: m.document.key for m in whole.matches}
    assert ids(in_order) == sorted(
        ids(whole), key=lambda id: (sort_key(documents.rows[id][1], "year", True), arrival[id])
    )
    best = whole.matches[2].score
    assert best is not None
    assert ids(search(documents, "black cat", rank="words", k=1_000, min_score=best)) == [
        m.document.id for m in whole.matches if (m.score or 0) >= best
    ]


@pytest.mark.parametrize("rank", ["words", "hybrid"])
def test_matches_that_are_counted_are_not_all_scored(use_cases: UseCases, rank: str) -> None:
    use_cases.add(*(f"cat {i}" for i in range(150)))
    use_cases.follower.poll()
    documents = Documents(use_cases, 7)
    use_cases.follower.poll()
    plain, counted = (search(documents, "cat", rank=rank, facets=facets) for facets in ([], ["lang"]))
    assert counted.work.n_scored == plain.work.n_scored == 100
    assert counted.matches == plain.matches
    assert counted.work.n_matching == plain.work.n_matching


@pytest.mark.parametrize("options", [{}, {"filter": {"lang": "en"}}, {"diversity": 0.4}, {"group_by": "lang"}])
def test_pages_of_a_hybrid_search_agree(documents: Documents, options: dict[str, Any]) -> None:
    whole = ids(search(documents, "black cat bread", k=60, **options))
    pages = [ids(search(documents, "black cat bread", k=5, offset=offset, **options)) for offset in range(0, 70, 5)]
    assert [id for page in pages for id in page] == whole
    assert len(set(whole)) == len(whole)


def test_a_radius_keeps_what_a_search_finds_near_its_code(documents: Documents) -> None:
    distances = {id: distance for distance, id in documents.by_distance("black cat")}
    for rank in ("hybrid", "code"):
        result = search(documents, "black cat", radius=13, k=1_000, rank=rank)
        assert result.matches
        assert all(distances[id] <= 13 for id in ids(result))


def test_metadata_may_be_shown_in_part(documents: Documents) -> None:
    request = TextOptions(k=100, fields=["id", "metadata.author.name", "metadata.lang"])
    asked = SearchRequest.of(request, collection="texts", texts=["cat"])
    assert asked.metadata_fields == ["author.name", "lang"]
    assert asked.shown.metadata
    assert not asked.shown.text


def recommend(documents: Documents, positive: list[Example], negative: list[Example], **options: Any) -> SearchResult:
    request = SearchRequest.of(
        RecommendOptions(**options),
        kind="recommend",
        collection=documents.use_cases.collection.name,
        positive=positive,
        negative=negative,
    )
    (result,) = run(documents.use_cases.search.answer(request))
    return result


@pytest.mark.parametrize("rank", ["hybrid", "words", "code"])
def test_examples_find_their_like_without_themselves(documents: Documents, rank: str) -> None:
    documents.use_cases.add("bread tree bread", "bread tree bread", "dog list", ids=["x", "y", "z"])
    documents.use_cases.follower.poll()
    result = recommend(documents, [Example(id="x")], [Example(text="dog list")], rank=rank, k=100)
    assert ids(result)[0] == "y"
    assert "x" not in ids(result)
    assert "z" not in ids(result)[:20]
    filtered = recommend(documents, [Example(text="bread tree")], [], rank=rank, k=100, filter={"lang": "en"})
    assert all(match.document.metadata["lang"] == "en" for match in filtered.matches)
    assert filtered.matches


def test_negative_examples_push_their_like_down(documents: Documents) -> None:
    documents.use_cases.add("bread tree", "bread dog", ids=["x", "y"])
    documents.use_cases.follower.poll()
    plain = ids(recommend(documents, [Example(text="bread")], [], k=100))
    pushed = ids(recommend(documents, [Example(text="bread")], [Example(text="dog"), Example(id="x")], k=100))
    assert "x" in plain
    assert "x" not in pushed
    assert pushed.index("y") >= plain.index("y") - 1


def test_of_many_queries_not_too_much_is_counted(documents: Documents) -> None:
    fields = [f"f{i}" for i in range(50)]
    with pytest.raises(InvalidInput, match="facets times queries"):
        by_texts(documents.use_cases, ["cat"] * 21, TextOptions(facets=fields))


def test_groups_of_few_values_end_when_all_of_their_documents_are_there(documents: Documents) -> None:
    n = len(documents.rows)
    result = similar(documents, "cat", group_by="lang", group_size=100, k=10)
    assert sum(group.n_matches for group in result.groups or ()) == n
    few = similar(documents, "cat", group_by="lang", group_size=100, k=10, filter={"lang": "en"})
    assert [group.value for group in few.groups or ()] == ["en"]
    assert few.exact
