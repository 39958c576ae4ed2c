"""The use-cases that write: collections, documents, code spaces."""
