"""Faults on purpose, and what they cost: processes killed, a database taken away, a full disk, code spaces swapped."""
