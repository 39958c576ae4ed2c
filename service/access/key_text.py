"""The text of a key, and its digest, which is all that is stored of it.

A digest that is fast to compute suffices: the text is 256 random bits, so nobody can find it by trying. A slow one,
such as scrypt, protects what people choose, and would cost every request more than a search.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b

PREFIX = "nb_"
_N_BYTES = 32


def new_key_text() -> str:
    """A new key: `nb_` and 32 random bytes in URL-safe base64."""
    return PREFIX + secrets.token_urlsafe(_N_BYTES)


LENGTH = len(new_key_text())


def digest_of_key(key: bytes) -> bytes:
    """The digest of a key's text, 32 bytes."""
    return blake2b(key, digest_size=32).digest()


def could_be_made(key: bytes) -> bool:
    """Whether a text has the form of the keys that `new_key_text` makes."""
    return len(key) == LENGTH and key.startswith(PREFIX.encode("ascii"))
