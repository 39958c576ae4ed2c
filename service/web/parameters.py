"""The parameters of the similarity queries, all read at once by one model.

FastAPI reads declared parameters one by one, which takes a tenth of such a query (0.05 of 0.48 ms). So these routes
declare their parameters in the OpenAPI document only, and read them here; the rules and the errors are the same.
"""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from service.errors import InvalidContent
from service.hashing.codes import MAX_BITS
from service.search.facets import parse_facets
from service.search.filters import check_field
from service.search.list_position import ListOrder
from service.search.listing import ListRequest
from service.search.request import NarrowOptions, QueryOptions, SearchRequest, SimilarOptions, TextOptions
from service.web.cursor import from_cursor
from service.web.schemas.collections import COLLECTION_PATTERN, COLLECTION_RULE
from service.web.schemas.documents import MAX_ID_CHARS, PATH_ID_PATTERN, PATH_ID_RULE, IdInPath
from service.web.schemas.similar import HEX_CODE_PATTERN

_IN_PATH = ("collection", "id")
_LISTS = ("fields", "facets")
"""Parameters whose values stand in one string, joined by commas."""


class SimilarToText(TextOptions):
    """Parameters of a query for documents similar to a text, or to a code."""

    collection: str = Field(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)
    q: str | None = Field(None, description="The text, in a collection of texts; this or `code` must be given.")
    code: str | None = Field(
        None,
        pattern=HEX_CODE_PATTERN,
        max_length=MAX_BITS // 4,
        description="A code of the active space, in hexadecimal, in a collection of any kind.",
    )

    @model_validator(mode="after")
    def _check_one(self) -> SimilarToText:
        if (self.q is None) == (self.code is None):
            raise PydanticCustomError("missing", "Field required: q or code, and not both")
        return self

    def request(self) -> SearchRequest:
        """The request for the search."""
        if self.code is not None:
            return SearchRequest.of(self, kind="similar", collection=self.collection, codes=(self.code,))
        return SearchRequest.of(self, kind="similar", collection=self.collection, texts=(self.q,))


class SimilarToDocument(SimilarOptions):
    """Parameters of a query for documents similar to a stored one."""

    collection: str = Field(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)
    id: IdInPath = Field(
        min_length=1,
        max_length=MAX_ID_CHARS,
        pattern=PATH_ID_PATTERN,
        description=PATH_ID_RULE,
    )

    def request(self) -> SearchRequest:
        """The request for the search."""
        return SearchRequest.of(self, kind="similar", collection=self.collection, document_id=self.id)


class SearchQuery(QueryOptions):
    """Parameters of a query as a person types it."""

    collection: str = Field(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)
    q: str = Field(
        description='Words; `"a phrase"`, `+required`, `-excluded`, `beginn*` of a word may be among them.',
    )

    def request(self) -> SearchRequest:
        """The request for the search."""
        return SearchRequest.of(self, kind="search", collection=self.collection, texts=(self.q,))


class DocumentsQuery(NarrowOptions):
    """Parameters of a list of documents."""

    collection: str = Field(pattern=COLLECTION_PATTERN, description=COLLECTION_RULE)
    limit: int = Field(100, ge=1, le=1_000, description="Most items in one page.")
    cursor: str | None = Field(None, description="The next_cursor of the page before.")

    @property
    def is_plain(self) -> bool:
        """Whether all documents are listed as they arrived, without counts."""
        return self.filter is None and not self.where and not self.facets and self.sort is None

    def request(self) -> ListRequest:
        """The request for the list."""
        cursor = None if self.cursor is None else from_cursor(self.cursor, "")
        order = ListOrder()
        if self.sort is not None:
            order = ListOrder(check_field(self.sort.removeprefix("-"), "sort"), self.sort.startswith("-"))
        return ListRequest(self.collection, self.passing(), order, parse_facets(self.facets), cursor, self.limit)


Model = TypeVar("Model", bound=NarrowOptions)


def read_parameters(model: type[Model], request: Request) -> Model:
    """The parameters of a request.

    Raises:
        RequestValidationError: they break a rule of the model.
    """
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given: dict[str, Any] = {**dict(query), **request.path_params}
    if "where" in given:
        given["where"] = [value for name, value in query if name == "where"]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": _place(e["loc"])} for e in error.errors()]) from None


def _place(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where a fault is: in a parameter, or in what several are together, which is told of the first of them, `q`."""
    location = location or ("q",)
    return (_location(str(location[0])), *location)


def check_utf8(request: Request, q: str, name: str = "text") -> None:
    """Refuse a text that was not UTF-8 in the URL: each byte that was not was read as U+FFFD."""
    if "\ufffd" not in q:
        return
    query = request.scope["query_string"].decode("latin-1")
    raw = dict(parse_qsl(query, keep_blank_values=True, encoding="latin-1")).get("q", "")  # one character per byte
    try:
        raw.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidContent(f"{name} must be valid UTF-8, got another byte at {error.start}") from None


def openapi_parameters(model: type[NarrowOptions]) -> dict[str, Any]:
    """The parameters as OpenAPI declares them, for a route's `openapi_extra`."""
    schema = model.model_json_schema()
    of_parameters = schema["properties"]
    of_parameters["facets"] |= {"items": {"type": "string"}}  # objects are for bodies
    return {
        "parameters": [
            {
                "name": name,
                "in": _location(name),
                "required": name in schema["required"],
                "description": schema_of.pop("description"),
                **({"style": "form", "explode": False} if name in _LISTS else {}),
                **(
                    {"content": {"application/json": {"schema": schema_of}}}
                    if name == "filter"
                    else {"schema": schema_of}
                ),
            }
            for name, schema_of in of_parameters.items()
        ]
    }


def _location(name: str) -> str:
    return "path" if name in _IN_PATH else "query"
