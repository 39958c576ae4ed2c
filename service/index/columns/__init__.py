"""Metadata of documents as typed columns: which documents pass a filter, counts by value, order, groups."""

from service.index.columns.counts import ValueCounts
from service.index.columns.index import ColumnIndex
from service.index.columns.view import ColumnView

__all__ = ["ColumnIndex", "ColumnView", "ValueCounts"]
