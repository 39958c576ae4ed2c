"""Answers from memory and from SQL, in one stage and in two, while documents come and go."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from sqlalchemy import Connection

from service.config import Settings
from service.errors import TooMuchToRead
from service.hashing.content import from_wire
from service.search.request import QueryOptions, SearchRequest, TextOptions
from service.search.results import SearchResult
from service.store import document_summaries
from service.store.document_summaries import DocumentSummary
from service.store.documents import Keys, NewDocument
from tests.use_cases import UseCases, by_document, by_texts, run


def test_a_new_collection_answers_from_sql_before_any_replica_is_loaded(use_cases: UseCases) -> None:
    use_cases.add("bread and butter", "wind and waves")
    (answer,) = by_texts(use_cases, ["bread butter"], TextOptions(k=5))
    assert answer.work.source == "sql"
    assert [m.document.content.text for m in answer.matches] == ["bread and butter", "wind and waves"]


def test_memory_and_sql_give_the_same_matches_in_the_same_order(use_cases: UseCases) -> None:
    use_cases.add(*(f"text {i} of {i % 7} and {i % 3}" for i in range(200)))
    wants = [TextOptions(k=7), TextOptions(k=500), TextOptions(k=50, radius=6), TextOptions(k=10, radius=0)]
    wants += [want.model_copy(update={"ties": "confidence"}) for want in wants]
    queries = ["text 5 of 3", "nothing alike", "text 7 of 0 and 1"]
    from_sql = [by_texts(use_cases, queries, want) for want in wants]
    use_cases.follower.poll()
    from_memory = [by_texts(use_cases, queries, want) for want in wants]
    assert {a.work.source for answers in from_memory for a in answers} == {"memory"}
    for ours, theirs in zip(chain(*from_memory), chain(*from_sql), strict=True):
        assert [(m.distance, m.document.key) for m in ours.matches] == [
            (m.distance, m.document.key) for m in theirs.matches
        ]


OPTIONS = [QueryOptions(k=7), QueryOptions(k=7, rank="words"), QueryOptions(k=7, rank="code"), QueryOptions(k=300)]


def test_a_query_whose_text_is_encoded_at_once_gets_the_answer_of_one_that_waits(
    use_cases: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cases.add(*(f"text {i} of {i % 7} and {i % 3}" for i in range(200)), ids=[f"d{i}" for i in range(200)])
    use_cases.follower.poll()
    while use_cases.follower.documents(use_cases.collection.id) is None:
        use_cases.follower.poll()
    name = use_cases.collection.name
    texts = ["text 5 of 3", "nothing alike", "text 7 of 0 and 1"]
    requests = [SearchRequest.of(one, kind="search", collection=name, texts=texts[:1]) for one in OPTIONS]
    requests += [
        SearchRequest.of(TextOptions(k=k, **more), collection=name, texts=texts[:n], is_batch=True)
        for k in (7, 300)
        for more in ({}, {"ties": "confidence"}, {"rerank": "features"}, {"rerank": "confidence"}, {"radius": 5})
        for n in (1, 3)
    ]
    waited = [run(use_cases.search.answer(request)) for request in requests]
    monkeypatch.setattr(use_cases.encoder, "encode_at_once", use_cases.encoder.batcher.encode_at_once)
    assert [run(use_cases.search.answer(request)) for request in requests] == waited
    assert use_cases.encoder.batcher.stats.n_encoded > 0


def test_a_short_query_of_a_file_takes_one_transaction(use_cases: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    if not use_cases.database.embedded:
        pytest.skip("a server is read in threads")
    use_cases.add("bread and butter", "wind and waves", ids=["a", "b"])
    use_cases.follower.poll()
    by_texts(use_cases, ["bread"], TextOptions())  # loads the hash function
    monkeypatch.setattr(use_cases.encoder, "encode_at_once", use_cases.encoder.batcher.encode_at_once)
    n_begun, read = 0, use_cases.database.read

    def counted() -> Any:
        nonlocal n_begun
        n_begun += 1
        return read()

    monkeypatch.setattr(use_cases.database, "read", counted)
    by_texts(use_cases, ["bread", "waves"], TextOptions(k=2))
    by_document(use_cases, "a", TextOptions(k=2))
    assert n_begun == 2


RERANKED = [
    TextOptions(k=7, rerank="features"),
    TextOptions(k=20, rerank="features", shortlist=20),
    TextOptions(k=20, rerank="features", shortlist=150),
    TextOptions(k=50, radius=8, rerank="features"),
    TextOptions(k=5, radius=9, rerank="features", shortlist=12),
    TextOptions(k=5, rerank="features", shortlist=12, ties="confidence"),
]


@pytest.mark.parametrize("brief_chars", [0, 1_000_000])
def test_a_shortlist_by_memory_or_by_sql_is_put_in_the_same_order(
    use_cases: UseCases, brief_chars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.search.search._BRIEF_QUERY_CHARS", brief_chars)
    ids: list[str | None] = [f"d{i}" for i in range(150)]
    use_cases.add(*(f"text {i} of {i % 7} and {i % 3} with {i % 11}" for i in range(150)), ids=ids)
    queries = ["text 5 of 3 with 4", "nothing alike", "text 7 of 0 and 1"]

    def ask() -> list[SearchResult]:
        answers = [by_texts(use_cases, queries, want) for want in RERANKED]
        return [*chain(*answers), *(by_document(use_cases, "d77", want) for want in RERANKED)]

    use_cases.follower.poll()
    from_memory = ask()
    monkeypatch.setattr(use_cases.follower, "replica", lambda collection_id: None)
    from_sql = ask()
    assert ({a.work.source for a in from_sql}, {a.work.source for a in from_memory}) == ({"sql"}, {"memory"})
    for ours, theirs in zip(from_memory, from_sql, strict=True):
        assert ours.matches == theirs.matches
        assert ours.work.n_reranked == theirs.work.n_reranked >= len(ours.matches)
        assert ours.partial == theirs.partial == ()
        scores = [match.score for match in ours.matches]
        assert None not in scores
        assert scores == sorted(scores, key=lambda score: -(score or 0))


@pytest.mark.parametrize("options", RERANKED)
def test_without_words_the_nearest_come_in_the_order_of_their_codes(use_cases: UseCases, options: TextOptions) -> None:
    use_cases.add(*(f"text {i} of {i % 7}" for i in range(50)), ids=[f"d{i}" for i in range(50)])
    plain = options.model_copy(update={"rerank": None, "shortlist": None})
    for ours, theirs in (
        (by_texts(use_cases, ["text 5"], options)[0], by_texts(use_cases, ["text 5"], plain)[0]),
        (by_document(use_cases, "d7", options), by_document(use_cases, "d7", plain)),
    ):
        assert (ours.partial, theirs.partial) == (("words",), ())
        assert (ours.matches, ours.work.n_reranked) == (theirs.matches, 0)
        assert {match.score for match in ours.matches} == {None}


def test_words_that_are_behind_what_is_asked_for_re_rank_nothing(use_cases: UseCases) -> None:
    use_cases.add("bread and butter")
    use_cases.follower.poll()
    added = use_cases.add("bread")
    (stale,) = by_texts(use_cases, ["bread"], TextOptions(rerank="features"))
    (fresh,) = by_texts(use_cases, ["bread"], TextOptions(rerank="features", at_least_seq=added.seq))
    assert (stale.partial, stale.work.n_reranked, len(stale.matches)) == ((), 1, 1)
    assert (fresh.partial, fresh.work.n_reranked, len(fresh.matches)) == (("words",), 0, 2)


def test_a_changed_document_is_re_ranked_by_its_new_text(use_cases: UseCases) -> None:
    use_cases.add("bread and butter", "wind and waves", ids=["a", "b"])
    want = TextOptions(k=2, rerank="features")
    for text, best in (("wind", "b"), ("wind", "a")):
        use_cases.follower.poll()
        (answer,) = by_texts(use_cases, [text], want)
        assert answer.matches[0].document.id == best
        use_cases.add("wind", ids=["a"])


def test_a_stored_document_asks_with_its_title_too(use_cases: UseCases) -> None:
    contents = [from_wire(text="of the sea", title="lighthouse"), from_wire(text="bread"), from_wire(text="lighthouse")]
    new = [NewDocument(id, content, {}) for id, content in zip("abc", contents, strict=True)]
    run(use_cases.documents.add(use_cases.collection.name, new))
    use_cases.follower.poll()
    answer = by_document(use_cases, "a", TextOptions(rerank="features"))
    assert answer.matches[0].document.id == "c"
    assert [match.score == 0 for match in answer.matches] == [False, True]


def test_documents_that_go_while_a_shortlist_is_re_ranked_make_room_for_the_next(
    use_cases: UseCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cases.add(*(f"bread {'and water ' * i}" for i in range(12)), ids=[f"d{i}" for i in range(12)])
    use_cases.follower.poll()
    want = TextOptions(k=3, rerank="features", shortlist=12)
    (before,) = by_texts(use_cases, ["bread"], TextOptions(k=12, rerank="features"))
    best = [m.document.id for m in before.matches]
    keys = [m.document.key for m in before.matches]
    summaries = document_summaries.summaries

    def without_the_best(connection: Connection, wanted: Keys, *rest: Any) -> dict[int, DocumentSummary]:
        return summaries(connection, [key for key in wanted if key not in keys[:2]], *rest)

    monkeypatch.setattr("service.search.answering.document_summaries.summaries", without_the_best)
    (answer,) = by_texts(use_cases, ["bread"], want)
    assert [m.document.id for m in answer.matches] == best[2:5]


def test_answers_of_several_parts_are_bounded_together(use_cases: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.search.search._RERANKED_AT_ONCE", 1)
    use_cases.search.settings = Settings(read_your_writes_s=0, max_read_bytes=5_000)
    use_cases.add("bread " * 300)
    use_cases.follower.poll()
    want = TextOptions(k=1, rerank="features")
    assert len(by_texts(use_cases, ["bread"] * 2, want)) == 2
    with pytest.raises(TooMuchToRead):
        by_texts(use_cases, ["bread"] * 3, want)


def test_a_replica_that_is_behind_fills_the_shortlist_with_documents_that_exist(use_cases: UseCases) -> None:
    added = use_cases.add(*(f"bread {i}" for i in range(40)), ids=[f"d{i}" for i in range(40)])
    use_cases.follower.poll()
    run(use_cases.changes.delete(use_cases.collection.name, [document.id for document in added.documents[:25]]))
    (answer,) = by_texts(use_cases, ["bread"], TextOptions(k=5, rerank="features", shortlist=15))
    assert (answer.work.source, answer.work.n_reranked, len(answer.matches)) == ("memory", 15, 5)


def test_a_write_is_read_by_its_seq_though_the_replica_is_behind(use_cases: UseCases) -> None:
    use_cases.follower.poll()
    added = use_cases.add("bread and butter")
    (stale,) = by_texts(use_cases, ["bread"], TextOptions())
    (fresh,) = by_texts(use_cases, ["bread"], TextOptions(at_least_seq=added.seq))
    assert (stale.work.source, len(stale.matches)) == ("memory", 0)
    assert (fresh.work.source, len(fresh.matches)) == ("sql", 1)


def test_a_document_deleted_behind_the_replica_is_replaced_by_the_next_nearest(use_cases: UseCases) -> None:
    use_cases.add(*(f"bread {i}" for i in range(40)), ids=[f"d{i}" for i in range(40)])
    use_cases.follower.poll()
    (before,) = by_texts(use_cases, ["bread"], TextOptions(k=10))
    gone = [m.document.id for m in before.matches[:7]]
    run(use_cases.changes.delete(use_cases.collection.name, gone))
    (after,) = by_texts(use_cases, ["bread"], TextOptions(k=10))
    assert after.work.source == "memory"
    assert len(after.matches) == 10
    assert not {m.document.id for m in after.matches} & set(gone)
    assert [m.document.id for m in after.matches[:3]] == [m.document.id for m in before.matches[7:]]


def test_a_stored_document_is_not_among_those_similar_to_it(use_cases: UseCases) -> None:
    use_cases.add("bread", "bread", "butter", ids=["a", "b", "c"])
    for _ in ("sql", "memory"):
        answer = by_document(use_cases, "a", TextOptions(k=2))
        assert [m.document.id for m in answer.matches] == ["b", "c"]
        use_cases.follower.poll()


def test_a_document_stored_a_moment_ago_can_be_asked_with(use_cases: UseCases) -> None:
    use_cases.add("bread", "butter", ids=["a", "b"])
    use_cases.follower.poll()
    use_cases.add("bread", ids=["new"])
    answer = by_document(use_cases, "new", TextOptions(k=1))
    assert (answer.work.source, answer.matches[0].document.id, answer.matches[0].distance) == ("memory", "a", 0)
