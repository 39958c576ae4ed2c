"""The parameters of lists that come in pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=1_000, description="Most items in one page.")]
Cursor = Annotated[str | None, Query(description="The next_cursor of the page before.")]
NEXT_CURSOR = "Give it as `cursor` to get the next page; null on the last."
