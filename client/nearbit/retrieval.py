"""How the retrievers of other libraries ask a collection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nearbit._async.collection import AsyncCollection
from nearbit._sync.collection import Collection
from nearbit.answers import Match, Matches

By = Literal["search", "similar"]

_BITS_OF_DIGIT = 4


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A query of one kind to one collection.

    Attributes:
        collection: of a client with or without `await`.
        k: most documents of an answer.
        by: `search` for words and codes together, `similar` for codes alone.
        parameters: further ones of that call, such as `filter`.
    """

    collection: Collection | AsyncCollection
    k: int = 10
    by: By = "search"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def find(self, query: str, **parameters: Any) -> Matches:
        """The documents for a query; blocks until the service has answered.

        Raises:
            TypeError: the collection is one whose methods must be awaited.
        """
        if isinstance(self.collection, AsyncCollection):
            raise TypeError("a collection of connect_async() is for await: use ainvoke(), aretrieve(), or connect()")
        call = self.collection.search if self.by == "search" else self.collection.similar
        return call(query, **self._asked(parameters))

    async def find_async(self, query: str, **parameters: Any) -> Matches:
        """The same with `await`; a collection without `await` is asked in a thread."""
        if not isinstance(self.collection, AsyncCollection):
            return await asyncio.to_thread(self.find, query, **parameters)
        call = self.collection.search if self.by == "search" else self.collection.similar
        return await call(query, **self._asked(parameters))

    def _asked(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"k": self.k, **self.parameters, **parameters}


def text_of(match: Match) -> str:
    """The text of a document; its title if it has none, and nothing if it has neither, as a picture may."""
    return match.text or match.title or ""


def metadata_of(match: Match) -> dict[str, Any]:
    """The metadata of a document, with `title`, `score` and `distance` as far as the answer has them.

    Its own field `title` is left as it is; `score` and `distance` are always those of the answer.
    """
    found = {"score": match.score, "distance": match.distance}
    titled = {"title": match.title} if match.title else {}
    return {**titled, **(match.metadata or {}), **{name: value for name, value in found.items() if value is not None}}


def score_of(match: Match, matches: Matches) -> float | None:
    """The score of a match; of one that was found by its code alone, the share of bits that agree with the query."""
    if match.score is not None or match.distance is None or not matches.code:
        return match.score
    return 1.0 - match.distance / (_BITS_OF_DIGIT * len(matches.code))
