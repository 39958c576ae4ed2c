"""The codes that near duplicates are looked for by: those of the words of texts, or those of the active space.

Learned codes say the topic: documents of one topic often have equal ones. Codes of words are made of the texts here, by
the untrained hash function, whatever the active space is: they differ in the more bits the more the words of the texts
do, so that few bits mean nearly the same text.

Source: Manku, Jain, Das Sarma (2007), "Detecting near-duplicates for web crawling": 3 of 64 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.hashing.codes import Codes
from service.hashing.content import Text, shown_text
from service.hashing.untrained import untrained_hash_function
from service.index.hamming.table import HammingTable
from service.index.hamming.view import Keys
from service.index.key_mask import KeyMask
from service.store import buckets, codes, documents
from service.store.database import Database
from service.store.documents import Document
from service.store.duplicates import WORD_BITS, Candidate
from service.store.leases import ReportProgress
from service.store.spaces import CodeSpace

_DOCUMENTS_AT_ONCE, _CHARS_AT_ONCE = 1_000, 2_000_000


class CodesRead(Protocol):
    """Codes of documents as they were read."""

    @property
    def table(self) -> HammingTable:
        """The codes by the keys of the documents."""

    def still_so(self, connection: Connection, found: Mapping[int, Candidate]) -> dict[int, Candidate]:
        """Those of some documents whose code would be the same now."""


@dataclass(frozen=True, slots=True)
class SpaceCodes:
    """The codes that documents had in a space."""

    space_id: int
    table: HammingTable

    def still_so(self, connection: Connection, found: Mapping[int, Candidate]) -> dict[int, Candidate]:
        """Those that have the same code in the space now."""
        stored = codes.states(connection, self.space_id, [*found])
        return {key: one for key, one in found.items() if stored.get(key, (0, None))[1] == one.code}


@dataclass(frozen=True, slots=True)
class WordCodes:
    """Codes of the texts that documents had in a revision; `keys` ascend, and `revisions` belong to them."""

    table: HammingTable
    keys: Keys
    revisions: NDArray[np.int64]

    def still_so(self, connection: Connection, found: Mapping[int, Candidate]) -> dict[int, Candidate]:
        """Those that are in the same revision now."""
        keys = np.fromiter(found, np.int64, len(found))
        read = dict(zip(found, self.revisions[np.searchsorted(self.keys, keys)].tolist(), strict=True))
        return {key: one for key, one in found.items() if one.revision == read[key]}


def read_space_codes(
    database: Database, space: CodeSpace, passing: KeyMask | None, report_progress: ReportProgress
) -> SpaceCodes:
    """The codes of all documents in a space, or of those that `passing` has, of one state of the database. Blocks.

    Cost: about a second for a million.
    """
    keys, found = [np.empty(0, np.int64)], [np.empty((0, space.n_bits // 8), np.uint8)]
    n_read = 0
    with database.read() as connection:
        for part_keys, part_codes in buckets.scan(connection, space.id, space.n_bits // 8):
            chosen = slice(None) if passing is None else passing.covers(part_keys)
            keys.append(part_keys[chosen])
            found.append(part_codes[chosen])
            n_read += len(part_keys)
            report_progress({"stage": "reading", "done": n_read})
    return SpaceCodes(space.id, HammingTable.build(np.concatenate(found), np.concatenate(keys)))


def read_word_codes(
    database: Database, collection_id: int, passing: KeyMask | None, report_progress: ReportProgress
) -> WordCodes:
    """Codes of `WORD_BITS` bits of the texts of all documents, or of those that `passing` has; without titles. Blocks.

    Documents without a text have none.

    Cost: some thousand documents a second; a few megabytes of texts are in memory at a time.
    """
    function = untrained_hash_function(WORD_BITS)
    keys: list[int] = []
    revisions: list[int] = []
    found: list[Codes] = [np.empty((0, WORD_BITS // 8), np.uint8)]
    with database.read() as connection:
        total = documents.count(connection, collection_id)
    after, n_read, has_more = 0, 0, True
    while has_more:
        with database.read() as connection:
            part, has_more = documents.bounded_page(
                connection, collection_id, after, _DOCUMENTS_AT_ONCE, _CHARS_AT_ONCE
            )
        after, n_read = part[-1].key if part else after, n_read + len(part)
        if chosen := _texts(_passing(part, passing)):
            keys += [document.key for document, _ in chosen]
            revisions += [document.revision for document, _ in chosen]
            found.append(function.encode([text for _, text in chosen]).codes)
        report_progress({"stage": "reading", "done": n_read, "total": total})
    key_array = np.array(keys, np.int64)
    table = HammingTable.build(np.concatenate(found), key_array)
    return WordCodes(table, key_array, np.array(revisions, np.int64))


def _passing(part: list[Document], passing: KeyMask | None) -> list[Document]:
    if passing is None:
        return part
    shown = passing.covers(np.array([document.key for document in part], np.int64))
    return [document for document, is_shown in zip(part, shown.tolist(), strict=True) if is_shown]


def _texts(part: list[Document]) -> list[tuple[Document, Text]]:
    """The documents that have a text, with it, without its title."""
    readable = ((document, shown_text(document.content)) for document in part)
    return [(one, replace(text, title=None)) for one, text in readable if text is not None and text.text]
