"""A collection as a retriever of LlamaIndex: `pip install nearbit-client[llamaindex]`.

from nearbit.llamaindex import NearbitRetriever

retriever = NearbitRetriever(client.collection("notes"), k=5)
retriever.retrieve("baking")
"""

from __future__ import annotations

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from nearbit._async.collection import AsyncCollection
from nearbit._sync.collection import Collection
from nearbit.answers import Matches
from nearbit.retrieval import By, Retrieval, metadata_of, score_of, text_of


class NearbitRetriever(BaseRetriever):
    """The documents of a collection for a query, best first, as nodes of text.

    Each has the id of the stored document, its text, and its metadata with `score`, `distance` and `title` added. The
    score of the node is that of the answer; by `similar`, which has none, the share of bits that agree.

    Args:
        collection: of `nearbit.connect`, `nearbit.open` (both kinds of calls; `aretrieve` uses a thread) or
            `nearbit.connect_async` (`aretrieve` only).
        k: most documents of an answer.
        by: `search` for words and codes together, `similar` for codes alone.
        parameters: further ones of that call, such as `filter`, as docs/api.md lists them.
    """

    def __init__(
        self, collection: Collection | AsyncCollection, *, k: int = 10, by: By = "search", **parameters: Any
    ) -> None:
        super().__init__()
        self._retrieval = Retrieval(collection, k, by, parameters)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._retrieval.find(query_bundle.query_str))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(await self._retrieval.find_async(query_bundle.query_str))


def _nodes(matches: Matches) -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=TextNode(id_=match.id, text=text_of(match), metadata=metadata_of(match)),
            score=score_of(match, matches),
        )
        for match in matches
    ]
