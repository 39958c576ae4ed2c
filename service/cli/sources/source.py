"""What an import reads: documents one after the other, and those that cannot be sent, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from service.cli.client import to_json_bytes
from service.cli.sources.attached import Attached
from service.errors import InvalidInput


class Refused(NamedTuple):
    """A document that is not stored: its place in the source (see `Source.unit`), why, what it was, and its id."""

    line: int
    reason: str
    text: str
    id: str = ""


@dataclass(slots=True)
class ReadDocument:
    """A document that can be sent.

    Attributes:
        number: its place in the source.
        raw: what stood there, to be shown if it is refused.
        id: its id; a text that begins with NUL and is unique in the source, if it has none that is valid.
        body: the document as JSON.
        content: its vector or picture, where that is sent beside the JSON (see `Source.attached`).
        vectors: in that JSON, by the names of their models, where it names them.
        earlier: a document of the source with the same id, which is sent if this one is refused.
    """

    number: int
    raw: bytes
    id: str
    body: bytes
    content: bytes = b""
    vectors: Mapping[str, object] = field(default_factory=dict)
    earlier: ReadDocument | None = None

    @property
    def n_bytes(self) -> int:
        """How much it adds to a request, nearly."""
        return len(self.body) + len(self.content)

    def refused(self, reason: str) -> Refused:
        """The same document as one that is not stored."""
        shown = self.raw.decode("utf-8", "replace").rstrip("\r\n")
        return Refused(self.number, reason, shown, "" if self.id.startswith("\0") else self.id)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a collection must be to hold what a source has.

    Attributes:
        kind: of the collection; None if that cannot be told.
        dims: entries of the vectors; None if that cannot be told, or there are none.
        found: what the source was seen to hold, to be shown; empty for what needs no word.
        if_new: further settings of a collection that is created for it.
    """

    kind: str | None = None
    dims: int | None = None
    found: str = ""
    if_new: Mapping[str, object] = field(default_factory=dict)


class Source(Protocol):
    """Documents to import, read once, a part at a time.

    Attributes:
        name: what messages call it.
        unit: what `Refused.line` counts: line, row or picture.
        needs: what the collection must be.
        damage: why it could not be read to its end, if so.
    """

    name: str
    unit: str
    needs: Needs
    damage: str | None

    @property
    def attached(self) -> Attached | None:
        """How contents are sent beside the JSON of their documents; None where they are in it."""

    @property
    def total(self) -> int | None:
        """Its length, in bytes of lines, in rows or in pictures; None if that is unknown."""

    @property
    def position(self) -> int:
        """How much of `total` has been read."""

    def __iter__(self) -> Iterator[ReadDocument | Refused]:
        """The documents, in their order."""

    def __enter__(self) -> Self:
        """The source itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its files."""


def read_document(number: int, document: dict[str, Any], content: bytes) -> ReadDocument | Refused:
    """A document whose content is sent beside it; refused if it cannot be sent."""
    id = str(document["id"])
    try:
        return ReadDocument(number, b"", id, to_json_bytes(document), content)
    except InvalidInput as error:
        return Refused(number, str(error), "", id)
