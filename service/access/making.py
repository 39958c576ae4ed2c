"""Making and revoking keys: for the API and for the command line."""

from __future__ import annotations

from service.access.key_text import digest_of_key, new_key_text
from service.errors import TooManyKeys
from service.store import keys
from service.store.database import Database
from service.store.keys import Key, NewKey

MOST_KEYS = 10_000
"""Keys that may be valid at a time, since every process holds them all."""


def make_key(database: Database, new: NewKey) -> tuple[Key, str]:
    """A new key and its text, which is nowhere to be had later. Blocks.

    Raises:
        TooManyKeys: there are too many already.
    """
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
