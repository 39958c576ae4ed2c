"""Metadata of documents as typed columns: which documents pass a filter, counts by value, order, groups."""
