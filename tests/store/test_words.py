"""Word settings are kept beside the collection, and every change of them has a version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.errors import NotFound
from service.store import collections, words
from service.store.database import Database
from service.store.words import WordSettings
from tests.conftest import new_collection


def test_a_collection_begins_with_the_defaults(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.read() as connection:
        settings, _ = words.get(connection, collection.id)
    assert settings == WordSettings()
    assert settings.analyzer_language == "none", "until it is decided"


def test_settings_come_back_as_they_were_put_and_each_change_is_a_new_version(database: Database) -> None:
    collection, _ = new_collection(database)
    other, _ = new_collection(database)
    versions = []
    for settings in (
        WordSettings("en", None, 0.0, 1.0, 0.5, (("car", "auto"), ("\u673a\u5668", "a b", "\U0001f44d"))),
        WordSettings("auto", "de"),
        WordSettings("none"),
    ):
        with database.write() as connection:
            assert words.lock(connection, collection.id) == words.get(connection, collection.id)
            words.put(connection, collection.id, settings)
        with database.read() as connection:
            stored, version = words.get(connection, collection.id)
            assert words.get(connection, other.id)[0] == WordSettings()
        assert stored == settings
        versions.append(version)
    assert versions == sorted(set(versions))


def test_the_language_of_the_analyzer_is_what_was_set_or_else_decided() -> None:
    assert WordSettings("en", decided="de").analyzer_language == "en"
    assert WordSettings("auto", decided="de").analyzer_language == "de"
    assert WordSettings("none", decided="de").analyzer_language == "none"


def test_a_row_of_an_earlier_release_has_the_defaults() -> None:
    assert WordSettings.of_row(None) == WordSettings()
    settings = replace(WordSettings("en"), synonyms=(("a", "b"),))
    assert WordSettings.of_row(settings.to_row()) == settings
    assert "decided" not in settings.given


def test_a_collection_that_is_gone_has_no_settings(database: Database) -> None:
    collection, _ = new_collection(database)
    with database.write() as connection:
        collections.drop(connection, collection.name)
    with database.write() as connection:
        for read in (words.get, words.lock):
            with pytest.raises(NotFound):
                read(connection, collection.id)
