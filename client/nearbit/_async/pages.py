"""Lists that the service gives page by page."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from nearbit._async.connection import AsyncConnection


async def pages(
    connection: AsyncConnection, path: str, parameters: Mapping[str, object]
) -> AsyncIterator[dict[str, Any]]:
    """The items of all pages; a page is asked for when the one before it was read."""
    cursor: str | None = None
    while True:
        page = await connection.read(path, {**parameters, "cursor": cursor})
        for item in page["items"]:
            yield item
        cursor = page["next_cursor"]
        if cursor is None:
            return
