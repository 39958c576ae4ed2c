"""Running the hash function for many contents at a time: in this process, or in an encoder process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.hashing.content import Content, Contents, Embedding, Image, Text
from service.hashing.contributions import WordContributions
from service.hashing.encoded import Encoded

MAX_TEXTS = 1_000
"""Most contents in one request to an encoder process; more are sent in parts."""
MAX_CHARS = 1 << 20
"""Most characters of those contents in all, unless it is one: they bound what is read, and what is answered."""
MAX_EXPLAINED = 64
"""Most contents of such a request whose words are explained: the answer holds numbers for each word and bit."""
ENCODED_MEMBERS: Mapping[type[Content], str] = {Text: "texts", Embedding: "vectors", Image: "images"}
"""The member of such a request that holds contents of a kind: vectors and pictures are in base64."""


class Encoder(Protocol):
    """Gives codes to contents: in this process (`Batcher`) or through another one (`EncoderClient`)."""

    async def encode(self, digest: str, contents: Contents) -> Encoded:
        """Codes of contents by the hash function of that digest."""

    def encode_at_once(self, digest: str, contents: Contents) -> Encoded | None:
        """The same without waiting, in a few milliseconds at most; None where that cannot be."""

    async def explain(
        self, digest: str, contents: Contents, bits: Sequence[int] | None = None
    ) -> list[WordContributions]:
        """What the words of contents do for some bits of their codes, or for all."""

    async def health(self) -> str | None:
        """Why it cannot encode now, in one line; None if it can. Loads no hash function and unloads none."""

    async def close(self) -> None:
        """Finish waiting requests, refuse new ones, free threads and connections; a second call does nothing."""
