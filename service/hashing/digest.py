"""The name of a stored hash function: a digest of its bytes."""

from __future__ import annotations

import hashlib


def digest_of(content: bytes) -> str:
    """SHA-256 of a stored hash function, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
