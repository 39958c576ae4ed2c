"""SearchRequest: all that a query may ask, read once where it comes in, handed down whole.

The options stand here alone: the parameters of a GET, the members of a POST and the OpenAPI document follow from them.
So this file is long: each option comes with its rule and its description, and what they allow together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.config import Settings
from service.errors import InvalidInput
from service.hashing.content import Kind
from service.index.columns.filters import And, Filter
from service.search.facets import FacetOption, FacetRequest, parse_facets
from service.search.filters import check_field, fields_of, parse_filter, parse_where
from service.store.document_summaries import ALL_SHOWN, Shown

DEFAULT_SHORTLIST = {"features": 100, "confidence": 500}
"""Documents that are re-ranked unless the query says how many, or asks for more than a tenth of that."""
MAX_GROUP_SIZE, MAX_EXAMPLES, MAX_EXPLAINED, MAX_COUNTS = 100, 100, 100, 1_000

_SHOWABLE = ("id", "distance", "score", "text", "title", "metadata")
_METADATA = "metadata."


def _apart(fields: object) -> object:
    """Names that stand in one string, as in `fields=id,metadata`, taken apart."""
    return fields.split(",") if isinstance(fields, str) else fields


def _check_shown(name: str) -> str:
    if name not in _SHOWABLE and not (name.startswith(_METADATA) and len(name) > len(_METADATA)):
        raise ValueError(f"must be one of {', '.join(_SHOWABLE)}, or metadata.FIELD")
    return name


def _from_json(filter: object) -> object:
    """A filter that came as text, parsed."""
    if not isinstance(filter, str):
        return filter
    try:
        return json.loads(filter)
    except RecursionError:
        raise ValueError("must be JSON, and is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"must be JSON: {error}") from None


def _listed(values: object) -> object:
    return [values] if isinstance(values, str) else values


ShownName = Annotated[str, AfterValidator(_check_shown)]


class NarrowOptions(BaseModel):
    """Which documents, in which order, and how they are counted, by their metadata.

    Defaults are tuples: of an empty list pydantic makes a copy for each request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filter: Annotated[dict[str, Any] | None, BeforeValidator(_from_json)] = Field(
        None,
        description="Only documents whose metadata pass, as JSON: "
        '`{"lang": "en", "year": {"gte": 2020}, "or": [{"tags": {"contains": "new"}}, {"price": {"exists": false}}]}`.',
    )
    where: Annotated[Sequence[str], BeforeValidator(_listed)] = Field(
        (), description="`FIELD:VALUE`, as in `where=lang:en`: only documents with that value; may come several times."
    )
    facets: Annotated[Sequence[FacetOption], BeforeValidator(_apart)] = Field(
        (),
        description="Fields of metadata to count the matches by: `facets=lang,year:20` for the ten, and the twenty, "
        "commonest values; `price:0..10..20..` for ranges, each without its upper end.",
    )
    sort: str | None = Field(
        None, description="Order the matches by a field of metadata, and with `-` before it from the greatest down."
    )

    def passing(self) -> Filter | None:
        """What the metadata of a document must be like; None for all.

        Raises:
            InvalidInput: `filter` or `where` is none.
        """
        found = [parse_filter(self.filter)] if self.filter is not None else []
        if self.where:
            found.append(parse_where(self.where))
        if not found:
            return None
        return found[0] if len(found) == 1 else And(tuple(found))


class SearchOptions(NarrowOptions):
    """How a query is answered; every query takes these."""

    k: int = Field(10, ge=1, description="Most matches of each query; the installation sets the highest.")
    offset: int = Field(
        0, ge=0, lt=1 << 31, description="Leave out so many of the best: for the pages after the first."
    )
    group_by: str | None = Field(
        None, description="A field of metadata: `k` groups of documents with the same value, the best of each."
    )
    group_size: int = Field(3, ge=1, le=MAX_GROUP_SIZE, description="Most matches of each group.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="What a match loses that resembles one before it: from 0, nothing, to 1, where only that counts.",
    )
    radius: int | None = Field(None, ge=0, description="Only documents within this many bits, at most n_bits.")
    min_score: float | None = Field(None, allow_inf_nan=False, description="Only matches of at least this score.")
    highlight: bool = Field(
        False, description="Each match comes with the passage that has most of the query, and where its words stand."
    )
    model: str | None = Field(
        None,
        max_length=64,
        description="Of kind embedding: the model that made the vectors of the query; the oldest of their width if not "
        "given. A conflict where it is not the one whose vectors the active code space encodes.",
    )
    explain: bool = Field(
        False, description="Each match comes with the parts of its score: the words that matched and the bits."
    )
    fields: Annotated[list[ShownName] | None, BeforeValidator(_apart)] = Field(
        None,
        description="Which of title, text and metadata come back, as in `fields=id,title,metadata.lang`; all if not "
        "given.",
    )
    at_least_seq: int | None = Field(
        None,
        ge=0,
        lt=1 << 63,
        description="Answer only from a state that includes every change up to this seq, which a write has answered.",
    )


