"""The tools of `nearbit mcp`: what a language model may ask of collections, over standard input and output."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from pydantic import BaseModel, Field

from nearbit import Client, Collection, InvalidInput, Match, NearbitError
from service.errors import ConfigurationError

_LONGEST_TEXT = 2_000
_MOST_NAMED = 50

Query = Annotated[str, Field(description="Words or a sentence.")]
Name = Annotated[str | None, Field(description="Name of the collection; needed only if there are several.")]
Count = Annotated[int, Field(ge=1, le=50, description="Most documents to answer.")]
Filter = Annotated[
    dict[str, Any] | None,
    Field(description='What the metadata must be like: {"lang": "en"}, {"year": {"gte": 2020}}.'),
]


class FoundDocument(BaseModel):
    """A document that was found; a long text is cut, `get` has all of it."""

    id: str
    title: str | None
    text: str | None
    metadata: dict[str, Any]
    score: float | None = Field(description="Of a search; higher is better.")
    distance: int | None = Field(description="Bits in which its code differs from that of the query.")


class NamedCollection(BaseModel):
    """A collection by its name."""

    name: str
    kind: str


class Tools:
    """What can be asked of the collections of a client, or of one of them.

    Args:
        client: of a service or a file; its calls block.
        only: the collection that may be asked; None for all of them.
    """

    def __init__(self, client: Client, only: str | None = None) -> None:
        self._client = client
        self._only = only

    @property
    def all(self) -> list[Callable[..., Any]]:
        """The tools; their docstrings are what the model reads."""
        return [self.search, self.similar, self.get, self.collections]

    def search(
        self, query: Query, collection: Name = None, k: Count = 10, filter: Filter = None
    ) -> list[FoundDocument]:
        """Find the best documents for what a person would type, by words and meaning together."""
        found = self._collection(collection).search(query, k, filter=filter)
        return [_found(match) for match in found]

    def similar(
        self,
        text: Annotated[str | None, Field(description="A text; leave it out to give an id.")] = None,
        id: Annotated[str | None, Field(description="A stored document, in place of a text.")] = None,
        collection: Name = None,
        k: Count = 10,
        filter: Filter = None,
    ) -> list[FoundDocument]:
        """Find the documents nearest in meaning to a text, or to a stored document."""
        found = self._collection(collection).similar(text, k, id=id, filter=filter)
        return [_found(match) for match in found]

    def get(
        self, id: Annotated[str, Field(description="As search and similar answer it.")], collection: Name = None
    ) -> FoundDocument:
        """Read one document whole."""
        document = self._collection(collection).get(id)
        return FoundDocument(
            id=document.id,
            title=document.title or None,
            text=document.text,
            metadata=document.metadata,
            score=None,
            distance=None,
        )

    def collections(self) -> list[NamedCollection]:
        """List the collections that can be searched."""
        if self._only is not None:
            info = self._client.collection(self._only).info()
            return [NamedCollection(name=info.name, kind=info.kind)]
        return [NamedCollection(name=one.name, kind=one.kind) for one in self._client.collections()]

    def _collection(self, name: str | None) -> Collection:
        if self._only is not None:
            if name not in (None, self._only):
                raise InvalidInput(f"collection must be {self._only!r}, or left out, got {name!r}")
            return self._client.collection(self._only)
        if name is None:
            names = [one.name for one in self._client.collections()]
            if len(names) != 1:
                shown = ", ".join(names[:_MOST_NAMED]) or "there are none"
                raise InvalidInput(f"collection must be the name of one: {shown}")
            (name,) = names
        return self._client.collection(name)


def serve_tools(tools: Tools) -> None:
    """Serve tools over standard input and output, until standard input closes.

    Raises:
        ConfigurationError: the package mcp is not installed.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp_types import ToolAnnotations
    except ImportError:
        raise ConfigurationError("nearbit mcp needs the package mcp: pip install 'nearbit[mcp]'") from None

    server = MCPServer("nearbit", instructions="Search documents that nearbit stores.", log_level="ERROR")
    for tool in tools.all:
        server.add_tool(_saying_why(tool), annotations=ToolAnnotations(read_only_hint=True))
    server.run("stdio")


def _saying_why(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool, with errors of the service as those that a model is to read and to correct."""
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    def called(*args: Any, **arguments: Any) -> Any:
        try:
            return tool(*args, **arguments)
        except NearbitError as error:
            raise ToolError(str(error)) from error

    return called


def _found(match: Match) -> FoundDocument:
    text = match.text
    if text is not None and len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}…"
    return FoundDocument(
        id=match.id,
        title=match.title or None,
        text=text,
        metadata=match.metadata or {},
        score=match.score,
        distance=match.distance,
    )
