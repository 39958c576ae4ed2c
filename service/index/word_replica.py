"""Word replica: the words of one collection in memory, and how they follow SQL.

As a replica of codes it may be thrown away at any time. It belongs to the collection, not to a code space: a retrain
leaves it as it is. Documents carry the seq of their last change and deletions are noted with theirs, so whoever has
read everything up to a seq asks for what came after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import structlog
from sqlalchemy import Connection, exc

from service.errors import Unavailable
from service.hashing.analysis import Analyzer
from service.index.words import WordIndex, snapshot
from service.store import documents, words
from service.store.database import Database
from service.store.documents import ChangedText
from service.store.overviews import Overview
from service.store.snapshots import OF_WORDS
from service.store.words import WordSettings

log = structlog.get_logger(__name__)

_CHARS_AT_ONCE = 1_000_000
_RELATED_FROM, _RELATED_LONGER, _RELATED_MOST = 4, 3, 8
_RELATED_LOOKED_AT, _RELATED_KEPT = 50, 10_000
_FIRST_SENTENCE = re.compile(r"\s*(?:(?![.!?]\s|[\u3002\uff01\uff1f]|\n\s*\n).){1,120}", re.DOTALL)

Synonyms = Mapping[tuple[str, ...], Sequence[tuple[str, ...]]]
"""Terms of a word or phrase, and the terms of everything that says the same, itself among it."""


def first_sentence(text: str) -> str:
    """The first sentence of a text, at most 120 characters of it: in a titled document it counts as its title does."""
    found = _FIRST_SENTENCE.match(text)
    return found[0] if found is not None else ""


@dataclass
class WordReplica:
    """The words of a collection in memory.

    The title of a document is followed by the first sentence of its text, which mostly says again what it is about.

    Attributes:
        collection_id: the collection.
        settings: how words are found and weighed.
        version: of the settings.
        analyzer: makes words of texts.
        index: the words.
        synonyms: by the terms of each, the terms of all of its groups, its own among them.
        synonym_lengths: how many terms the synonyms have: 1, 2, ...
        read_seq: every change of the collection up to this seq is in the index.
        saved_seq: that of the snapshot that the index was mapped from or written to; 0 if there is none.
    """

    collection_id: int
    settings: WordSettings
    version: int
    analyzer: Analyzer
    index: WordIndex
    read_seq: int
    saved_seq: int = 0
    synonyms: Synonyms = field(default_factory=dict)
    synonym_lengths: Sequence[int] = ()
    _related: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _related_seq: int = 0

    def __post_init__(self) -> None:
        self.use(self.settings, self.version)

    @classmethod
    def load(cls, database: Database, collection: Overview, snapshots: Path | None = None) -> Self:
        """All words of a collection: mapped from its snapshot if there is one, else made of its texts. Blocks.

        The seq was read before the texts, so they hold every change up to it; changes committed in between are applied
        twice, which changes nothing.

        Raises:
            NotFound: the collection is gone.
        """
        with database.read() as connection:
            settings, version = words.get(connection, collection.collection_id)
        replica = cls.empty(collection, settings, version)
        if snapshots is not None and (mapped := replica.mapped(database, snapshots)) is not None:
            return mapped
        replica._read_all(database)
        return replica

    @classmethod
    def empty(cls, collection: Overview, settings: WordSettings, version: int) -> Self:
        """A replica that holds no document yet."""
        analyzer = Analyzer(settings.analyzer_language)
        return cls(collection.collection_id, settings, version, analyzer, WordIndex(), collection.last_seq)

    def _read_all(self, database: Database) -> None:
        after_key = 0
        while True:
            with database.read() as connection:
                part = documents.texts(connection, self.collection_id, after_key, _CHARS_AT_ONCE)
            if not part:
                return
            self._put(part)
            after_key = part[-1].key

    def mapped(self, database: Database, snapshots: Path) -> Self | None:
        """A replica that is a map of the snapshot of these words, which may be behind.

        None if there is no snapshot that is known to be of this history.
        """
        last_seq = self.read_seq

        def is_ours(seq: int, token: str) -> bool:
            with database.read() as connection:
                return seq <= last_seq and OF_WORDS.is_known(connection, self.collection_id, token, seq)

        found = snapshot.load(snapshots, self.snapshot_name, is_ours)
        if found is None:
            return None
        index, seq = found
        return type(self)(self.collection_id, self.settings, self.version, self.analyzer, index, seq, saved_seq=seq)

    @property
    def snapshot_name(self) -> str:
        """The name of its snapshot, in which other ways to analyze texts have other names."""
        return f"words-{self.collection_id}-{self.analyzer.language}-{self.analyzer.version}"

    def use(self, settings: WordSettings, version: int) -> None:
        """Take other settings, of the same language."""
        self.index.configure(settings.k1, settings.b, settings.title_weight)
        self.settings, self.version = settings, version
        found: dict[tuple[str, ...], Sequence[tuple[str, ...]]] = {}
        for group in settings.synonyms:  # one tuple for all terms of a group: there may be a million of them
            ways = tuple(dict.fromkeys(filter(None, (tuple(self.analyzer.all_terms(one)) for one in group))))
            for terms in ways:
                found[terms] = tuple(dict.fromkeys((*found[terms], *ways))) if terms in found else ways
        self.synonyms, self.synonym_lengths = found, sorted({len(terms) for terms in found})

    def related(self, term: str) -> tuple[str, ...]:
        """The commonest terms that a term begins and that are a little longer: "reader" of "read", which no stem joins.

        What is found is kept until a hundredth of the documents have changed.
        """
        if len(term) < _RELATED_FROM or not term.isalpha():
            return ()
        if self.read_seq - self._related_seq > len(self.index) // 100 or len(self._related) > _RELATED_KEPT:
            self._related, self._related_seq = {}, self.read_seq
        kept = self._related
        found = kept.get(term)
        if found is None:
            longest = len(term) + _RELATED_LONGER
            others = self.index.completions(term, _RELATED_LOOKED_AT)
            near = [other for other in others if other != term and len(other) <= longest and other.isalpha()]
            found = kept[term] = tuple(near[:_RELATED_MOST])
        return found

    def follow(self, database: Database, collection: Overview) -> int:
        """Apply every change up to the collection's last seq and what was committed since; return how many there were.

        Where deletions that it has not heard of may be noted no more, everything is read anew.
        """
        n_applied, compacted_seq = 0, collection.compacted_seq
        while self.read_seq < collection.last_seq:
            if self.read_seq < compacted_seq:
                fresh = self.empty(collection, self.settings, self.version)
                fresh._read_all(database)
                self.index, self.read_seq, self.saved_seq = fresh.index, fresh.read_seq, 0
                continue
            with database.read() as connection:
                changed = documents.changed_texts(connection, self.collection_id, self.read_seq, _CHARS_AT_ONCE)
                gone = documents.deleted_keys(connection, self.collection_id, self.read_seq)
                compacted_seq = documents.compacted_seq(connection, self.collection_id)
            if self.read_seq < compacted_seq:  # since the collection was looked at: some deletions may be missing
                continue
            self._put(changed)
            if gone:
                self.index.delete(np.array(gone, dtype=np.int64))
            n_applied += len(changed) + len(gone)
            # what came after last_seq is no claim: of changes and deletions, two statements may have seen two states
            self.read_seq = min(changed[-1].seq, collection.last_seq) if changed else collection.last_seq
        return n_applied

    def terms_of(self, text: str | None, title: str | None) -> tuple[list[str], list[str]]:
        """The terms of body and title of a document; of a titled one the first sentence counts as title too."""
        analyze = self.analyzer.all_terms
        body = analyze(text) if text else []
        return body, analyze(f"{title}\n{first_sentence(text or '')}") if title else []

    def _put(self, changed: Sequence[ChangedText]) -> None:
        if not changed:
            return
        of_texts = [self.terms_of(one.text, one.title) for one in changed]
        bodies, titles = [body for body, _ in of_texts], [title for _, title in of_texts]
        self.index.put(np.array([one.key for one in changed], dtype=np.int64), bodies, titles)

    def save(self, database: Database, snapshots: Path, is_ours: Callable[[Connection], bool]) -> None:
        """Keep the index as a snapshot, for the next start of a process to map; without room for it there is none.

        SQL learns of it first, and only if `is_ours` says that it still is the database that was followed.
        """
        seq, name = self.read_seq, self.snapshot_name
        before = snapshot.peek(snapshots, name)
        try:
            with database.write() as connection:
                if not is_ours(connection):
                    return
                token = OF_WORDS.record(connection, self.collection_id, seq)
            try:
                snapshot.save(self.index, snapshots, name, seq, token)
                outdated = None if before is None else before[1]
            except OSError as error:
                log.warning("snapshot of words not written", folder=str(snapshots), error=str(error))
                outdated = token
            if outdated is not None:
                with database.write() as connection:
                    OF_WORDS.forget(connection, self.collection_id, outdated)
        except (Unavailable, exc.IntegrityError) as error:  # the latter: the collection is gone by now
            log.warning("snapshot of words not written", folder=str(snapshots), error=str(error))
        self.saved_seq = seq