class SimilarOptions(SearchOptions):
    """How a query for similar documents is answered."""

    rerank: Literal["features", "confidence"] | None = Field(
        None,
        description="Put a shortlist of the nearest in another order, then take the first `k`. `features`: by the "
        "words that they share with the query (BM25), or the cosine of their vectors. `confidence`: by the bits in "
        "which they differ from the query, each counted as surely as the query has it.",
    )
    shortlist: int | None = Field(
        None,
        ge=1,
        description="How many of the nearest are re-ranked: at least `k`; the installation sets the most. If not "
        "given, 10 `k` and at least 100, by `confidence` 500, or with `radius` all within it, up to that most.",
    )


class TextOptions(SimilarOptions):
    """How a query by text is answered: its code comes with the confidence of each bit."""

    ties: Literal["arrival", "confidence"] = Field(
        "arrival",
        description="What orders equal distances: the order of arrival, or before it how sure the query's code is of "
        "the bits in which they differ.",
    )


class RecommendOptions(SearchOptions):
    """How documents are recommended from examples: by words, by codes, or by both."""

    rank: Literal["hybrid", "words", "code"] = Field(
        "hybrid",
        description="`words`: by words (BM25). `code`: by codes. `hybrid`: by both, where the documents that the words "
        "find also tell the code where to look.",
    )


class QueryOptions(RecommendOptions):
    """How a query as people type it is answered: by words, by codes, or by both."""

    prefix: bool = Field(False, description="The last word may be the beginning of one, as while a person types.")
    typos: bool = Field(
        True, description="A word that no document has stands for the nearest ones that some have; `corrected` tells."
    )


@dataclass(frozen=True, slots=True)
class Example:
    """A stored document, or a text, that recommendations shall be like or unlike: one of them is given."""

    id: str | None = None
    text: str | None = None


