"""Give a code to every document that lacks one in a code space, in batches."""

from __future__ import annotations

from collections.abc import Callable

from service.hashing.function import HashFunction
from service.store.database import Database
from service.store.promotion import Completion

_ENOUGH_S = 0.5


def encode_all(
    database: Database,
    collection_id: int,
    space_id: int,
    function: HashFunction,
    tell: Callable[[int], None] = lambda n_written: None,
) -> int:
    """Codes for all documents of a collection that lack one in this space; return how many were written.

    Every batch is one transaction, so a killed run goes on where it stopped. Documents that are added or change
    meanwhile are taken too, but for those of the last half second: it ends however many write. The promotion takes
    the rest.

    Args:
        database: where the documents are.
        collection_id: their collection.
        space_id: the space to write codes to.
        function: the hash function of that space.
        tell: called after each batch with the number written so far; what it raises stops the run.

    Cost: memory for one batch, of `BATCH` documents or four million characters.
    """
    completion = Completion(database, collection_id, space_id, lambda texts: function.encode(texts).codes, tell)
    completion.catch_up(_ENOUGH_S)
    return completion.n_written
