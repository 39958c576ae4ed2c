"""Give a code to every document that lacks one in a code space, in batches, until none does."""

from __future__ import annotations

from collections.abc import Callable

from service.hashing.content import Text
from service.hashing.function import HashFunction
from service.store import codes
from service.store.database import Database

BATCH = 2_000


def encode_all(
    database: Database,
    collection_id: int,
    space_id: int,
    function: HashFunction,
    tell: Callable[[int], None] = lambda n_written: None,
) -> int:
    """Codes for all documents of a collection that lack one in this space; return how many were written.

    Every batch is one transaction, so a killed run goes on where it stopped. A document that changes between its
    reading and its writing is left out by its revision and taken by the next pass; so are those added meanwhile. The
    last pass found none missing at the moment it looked.

    Args:
        database: where the documents are.
        collection_id: their collection.
        space_id: the space to write codes to.
        function: the hash function of that space.
        tell: called after each batch with the number written so far; what it raises stops the run.

    Cost: memory for one batch, of `BATCH` documents or four million characters.
    """
    n_written = 0
    while True:
        n_before, after_key = n_written, 0
        while True:
            with database.read() as connection:
                batch = codes.missing(connection, collection_id, space_id, after_key, BATCH)
            if not batch:
                break
            encoded = function.encode([Text(document.text) for document in batch])
            keys, revisions = [d.key for d in batch], [d.revision for d in batch]
            with database.lane(collection_id) as lane:
                n_written += codes.append_current(lane, space_id, keys, revisions, encoded.codes)
            after_key = batch[-1].key
            tell(n_written)
        if after_key == 0 or n_written == n_before:
            return n_written
