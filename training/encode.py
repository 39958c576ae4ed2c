"""Encode the documents that have no code in a code space, in batches."""

from __future__ import annotations

from collections.abc import Callable

from service.hashing.function import HashFunction
from service.store.database import Database
from service.store.promotion import Completion
from service.store.spaces import CodeSpace

_ENOUGH_S = 0.5


def encode_all(
    database: Database,
    space: CodeSpace,
    function: HashFunction,
    report_progress: Callable[[int], None] = lambda n_written: None,
) -> int:
    """Write a code for every document that has none in this space; returns the number of codes written.

    Documents without a vector of the space's embedding model are left out.

    Each batch is one transaction, so a killed run can be repeated and does only the rest. Documents that are added or
    changed meanwhile are encoded too, except those of the last half second: so the run ends even while others write.
    The promotion encodes the rest.

    Args:
        database: database of the documents.
        space: the space that the codes are written to.
        function: the hash function of that space.
        report_progress: called after each batch with the number of codes written; may raise to stop the run.

    Cost: memory for one batch, of `BATCH` documents or four million characters.
    """
    completion = Completion(
        database, space, lambda contents: function.encode(contents).codes, report_progress, leaves_out=True
    )
    completion.catch_up(_ENOUGH_S)
    return completion.n_written
