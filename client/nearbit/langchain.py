"""A collection as a retriever of LangChain: `pip install nearbit-client[langchain]`.

from nearbit.langchain import NearbitRetriever

retriever = NearbitRetriever(collection=client.collection("notes"), k=5)
retriever.invoke("baking")
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from nearbit._async.collection import AsyncCollection
from nearbit._sync.collection import Collection
from nearbit.answers import Matches
from nearbit.retrieval import By, Retrieval, metadata_of, text_of


class NearbitRetriever(BaseRetriever):
    """The documents of a collection for a query, best first.

    Each has the `id` of the stored document, its text, and its metadata with `score`, `distance` and `title` added.
    `invoke` and `ainvoke` take further parameters of the call by keyword, such as `k` and `filter`.

    Attributes:
        collection: of `nearbit.connect`, `nearbit.open` (both kinds of calls; `ainvoke` uses a thread) or
            `nearbit.connect_async` (`ainvoke` only).
        k: most documents of an answer.
        by: `search` for words and codes together, `similar` for codes alone.
        parameters: further ones of that call, as docs/api.md lists them.
    """

    collection: Collection | AsyncCollection
    k: int = 10
    by: By = "search"
    parameters: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **parameters: Any
    ) -> list[Document]:
        return _documents(self._retrieval().find(query, **parameters))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **parameters: Any
    ) -> list[Document]:
        return _documents(await self._retrieval().find_async(query, **parameters))

    def _retrieval(self) -> Retrieval:
        return Retrieval(self.collection, self.k, self.by, self.parameters)


def _documents(matches: Matches) -> list[Document]:
    return [Document(id=match.id, page_content=text_of(match), metadata=metadata_of(match)) for match in matches]
