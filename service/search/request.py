"""SearchRequest: all that a query may ask, read once where it comes in, handed down whole.

The options stand here alone: the parameters of a GET, the members of a POST and the OpenAPI document follow from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.config import Settings
from service.errors import InvalidInput
from service.store.documents import ALL_SHOWN, Shown

DEFAULT_SHORTLIST = 100
"""Documents that are re-ranked unless the query says how many, or asks for more than a tenth of that."""

FieldName = Literal["id", "distance", "score", "text", "title", "metadata"]


def _apart(fields: object) -> object:
    """Names that stand in one string, as in `fields=id,metadata`, taken apart."""
    return fields.split(",") if isinstance(fields, str) else fields


class SearchOptions(BaseModel):
    """How a query is answered; every query takes these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(10, ge=1, description="Most matches of each query; the installation sets the highest.")
    fields: Annotated[list[FieldName] | None, BeforeValidator(_apart)] = Field(
        None, description="Which of title, text and metadata come back, as in `fields=id,title`; all if not given."
    )
    at_least_seq: int | None = Field(
        None,
        ge=0,
        lt=1 << 63,
        description="Answer only from a state that includes every change up to this seq, which a write has answered.",
    )

    @property
    def shown(self) -> Shown:
        """What of each document is read and answered with."""
        fields = self.fields
        return ALL_SHOWN if fields is None else Shown("text" in fields, "metadata" in fields, "title" in fields)

    def check_matches(self, n_queries: int, settings: Settings, name: str) -> None:
        """Refuse more matches than the installation allows, of each query or in all.

        Raises:
            InvalidInput: k, or the queries times k, is out of range.
        """
        if not 1 <= self.k <= settings.max_k:
            raise InvalidInput(f"k must be between 1 and {settings.max_k}, got {self.k}")
        if n_queries * self.k > settings.max_matches:
            raise InvalidInput(
                f"{name} times k must be at most {settings.max_matches} (max_matches) in one request, got "
                f"{n_queries} x {self.k} = {n_queries * self.k}"
            )


class SimilarOptions(SearchOptions):
    """How a query for similar documents is answered."""

    radius: int | None = Field(None, ge=0, description="Only matches within this many bits, at most n_bits.")
    rerank: Literal["features"] | None = Field(
        None,
        description="`features`: put a shortlist of the nearest in the order of the words that they share with the "
        "query (BM25), then take the first `k`.",
    )
    shortlist: int | None = Field(
        None,
        ge=1,
        description="How many of the nearest are re-ranked: at least `k`; the installation sets the most. If not "
        "given, 10 `k` and at least 100, or with `radius` all within it, up to that most.",
    )


class TextOptions(SimilarOptions):
    """How a query by text is answered: its code comes with the confidence of each bit."""

    ties: Literal["arrival", "confidence"] = Field(
        "arrival",
        description="What orders equal distances: the order of arrival, or before it how sure the query's code is of "
        "the bits in which they differ.",
    )


_OPTION_NAMES = frozenset(TextOptions.model_fields)


class SearchRequest(TextOptions):
    """What is asked, of which collection, and how it is answered: by texts, or by a stored document.

    Attributes:
        collection: its name.
        texts: one query each.
        document_id: a stored document, which is itself left out of the matches; then there are no texts.
        is_batch: the texts came as a list, in which errors name a position.
    """

    collection: str
    texts: Sequence[str] = ()
    document_id: str | None = None
    is_batch: bool = False

    @classmethod
    def of(cls, options: SimilarOptions, **query: Any) -> SearchRequest:
        """The request of options that were checked, and of what is asked: `collection`, `texts` or `document_id`."""
        given = {name: value for name, value in vars(options).items() if name in _OPTION_NAMES}
        return cls.model_construct(**given, **query)

    @property
    def n_queries(self) -> int:
        """How many queries it holds."""
        return 1 if self.document_id is not None else len(self.texts)

    @property
    def n_matches(self) -> int:
        """Most matches that it may be answered with."""
        return self.k * self.n_queries

    def n_shortlisted(self, settings: Settings) -> int:
        """How many of the nearest are re-ranked."""
        if self.shortlist is not None:
            return self.shortlist
        most = settings.max_shortlist
        return max(self.k, most if self.radius is not None else min(most, max(DEFAULT_SHORTLIST, 10 * self.k)))

    def check(self, n_bits: int, settings: Settings) -> None:
        """Refuse what the collection or the installation does not allow.

        Raises:
            InvalidInput: k, radius or shortlist out of range, or too many matches in all.
        """
        self.check_matches(self.n_queries, settings, "texts")
        if self.radius is not None and not 0 <= self.radius <= n_bits:
            raise InvalidInput(f"radius must be between 0 and n_bits = {n_bits}, got {self.radius}")
        if self.shortlist is None:
            return
        if self.rerank is None:
            raise InvalidInput("shortlist must come with rerank=features")
        if not self.k <= self.shortlist <= settings.max_shortlist:
            raise InvalidInput(
                f"shortlist must be between k = {self.k} and {settings.max_shortlist}, got {self.shortlist}"
            )


class QueryOptions(SearchOptions):
    """How a query as people type it is answered: by words, by codes, or by both."""

    rank: Literal["hybrid", "words", "code"] = Field(
        "hybrid",
        description="`words`: by the words of the query (BM25). `code`: by the code of the query. `hybrid`: by both, "
        "where the documents that the words find also tell the code where to look.",
    )
    prefix: bool = Field(False, description="The last word may be the beginning of one, as while a person types.")
    typos: bool = Field(
        True, description="A word that no document has stands for the nearest ones that some have; `corrected` tells."
    )
    highlight: bool = Field(False, description="Each match comes with its best passage, and where its words stand.")


class QueryRequest(QueryOptions):
    """What is asked, of which collection, and how it is answered.

    Attributes:
        collection: its name.
        queries: one or more, as people type them.
        is_batch: the queries came as a list, in which errors name a position.
    """

    collection: str
    queries: Sequence[str] = ()
    is_batch: bool = False

    @classmethod
    def of(cls, options: QueryOptions, **query: Any) -> QueryRequest:
        """The request of options that were checked, and of what is asked: `collection`, `queries`, `is_batch`."""
        given = {name: value for name, value in options if name in QueryOptions.model_fields}
        return cls.model_construct(**given, **query)

    def check(self, settings: Settings) -> None:
        """Refuse what the installation does not allow.

        Raises:
            InvalidInput: k out of range, or too many matches in all.
        """
        self.check_matches(len(self.queries), settings, "queries")
