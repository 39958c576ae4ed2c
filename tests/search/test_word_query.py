"""The clauses of a query: what is required, what stands for what, and what is left for a code."""

from __future__ import annotations

import pytest

from service.errors import InvalidInput
from service.hashing.analysis import Analyzer
from service.index.columns import ColumnIndex
from service.index.document_replica import DocumentReplica
from service.index.words import WordIndex
from service.search.word_query import WordQuery, plain_query, word_query
from service.store.words import WordSettings

TEXTS = ["the black cat", "restaurants in new york city", "a list of numbers", "the automobile", "numbers again"]


@pytest.fixture(scope="module")
def replica() -> DocumentReplica:
    synonyms = (("car", "automobile"), ("nyc", "new york city"))
    settings, analyzer = WordSettings("en", synonyms=synonyms), Analyzer("en")
    made = DocumentReplica(1, settings, 1, analyzer, WordIndex(), ColumnIndex(), 5)
    made.words.put(range(len(TEXTS)), [analyzer.all_terms(text) for text in TEXTS])
    return made


def made(replica: DocumentReplica, query: str, is_prefix: bool = False, with_typos: bool = True) -> WordQuery:
    return word_query(query, replica, is_prefix=is_prefix, with_typos=with_typos)


def of_kind(query: WordQuery, kind: str) -> set[str]:
    return {term for clause in query.clauses if getattr(clause, kind) for term, _ in clause.alternatives}


def test_signs_say_what_is_required_and_excluded(replica: DocumentReplica) -> None:
    query = made(replica, "+black numbers -list")
    assert (of_kind(query, "is_required"), of_kind(query, "is_excluded")) == ({"black"}, {"list"})
    assert "list" not in query.terms
    assert query.text == "black numbers"


def test_a_phrase_requires_its_terms_and_is_left_to_be_checked(replica: DocumentReplica) -> None:
    query = made(replica, '"black cats" -"new york"')
    assert query.phrases == (("black", "cat"),)
    assert query.excluded_phrases == (("new", "york"),)
    assert of_kind(query, "is_required") == {"black", "cat"}
    assert query.needs_texts
    assert not made(replica, '"cat"').phrases, "one word needs no look at the text"


def test_stop_words_count_only_where_there_is_nothing_else(replica: DocumentReplica) -> None:
    assert made(replica, "the cat").terms == {"cat"}
    assert made(replica, "the").terms == {"the"}


def test_a_word_typed_more_often_weighs_more_but_less_than_in_proportion(replica: DocumentReplica) -> None:
    once, thrice = (made(replica, "cat " * n).clauses for n in (1, 3))
    assert len(once) == len(thrice) == 1
    assert once[0].weight == 1.0 < thrice[0].weight < 3.0


def test_typos_are_corrected_unless_a_document_has_the_word_or_typos_are_off(replica: DocumentReplica) -> None:
    query = made(replica, "resturants numbers")
    assert query.corrected.keys() == {"resturants"}
    assert "restaurants" in query.text or "restaur" in query.text
    assert made(replica, "resturants", with_typos=False).corrected == {}
    assert made(replica, "cat").corrected == {}
    assert made(replica, "+resturants").corrected == {}, "what is required is meant"
    assert made(replica, "cxt").corrected == {}, "too short"


def test_at_most_a_few_unknown_words_are_corrected(replica: DocumentReplica) -> None:
    assert len(made(replica, " ".join(f"numbers{c}" for c in "abcdefghijklmnop")).corrected) <= 8


def test_synonyms_stand_for_each_other(replica: DocumentReplica) -> None:
    assert "automobil" in made(replica, "car").terms
    assert {"new", "york", "citi"} <= made(replica, "nyc").terms
    assert "nyc" in made(replica, "new york city").terms


def test_a_beginning_is_completed_where_it_is_one(replica: DocumentReplica) -> None:
    for query in (made(replica, "cat res*"), made(replica, "cat res", is_prefix=True)):
        assert {"cat", "restaur"} <= query.terms
    assert "restaur" not in made(replica, "res cat", is_prefix=True, with_typos=False).terms
    assert "restaur" in made(replica, "res -cat", is_prefix=True).terms, "the last that is not excluded"


def test_a_beginning_with_a_sign_stands_for_every_word_that_begins_so(replica: DocumentReplica) -> None:
    assert of_kind(made(replica, "+num*"), "is_required") == {"num", "number"}
    assert of_kind(made(replica, "list -num*"), "is_excluded") == {"num", "number"}
    required = [clause for clause in made(replica, "+new-yor*").clauses if clause.is_required]
    assert [{term for term, _ in clause.alternatives} for clause in required] == [{"new"}, {"yor", "york"}]
    found = replica.words.search(made(replica, "list numbers again -ag*").clauses, 9)
    assert [TEXTS[key] for key in found.keys] == ["a list of numbers"]


def test_a_query_is_known_if_a_document_has_one_of_its_words(replica: DocumentReplica) -> None:
    assert made(replica, "xyzzyqq cat").is_known
    assert not made(replica, "xyzzyqq").is_known


@pytest.mark.parametrize("query", ["-cat", '-"a b" -c'])
def test_a_query_of_excluded_words_only_is_refused(replica: DocumentReplica, query: str) -> None:
    with pytest.raises(InvalidInput, match="not excluded"):
        made(replica, query)
    with pytest.raises(InvalidInput, match="not excluded"):
        plain_query(query)


@pytest.mark.parametrize("query", ['"', '""', "*", "+", "-", "!?"])
def test_signs_alone_are_a_query_that_finds_nothing(replica: DocumentReplica, query: str) -> None:
    for is_prefix in (False, True):
        assert not made(replica, query, is_prefix=is_prefix).is_known
    assert plain_query(query)
