"""Document replica: the words and the metadata of one collection in memory, and how they follow SQL.

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
from sqlalchemy import Connection

from service.hashing.analysis import Analyzer
from service.index import document_snapshot
from service.index.columns import ColumnIndex
from service.index.snapshot_keeping import keep_snapshot
from service.index.words import WordIndex
from service.store import document_changes, document_summaries, words
from service.store.database import Database
from service.store.document_changes import ChangedMetadata, ChangedText
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


class LoadEnded(Exception):
    """A load was given up: the process stops, or nobody wants its result any more."""


def first_sentence(text: str) -> str:
    """The first sentence of a text, at most 120 characters of it: in a titled document it counts as its title does."""
    found = _FIRST_SENTENCE.match(text)
    return found[0] if found is not None else ""


@dataclass
class DocumentReplica:
    """The words and the metadata of a collection in memory.

    Metadata are in memory as soon as codes are: they are read apart from the texts, which take longer to analyze. The
    title of a document is followed by the first sentence of its text, which mostly says again what it is about.

    Attributes:
        collection_id: the collection.
        settings: how words are found and weighed.
        version: of the settings.
        analyzer: makes words of texts.
        words: the inverted index.
        columns: the metadata.
        synonyms: by the terms of each, the terms of all of its groups, its own among them.
        synonym_lengths: how many terms the synonyms have: 1, 2, ...
        read_seq: every change of the collection up to this seq is in words and columns.
        columns_seq: every change up to this seq is in the columns; never less.
        saved_seq: that of the snapshot that both were mapped from or written to; 0 if there is none.
    """

    collection_id: int
    settings: WordSettings
    version: int
    analyzer: Analyzer
    words: WordIndex
    columns: ColumnIndex
    read_seq: int
    saved_seq: int = 0
    columns_seq: int = 0
    synonyms: Synonyms = field(default_factory=dict)
    synonym_lengths: Sequence[int] = ()
    _related: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _related_seq: int = 0

    def __post_init__(self) -> None:
        self.columns_seq = max(self.columns_seq, self.read_seq)
        self.use(self.settings, self.version)

    @classmethod
    def load(
        cls,
        database: Database,
        collection: Overview,
        snapshots: Path | None = None,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> Self:
        """All documents of a collection: mapped from its snapshot if there is one, else read from SQL. Blocks.

        The seq was read before the documents, so they hold every change up to it; changes committed in between are
        applied twice, which changes nothing.

        Args:
            database: where the texts are.
            collection: whose words.
            snapshots: where a snapshot may lie.
            has_ended: says whether the load is to be given up; asked every million characters.

        Raises:
            NotFound: the collection is gone.
            LoadEnded: it was given up.
        """
        if snapshots is not None and (mapped := cls.of_snapshot(database, collection, snapshots)) is not None:
            return mapped
        with database.read() as connection:
            settings, version = words.get(connection, collection.collection_id)
        replica = cls.empty(collection, settings, version)
        replica._read_all(database, has_ended)
        return replica

    @classmethod
    def of_snapshot(cls, database: Database, collection: Overview, snapshots: Path) -> Self | None:
        """A map of the snapshot by the present settings, which may be behind; None if there is none to be trusted.

        Raises:
            NotFound: the collection is gone.
        """
        with database.read() as connection:
            settings, version = words.get(connection, collection.collection_id)
        return cls.empty(collection, settings, version).mapped(database, snapshots, collection.compacted_seq)

    @classmethod
    def empty(cls, collection: Overview, settings: WordSettings, version: int) -> Self:
        """A replica that holds no document yet."""
        analyzer = Analyzer(settings.analyzer_language)
        return cls(
            collection.collection_id, settings, version, analyzer, WordIndex(), ColumnIndex(), collection.last_seq
        )

    def _read_all(self, database: Database, has_ended: Callable[[], bool]) -> None:
        after_key = 0
        while True:
            if has_ended():
                raise LoadEnded
            with database.read() as connection:
                part = document_changes.texts(connection, self.collection_id, after_key, _CHARS_AT_ONCE)
            if not part:
                return
            self._put_columns(part)
            self._put_words(part)
            after_key = part[-1].key

    def mapped(self, database: Database, snapshots: Path, from_seq: int = 0) -> Self | None:
        """A replica that is a map of the snapshot, which may be behind.

        None if there is no snapshot that is known to be of this history and holds every change up to `from_seq`.
        """
        last_seq = self.read_seq

        def is_ours(seq: int, token: str) -> bool:
            with database.read() as connection:
                return from_seq <= seq <= last_seq and OF_WORDS.is_known(connection, self.collection_id, token, seq)

        found = document_snapshot.load(snapshots, self.snapshot_name, is_ours)
        if found is None:
            return None
        words, columns, seq = found
        return type(self)(
            self.collection_id, self.settings, self.version, self.analyzer, words, columns, seq, saved_seq=seq
        )

    @property
    def snapshot_name(self) -> str:
        """The name of its snapshot, in which other ways to analyze texts have other names."""
        return f"words-{self.collection_id}-{self.analyzer.language}-{self.analyzer.version}"

    def use(self, settings: WordSettings, version: int) -> None:
        """Take other settings, of the same language."""
        self.words.configure(settings.k1, settings.b, settings.title_weight)
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
        if self.read_seq - self._related_seq > len(self.words) // 100 or len(self._related) > _RELATED_KEPT:
            self._related, self._related_seq = {}, self.read_seq
        kept = self._related
        found = kept.get(term)
        if found is None:
            longest = len(term) + _RELATED_LONGER
            others = self.words.completions(term, _RELATED_LOOKED_AT)
            near = [other for other in others if other != term and len(other) <= longest and other.isalpha()]
            found = kept[term] = tuple(near[:_RELATED_MOST])
        return found

    def follow(self, database: Database, collection: Overview) -> bool:
        """Apply the next changes up to the collection's last seq, about a million characters of texts. Blocks.

        Returns:
            Whether it may go on; False where deletions that it has not heard of may be noted no more: then the replica
            must be loaded anew. `read_seq` says how far it has come.
        """
        if not self.follow_columns(database, collection):
            return False
        if self.read_seq >= collection.last_seq:
            return True
        with database.read() as connection:
            changed = document_changes.changed_texts(connection, self.collection_id, self.read_seq, _CHARS_AT_ONCE)
            gone = document_changes.deleted_keys(connection, self.collection_id, self.read_seq)
            compacted_seq = document_changes.compacted_seq(connection, self.collection_id)  # after what it is about
        if self.read_seq < compacted_seq:
            return False
        self._put_words(changed)
        if gone:
            self.words.delete(np.array(gone, dtype=np.int64))
        # what came after last_seq is no claim: of changes and deletions, two statements may have seen two states
        is_all = sum(one.n_chars for one in changed) <= _CHARS_AT_ONCE
        self.read_seq = collection.last_seq if is_all else min(changed[-1].seq, collection.last_seq)
        return True

    def follow_columns(self, database: Database, collection: Overview) -> bool:
        """Apply all changes of metadata up to the collection's last seq; False as in `follow`. Blocks."""
        while self.columns_seq < collection.last_seq:
            with database.read() as connection:
                changed = document_changes.changed_metadata(
                    connection, self.collection_id, self.columns_seq, _CHARS_AT_ONCE
                )
                gone = document_changes.deleted_keys(connection, self.collection_id, self.columns_seq)
                compacted_seq = document_changes.compacted_seq(connection, self.collection_id)  # after what it is about
            if self.columns_seq < compacted_seq:
                return False
            self._put_columns(changed)
            if gone:
                self.columns.delete(np.array(gone, dtype=np.int64))
            is_all = sum(one.n_chars for one in changed) <= _CHARS_AT_ONCE
            self.columns_seq = collection.last_seq if is_all else min(changed[-1].seq, collection.last_seq)
        return True

    def catch_up(self, database: Database, collection: Overview, has_ended: Callable[[], bool]) -> bool:
        """Follow up to the collection's last seq; False as in `follow`.

        Raises:
            LoadEnded: it was given up.
        """
        while self.read_seq < collection.last_seq:
            if has_ended():
                raise LoadEnded
            if not self.follow(database, collection):
                return False
        return True

    def terms_of(self, text: str | None, title: str | None) -> tuple[list[str], list[str]]:
        """The terms of body and title of a document; of a titled one the first sentence counts as title too."""
        analyze = self.analyzer.all_terms
        body = analyze(text) if text else []
        return body, analyze(f"{title}\n{first_sentence(text or '')}") if title else []

    def _put_columns(self, changed: Sequence[ChangedText] | Sequence[ChangedMetadata]) -> None:
        metadata = list(document_summaries.parsed([one.metadata or "{}" for one in changed]))
        self.columns.put(np.array([one.key for one in changed], dtype=np.int64), metadata)

    def _put_words(self, changed: Sequence[ChangedText]) -> None:
        if not changed:
            return
        of_texts = [self.terms_of(one.text, one.title) for one in changed]
        bodies, titles = [body for body, _ in of_texts], [title for _, title in of_texts]
        self.words.put(np.array([one.key for one in changed], dtype=np.int64), bodies, titles)

    def save(self, database: Database, snapshots: Path, is_ours: Callable[[Connection], bool]) -> None:
        """Keep words and columns as a snapshot, for the next start of a process to map; without room there is none.

        SQL learns of it first, and only if `is_ours` says that it still is the database that was followed.
        """
        seq, name = self.read_seq, self.snapshot_name

        def write(token: str) -> None:
            document_snapshot.save(self.words, self.columns, snapshots, name, seq, token)

        before = document_snapshot.peek(snapshots, name)
        if keep_snapshot(database, OF_WORDS, self.collection_id, seq, snapshots, before, write, is_ours):
            self.saved_seq = seq
