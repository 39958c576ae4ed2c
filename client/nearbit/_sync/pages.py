# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.
"""Lists that the service gives page by page."""

from collections.abc import Iterator, Mapping
from typing import Any

from nearbit._sync.connection import Connection


def pages(
    connection: Connection, path: str, parameters: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """The items of all pages; a page is asked for when the one before it was read."""
    cursor: str | None = None
    while True:
        page = connection.read(path, {**parameters, "cursor": cursor})
        for item in page["items"]:
            yield item
        cursor = page["next_cursor"]
        if cursor is None:
            return