class SearchRequest(TextOptions, QueryOptions):
    """What is asked, of which collection, and how it is answered.

    Attributes:
        kind: for documents similar to texts or to a stored one; for what people type; or for what is like examples.
        collection: its name.
        texts: one query each; none where something else asks.
        vectors: one query each, or beside each text of a search, as lists of numbers or in base64.
        images: one query each, in base64.
        codes: one query each, in hexadecimal.
        document_id: a stored document, which is itself left out of the matches.
        positive: examples of what is wanted.
        negative: examples of what is not.
        is_batch: the queries came as a list, in which errors name a position.
        condition: what `filter` and `where` ask of the metadata of matches; None for all.
        counted: what `facets` asks for.
    """

    kind: Literal["similar", "search", "recommend"] = "similar"
    collection: str
    texts: Sequence[str] = ()
    vectors: Sequence[Any] = ()
    images: Sequence[str] = ()
    codes: Sequence[str] = ()
    document_id: str | None = None
    positive: Sequence[Example] = ()
    negative: Sequence[Example] = ()
    is_batch: bool = False
    condition: Any = None
    counted: Sequence[FacetRequest] = ()

    @classmethod
    def of(cls, options: SearchOptions, **query: Any) -> SearchRequest:
        """The request of options that were checked by themselves, and of what is asked: `kind`, `texts` and so on.

        Raises:
            InvalidInput: a filter, a facet, or a field that is none.
        """
        counted = parse_facets(options.facets) if options.facets else ()
        for name in (options.sort, options.group_by):
            if name is not None:
                check_field(name.removeprefix("-"), "sort" if name is options.sort else "group_by")
        request = cls.__new__(cls)
        values = {**_DEFAULTS, **vars(options), **query, "condition": options.passing(), "counted": counted}
        object.__setattr__(request, "__dict__", values)  # as model_construct does, field by field
        return request

    @property
    def has_nearest_first(self) -> bool:
        """Whether the first match is the document nearest by code, of all documents."""
        return self.kind == "similar" and self.rerank is None and self.sort is None and self.condition is None

    @property
    def shown(self) -> Shown:
        """What of each document is read and answered with."""
        fields = self.fields
        if fields is None:
            return ALL_SHOWN
        has_metadata = any(name.startswith("metadata") for name in fields)
        return Shown("text" in fields, has_metadata, "title" in fields)

    @property
    def metadata_fields(self) -> Sequence[str] | None:
        """The fields of metadata that are answered with; None for all."""
        fields = self.fields
        if fields is None or "metadata" in fields:
            return None
        return [name.removeprefix(_METADATA) for name in fields if name.startswith(_METADATA)]

    @property
    def sort_field(self) -> str:
        """The field that the matches are ordered by."""
        return (self.sort or "").removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the greatest value of that field comes first."""
        return (self.sort or "").startswith("-")

    @property
    def column_fields(self) -> set[str]:
        """The fields of metadata that the answer depends on."""
        found = {facet.field for facet in self.counted}
        if self.condition is not None:
            found |= fields_of(self.condition)
        if self.sort:
            found.add(self.sort_field)
        if self.group_by:
            found.add(self.group_by)
        return found

    @property
    def needs_columns(self) -> bool:
        """Whether the metadata of the collection are wanted."""
        return self.condition is not None or bool(self.counted or self.sort or self.group_by)

    def needs_words(self, kind: Kind) -> bool:
        """Whether the words of a collection of that kind are wanted."""
        if kind == "image":
            return False
        if self.kind == "similar":
            return self.highlight or (self.rerank == "features" and kind == "text")
        return self.highlight or self.rank != "code"

    def needs_content(self, kind: Kind) -> bool:
        """Whether the content of a stored document that asks is wanted, beside its code."""
        return self.explain or self.rerank is not None or self.needs_words(kind)

    @property
    def asks(self) -> tuple[str, Sequence[Any]]:
        """What asks, one query each, and what a caller calls it; nothing where stored documents do."""
        if self.kind == "search":
            return "queries", self.texts
        for name in ("vectors", "images", "codes"):
            if found := getattr(self, name):
                return name, found
        return "texts", self.texts

    @property
    def n_queries(self) -> int:
        """How many queries it holds."""
        return len(self.asks[1]) or 1

    @property
    def n_matches(self) -> int:
        """Most matches that it may be answered with."""
        return self.k * (self.group_size if self.group_by else 1) * self.n_queries

    def n_shortlisted(self, settings: Settings) -> int:
        """How many of the nearest are re-ranked; 0 where none are."""
        if self.shortlist is not None or self.rerank is None:
            return self.shortlist or 0
        most = settings.max_shortlist
        usual = max(DEFAULT_SHORTLIST[self.rerank], 10 * self.k)
        return max(self.k, most if self.radius is not None else min(most, usual))

    def check(self, n_bits: int, settings: Settings) -> None:
        """Refuse what the collection or the installation does not allow.

        Raises:
            InvalidInput: k, offset, radius or shortlist out of range, too many matches in all, options that exclude
                each other.
        """
        self._check_matches(settings)
        if self.radius is not None and not 0 <= self.radius <= n_bits:
            raise InvalidInput(f"radius must be between 0 and n_bits = {n_bits}, got {self.radius}")
        if self.sort and (self.diversity or self.rerank):
            raise InvalidInput(f"sort must come without {'diversity' if self.diversity else 'rerank'}")
        if self.kind == "similar" and self.min_score is not None and self.rerank is None:
            raise InvalidInput("min_score must come with rerank: without it, matches have distances, see radius")
        if len(self.counted) * self.n_queries > MAX_COUNTS:
            raise InvalidInput(
                f"facets times queries must be at most {MAX_COUNTS} in one request, got "
                f"{len(self.counted)} x {self.n_queries} = {len(self.counted) * self.n_queries}"
            )
        if self.explain and self.n_matches > MAX_EXPLAINED:
            raise InvalidInput(f"explain must come with at most {MAX_EXPLAINED} matches in all, got {self.n_matches}")
        if self.shortlist is None:
            return
        if self.rerank is None:
            raise InvalidInput("shortlist must come with rerank")
        if not self.k <= self.shortlist <= settings.max_shortlist:
            raise InvalidInput(
                f"shortlist must be between k = {self.k} and {settings.max_shortlist}, got {self.shortlist}"
            )

    def _check_matches(self, settings: Settings) -> None:
        if not 1 <= self.k <= settings.max_k:
            raise InvalidInput(f"k must be between 1 and {settings.max_k}, got {self.k}")
        if self.offset + self.k > settings.max_matches:
            raise InvalidInput(
                f"offset plus k must be at most {settings.max_matches} (max_matches), got {self.offset + self.k}"
            )
        if self.n_matches > settings.max_matches:
            name, _ = self.asks
            size = f" x group_size {self.group_size}" if self.group_by else ""
            raise InvalidInput(
                f"{name} times k must be at most {settings.max_matches} (max_matches) in one request, got "
                f"{self.n_queries} x {self.k}{size} = {self.n_matches}"
            )


_DEFAULTS = {name: field.get_default() for name, field in SearchRequest.model_fields.items() if not field.is_required()}
