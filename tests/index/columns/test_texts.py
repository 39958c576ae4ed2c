"""Dictionaries of texts against sorted lists of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.index.columns import texts as module
from service.index.columns.dates import NO_DATE, instant_of
from service.index.columns.selected import Selected
from service.index.columns.texts import Texts, encoded

pieces = st.sampled_from(["", "a", "b", "aaaaaaaa", "\u00e9", "\uffff", "\U0001f44d", "\x00", "\ud800", "2026-11-30"])
some = st.lists(pieces, max_size=4).map("".join)


def dictionary(words: set[str]) -> tuple[Texts, list[str]]:
    ordered = sorted(words)
    return Texts.of_sorted(ordered, np.array([instant_of(word) for word in ordered], np.int64)), ordered


def chosen(words: list[str], selected: Selected) -> list[str]:
    codes = selected if isinstance(selected, range) else np.flatnonzero(selected).tolist()
    return [words[code] for code in codes]


@given(st.sets(some), st.lists(some))
def test_the_places_of_texts(words: set[str], asked: list[str]) -> None:
    texts, ordered = dictionary(words)
    assert [texts[code] for code in range(len(texts))] == ordered
    places, found = texts.places([encoded(one) for one in asked])
    assert places.tolist() == [sum(word < one for word in ordered) for one in asked]
    assert found.tolist() == [one in words for one in asked]
    assert chosen(ordered, texts.equal_to(asked)) == [word for word in ordered if word in asked]


@given(st.sets(some), some, some)
def test_the_texts_that_a_condition_selects(words: set[str], one: str, other: str) -> None:
    texts, ordered = dictionary(words)
    assert chosen(ordered, texts.beginning_with(one)) == [word for word in ordered if word.startswith(one)]
    assert chosen(ordered, texts.between(one, None, None, other)) == [word for word in ordered if one < word <= other]
    assert chosen(ordered, texts.between(None, one, other, None)) == [word for word in ordered if one <= word < other]
    contained = [word for word in ordered if one.encode("utf-8", "surrogatepass") in encoded(word)]
    for chunk in (1, 9, 1 << 20):
        before, module._CHUNK = module._CHUNK, chunk
        try:
            assert chosen(ordered, texts.containing(one)) == contained
        finally:
            module._CHUNK = before


@given(st.sets(some), st.sets(some), st.data())
def test_the_used_texts_of_one_and_those_of_another_become_one(
    mine: set[str], others: set[str], data: st.DataObject
) -> None:
    texts, ordered = dictionary(mine)
    used = np.array([data.draw(st.booleans()) for _ in ordered], bool)
    added = sorted(others)
    merged, codes, added_codes = texts.merged(used, added, np.array([instant_of(one) for one in added], np.int64))
    expected = sorted({word for word, is_used in zip(ordered, used, strict=True) if is_used} | others)
    assert [merged[code] for code in range(len(merged))] == expected
    assert [merged[code] for code in codes[used]] == [
        word for word, is_used in zip(ordered, used, strict=True) if is_used
    ]
    assert [merged[code] for code in added_codes] == added
    instants = [instant_of(word) for word in expected]
    assert merged.instants is None or merged.instants.tolist() == instants
    assert merged.instants is not None or set(instants) <= {NO_DATE}
