"""The parameters of the similarity queries, read by one model at once.

FastAPI reads declared parameters one by one, which takes a tenth of such a query (0.05 of 0.48 ms). So these routes
declare theirs to the documentation only, and read them here; the rules and the errors are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from service.routes import schemas
from service.search import Want

_IN_PATH = ("collection", "id")


class Nearest(BaseModel):
    """How many matches of which collection, and what of them."""

    collection: str = Field(pattern=schemas.COLLECTION_PATTERN, description=schemas.COLLECTION_RULE)
    k: int = Field(10, ge=1, description="Most matches; the installation sets the highest.")
    radius: int | None = Field(None, ge=0, description="Only matches within this many bits, at most n_bits.")
    fields: str | None = Field(
        None,
        pattern="^(id|distance|score|text|metadata)(,(id|distance|score|text|metadata))*$",
        description="Which of text and metadata come back, as in `fields=id,metadata`; both if not given.",
    )
    at_least_seq: int | None = Field(
        None,
        ge=0,
        lt=1 << 63,
        description="Answer from a state that holds every change up to this seq (from a write).",
    )
    rerank: Literal["features"] | None = Field(None, description=schemas.RERANK)
    shortlist: int | None = Field(None, ge=1, description=schemas.SHORTLIST)

    @property
    def want(self) -> Want:
        """The same, for the search."""
        return Want(
            self.k,
            self.radius,
            self.at_least_seq,
            self.rerank,
            self.shortlist,
            shown=schemas.shown_by(self.names),
        )

    @property
    def names(self) -> Sequence[str] | None:
        """The fields, taken apart; None for all."""
        return None if self.fields is None else self.fields.split(",")


class NearText(Nearest):
    """... near a text."""

    q: str = Field(description="The text.")
    ties: Literal["arrival", "confidence"] = Field("arrival", description=schemas.TIES)

    @property
    def want(self) -> Want:
        """The same, for the search."""
        return replace(super().want, ties=self.ties)


class NearDocument(Nearest):
    """... near a stored document."""

    id: schemas.IdInPath = Field(
        min_length=1,
        max_length=schemas.MAX_ID_CHARS,
        pattern=schemas.PATH_ID_PATTERN,
        description=schemas.PATH_ID_RULE,
    )


Model = TypeVar("Model", bound=Nearest)


def read(model: type[Model], request: Request) -> Model:
    """The parameters of a request.

    Raises:
        RequestValidationError: they break a rule of the model.
    """
    try:
        return model.model_validate({**request.query_params, **request.path_params})
    except ValidationError as error:
        raise RequestValidationError(
            [{**e, "loc": (_place(str(e["loc"][0])), *e["loc"])} for e in error.errors()]
        ) from None


def declared(model: type[Nearest]) -> dict[str, Any]:
    """The parameters as OpenAPI declares them, for a route's `openapi_extra`."""
    schema = model.model_json_schema()
    return {
        "parameters": [
            {
                "name": name,
                "in": _place(name),
                "required": name in schema["required"],
                "description": about.pop("description"),
                "schema": about,
            }
            for name, about in schema["properties"].items()
        ]
    }


def _place(name: str) -> str:
    return "path" if name in _IN_PATH else "query"
