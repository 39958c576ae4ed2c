"""The language of a collection is decided from its documents, when there are ten times as many changes as before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.ingest.language import decide_language_of, is_new_magnitude
from service.store import words
from service.store.words import WordSettings
from tests.use_cases import UseCases

ENGLISH = "This is a text that was written in the language of the English, with words that are of no use here."
GERMAN = "Das ist ein Text, der in der Sprache der Deutschen geschrieben wurde und nicht von Nutzen ist."


def stored(use_cases: UseCases) -> WordSettings:
    with use_cases.database.read() as connection:
        return words.get(connection, use_cases.collection.id)[0]


def set_language(use_cases: UseCases, language: str) -> None:
    with use_cases.database.write() as connection:
        settings, _ = words.lock(connection, use_cases.collection.id)
        words.put(connection, use_cases.collection.id, replace(settings, language=language))


@pytest.mark.parametrize(
    ("before", "after", "is_new"),
    [
        (0, 1, True),
        (0, 50, True),
        (1, 2, False),
        (9, 10, True),
        (10, 99, False),
        (50, 101, True),
        (99_999, 100_000, True),
        (100_000, 1_000_000, False),
    ],
)
def test_it_is_decided_at_each_magnitude_of_changes(before: int, after: int, is_new: bool) -> None:
    assert is_new_magnitude(before, after) == is_new


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (GERMAN, "de"), ("\u673a\u5668\u5b66\u4e60", "none")])
def test_the_first_documents_decide_the_language(use_cases: UseCases, text: str, language: str) -> None:
    use_cases.add(*[f"{text} {i}" for i in range(5)])
    assert (stored(use_cases).language, stored(use_cases).analyzer_language) == ("auto", language)


def test_it_is_decided_again_as_the_collection_grows(use_cases: UseCases) -> None:
    use_cases.add(GERMAN)
    assert stored(use_cases).decided == "de"
    use_cases.add(*[f"{ENGLISH} {i}" for i in range(200)])
    assert stored(use_cases).decided == "en"


def test_a_language_that_was_set_is_left_alone(use_cases: UseCases) -> None:
    set_language(use_cases, "fr")
    use_cases.add(*[f"{ENGLISH} {i}" for i in range(5)])
    assert (stored(use_cases).analyzer_language, stored(use_cases).decided) == ("fr", None)


def test_the_same_decision_changes_nothing(use_cases: UseCases) -> None:
    use_cases.add(ENGLISH)
    with use_cases.database.read() as connection:
        before = words.get(connection, use_cases.collection.id)
    decide_language_of(use_cases.database, use_cases.collection.id)
    with use_cases.database.read() as connection:
        assert words.get(connection, use_cases.collection.id) == before


def test_a_collection_that_is_gone_is_no_error(use_cases: UseCases) -> None:
    decide_language_of(use_cases.database, 10**9)
