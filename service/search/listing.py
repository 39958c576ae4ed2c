"""Listing: the documents of a collection that pass a filter, in an order, page by page, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import Connection

from service.config import Settings
from service.hashing.content import size_of
from service.index.columns.filters import Filter
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask, Keys
from service.index.replicas import Follower
from service.search import facets
from service.search.bounds import located
from service.search.column_reader import ColumnReader
from service.search.expired import living
from service.search.facets import Facet, FacetRequest
from service.search.filters import fields_of
from service.search.list_position import ListOrder, ListPosition
from service.store import collections, documents
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import Document
from service.threads import run_in_large_thread

_PAGE_CHARS = 4 << 20


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which documents, in which order.

    Attributes:
        collection: its name.
        passing: what their metadata must be like; None for all.
        order: in which they come.
        counted: what is counted beside them.
        cursor: where the page before ended, as its `ListPosition`; None for the first page.
        limit: most documents; long texts end a page earlier.
    """

    collection: str
    passing: Filter | None
    order: ListOrder
    counted: Sequence[FacetRequest]
    cursor: str | None
    limit: int

    @property
    def fields(self) -> set[str]:
        """The fields of metadata that the list depends on."""
        found = {facet.field for facet in self.counted}
        if self.passing is not None:
            found |= fields_of(self.passing)
        return found if self.order.field is None else found | {self.order.field}


@dataclass(frozen=True, slots=True)
class DocumentList:
    """A page of documents.

    Attributes:
        documents: of this page.
        cursor: where it ends; None on the last page.
        total: documents on all pages together.
        facets: counts of all of them.
        hint: what may be wrong with the request.
    """

    documents: list[Document]
    cursor: str | None
    total: int
    facets: list[Facet]
    hint: str | None


@dataclass(frozen=True, slots=True)
class Matching:
    """The documents of a collection, as it was at its `last_seq`, that pass a filter."""

    collection: Collection
    keys: KeyMask


class Listing:
    """Lists documents by their metadata, in a state that includes every write that was answered before."""

    def __init__(self, database: Database, follower: Follower, settings: Settings) -> None:
        self.database = database
        self.follower = follower
        self.settings = settings
        self.columns = ColumnReader(follower)

    async def documents(self, request: ListRequest) -> DocumentList:
        """One page.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: a condition on a field that has values of another type, or a cursor of another order.
            MalformedCursor: the cursor is none.
        """
        found = await located(
            self.database,
            self.follower,
            self.settings.read_your_writes_s,
            lambda is_last: self._columns(request.collection, is_last=is_last),
        )
        return await run_in_large_thread(self._page, *found, request)

    async def matching(self, collection: str, passing: Filter) -> Matching:
        """The documents that pass a filter, all writes that were answered before included.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: a condition on a field that has values of another type.
        """
        found, columns = await located(
            self.database,
            self.follower,
            self.settings.read_your_writes_s,
            lambda is_last: self._columns(collection, is_last=is_last),
        )

        def match() -> Matching:
            with self.database.read() as connection:
                _, mask = self._passing(connection, found, columns, passing, fields_of(passing))
                return Matching(found, mask)

        return await run_in_large_thread(match)

    def _columns(self, name: str, *, is_last: bool) -> tuple[Collection, ColumnView | None] | None:
        """The metadata in memory; None if they are behind, and nothing in their place at last."""
        with self.database.read() as connection:
            collection = collections.get(connection, name)
        replica = self.follower.documents(collection.id)
        if replica is not None and replica.columns_seq >= collection.last_seq:
            return collection, replica.columns.view()
        return (collection, None) if is_last else None

    def _passing(
        self,
        connection: Connection,
        collection: Collection,
        columns: ColumnView | None,
        passing: Filter | None,
        fields: AbstractSet[str],
    ) -> tuple[ColumnView, KeyMask]:
        """The metadata, from SQL where they are not in memory, and the documents that pass a filter."""
        if columns is None:
            columns = self.columns.read(connection, collection.id, collection.last_seq, fields)
        mask = columns.all_keys() if passing is None else columns.mask(passing)
        if collection.has_expired:
            mask = living(connection, collection.id, columns, mask)
        return columns, mask

    def _page(self, collection: Collection, columns: ColumnView | None, request: ListRequest) -> DocumentList:
        with self.database.read() as connection:
            columns, passing = self._passing(connection, collection, columns, request.passing, request.fields)
            keys = self._after_cursor(columns, passing, request)
            found: list[Document] = []
            n_read = n_chars = 0
            while n_read < len(keys) and len(found) < request.limit and n_chars <= _PAGE_CHARS:
                part = keys[n_read : n_read + min(64, request.limit - len(found))].tolist()
                by_key = documents.by_keys(connection, part)
                for key in part:
                    if n_chars > _PAGE_CHARS:
                        break
                    n_read += 1
                    if key in by_key:
                        found.append(by_key[key])
                        n_chars += size_of(by_key[key].content)
        cursor = None
        if 0 < n_read < len(keys):
            cursor = ListPosition.at(columns, int(keys[n_read - 1]), request.order).cursor()
        counted = [facets.count(columns, one, passing) for one in request.counted]
        return DocumentList(found, cursor, len(passing), counted, facets.unknown_fields(columns, request.fields))

    def _after_cursor(self, columns: ColumnView, passing: KeyMask, request: ListRequest) -> Keys:
        """The keys of all pages from this one on, in order."""
        keys = passing.allowed_keys()
        order = request.order
        if order.field is not None:
            keys = keys[columns.ordered(keys, order.field, order.is_descending)]
        if request.cursor is None:
            return keys
        position = ListPosition.from_cursor(request.cursor, columns, order)
        low, high = 0, len(keys)
        while low < high:
            middle = (low + high) // 2
            key = int(keys[middle])
            if position.precedes(order.value(columns, key), key):
                high = middle
            else:
                low = middle + 1
        return keys[low:]
