"""Listing: the documents of a collection that pass a filter, in an order, page by page, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.config import Settings
from service.hashing.content import size_of
from service.index.columns.filters import Filter
from service.index.columns.view import ColumnView
from service.index.key_mask import KeyMask, Keys
from service.index.replicas import Follower
from service.search import facets
from service.search.bounds import located
from service.search.column_reader import ColumnReader
from service.search.facets import Facet, FacetRequest
from service.search.filters import fields_of
from service.search.list_position import ListOrder, ListPosition
from service.store import collections, documents
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
        collection_id, seq, columns = await located(
            self.database,
            self.follower,
            self.settings.read_your_writes_s,
            lambda is_last: self._columns(request, is_last=is_last),
        )
        return await run_in_large_thread(self._page, collection_id, seq, columns, request)

    def _columns(self, request: ListRequest, *, is_last: bool) -> tuple[int, int, ColumnView | None] | None:
        """The metadata in memory; None if they are behind, and nothing in their place at last."""
        with self.database.read() as connection:
            collection = collections.get(connection, request.collection)
        replica = self.follower.documents(collection.id)
        if replica is not None and replica.columns_seq >= collection.last_seq:
            return collection.id, collection.last_seq, replica.columns.view()
        return (collection.id, collection.last_seq, None) if is_last else None

    def _page(self, collection_id: int, seq: int, columns: ColumnView | None, request: ListRequest) -> DocumentList:
        with self.database.read() as connection:
            if columns is None:
                columns = self.columns.read(connection, collection_id, seq, request.fields)
            passing = columns.all_keys() if request.passing is None else columns.mask(request.passing)
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
