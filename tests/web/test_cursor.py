import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MalformedCursor
from service.web.cursor import from_cursor, to_cursor


@given(st.integers(0, 2**63 - 1))
def test_a_key_comes_back_from_its_cursor(key: int) -> None:
    assert from_cursor(to_cursor(key), 0) == key


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
def test_a_name_comes_back_from_its_cursor(name: str) -> None:
    assert from_cursor(to_cursor(name), "") == name


@given(st.text())
def test_anything_else_is_refused(cursor: str) -> None:
    try:
        place = from_cursor(cursor, 0)
    except MalformedCursor:
        return
    assert to_cursor(place) == cursor


def test_no_cursor_is_the_start() -> None:
    assert from_cursor(None, 7) == 7


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(MalformedCursor):
        from_cursor(to_cursor("name"), 0)
