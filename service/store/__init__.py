"""The SQL truth: collections, documents, code spaces, codes, buckets, jobs."""
