from __future__ import annotations

from tests.ui.api_types import FILE, api_types


def test_the_types_of_the_page_are_those_of_the_api() -> None:
    assert FILE.read_text("utf-8") == api_types(), "run python -m tests.ui.api_types"
