"""Making and revoking keys: for the API and for the command line."""

from __future__ import annotations

import re

from service.access.key_text import digest_of_key, new_key_text
from service.errors import InvalidInput, TooManyKeys
from service.store import keys
from service.store.database import Database
from service.store.keys import Key, NewKey

_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_COLLECTION = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_KEYS = 10_000
"""Keys that may be valid at a time, since every process holds them all."""


def make_key(database: Database, new: NewKey) -> tuple[Key, str]:
    """A new key and its text, which is nowhere to be had later. Blocks.

    Raises:
        InvalidInput: its name, or that of a collection, is none.
        TooManyKeys: there are too many already.
    """
    if not _NAME.fullmatch(new.name):
        raise InvalidInput(f"name must be 1 to 200 characters without control characters, got {new.name[:200]!r}")
    if wrong := [name for name in new.collections or () if not _COLLECTION.fullmatch(name)]:
        raise InvalidInput(f"collections must be names of collections, got {wrong[0][:80]!r}")
    text = new_key_text()
    with database.write() as connection:
        if keys.n_live(connection) >= MOST_KEYS:
            raise TooManyKeys(MOST_KEYS)
        return keys.create(connection, new, digest_of_key(text.encode("ascii"))), text


def revoke_key(database: Database, id: int) -> Key:
    """The key of that id, which is refused from now on: by other processes within a second. Blocks.

    Raises:
        NotFound: there is none.
    """
    with database.write() as connection:
        return keys.revoke(connection, id)
