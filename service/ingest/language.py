"""The language of a collection that was to be decided from its documents: when it is decided, and by which of them."""

from __future__ import annotations

from dataclasses import replace

import structlog

from service.errors import NearbitError
from service.hashing.analysis import decide_language
from service.hashing.content import text_of
from service.store import document_samples, words
from service.store.database import Database

log = structlog.get_logger(__name__)

_SAMPLE, _SAMPLE_CHARS = 1_000, 500
_MOST_CHANGES = 100_000
"""Changes of a collection after which its language is not decided again."""


def is_new_magnitude(before: int, after: int) -> bool:
    """Whether a collection has reached ten, a hundred, a thousand ... changes, or its first ones."""
    return before < _MOST_CHANGES and len(str(before)) * (before > 0) != len(str(after))


def decide_language_of(database: Database, collection_id: int) -> None:
    """Decide the language of a collection anew, from a sample of its documents, if that was left to be decided.

    Blocks. What goes wrong is logged only: the documents were committed before, and the language is decided again.
    """
    try:
        with database.read() as connection:
            settings, _ = words.get(connection, collection_id)
            if settings.language != "auto":
                return
            found = document_samples.sample(connection, collection_id, _SAMPLE, seed=0)
        texts = filter(None, (text_of(one.content) for one in found))
        decided = decide_language([text[:_SAMPLE_CHARS] for text in texts])
        with database.write() as connection:
            settings, _ = words.lock(connection, collection_id)
            if settings.language == "auto" and settings.decided != decided:
                words.put(connection, collection_id, replace(settings, decided=decided))
                log.info("language decided", collection_id=collection_id, language=decided, documents=len(found))
    except NearbitError as error:
        log.warning("language not decided", collection_id=collection_id, error=str(error))
