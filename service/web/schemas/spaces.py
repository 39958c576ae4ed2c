"""Code spaces, and the options of a retrain, which makes one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Path, Query
from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from service.hashing.codes import BITS_STEP, MAX_BITS, MIN_BITS
from service.store.upkeep import JUDGE_PATTERN, JUDGE_RULE
from service.training_options import TrainingOptions, refusal
from service.web.schemas.request_body import RequestBody

Version = Annotated[int, Path(ge=1, lt=1 << 31, description="Version of a code space, counted from 1.")]


NBits = Annotated[int, Field(ge=MIN_BITS, le=MAX_BITS, multiple_of=BITS_STEP)]


class SpaceRef(BaseModel):
    """Which code space it was."""

    version: int = Field(description="1 for the untrained space, counted up.")
    digest: str = Field(description="SHA-256 of the hash function.")


class CodeSpace(BaseModel):
    """One version of the hash function of a collection, with the codes it gave."""

    version: int
    state: Literal["training", "encoding", "evaluating", "ready", "active", "retired", "failed"]
    n_bits: int
    digest: str | None = Field(description="SHA-256 of the hash function; null until it is trained.")
    variant: str = Field(description="The autoencoder that was trained, or `untrained`.")
    report: dict[str, Any] | None = Field(description="Figures of the training and the evaluation.")
    error: str | None = Field(description="Why it failed, if it did.")
    created_at: datetime
    activated_at: datetime | None
    model: str | None = Field(
        None, description="Of kind embedding only: the model whose vectors it encodes; queries must bring such."
    )
    uncovered: int | None = Field(
        None,
        description="Only after a promotion or a rollback with `force`: documents without a vector of that model, "
        "which are not found by vectors.",
    )


class Activation(RequestBody):
    """How a code space becomes the active one."""

    force: bool = Field(
        False, description="Even if documents have no vector of its model: these are not found by vectors."
    )


class CodeSpacePage(BaseModel):
    """The code spaces of a collection, newest first."""

    items: list[CodeSpace]
    next_cursor: str | None


PreviewSize = Annotated[int, Query(ge=1, le=200, description="Documents of the sample.")]


class ChangedAnswer(BaseModel):
    """A document, or a query, whose nearest would change."""

    asked: str = Field(description="Id of the document, or the text of the query.")
    overlap: int = Field(description="How many of its nearest stay among them.")
    leave: list[str] = Field(description="Documents that would not be among them any more, the nearest first.")
    come: list[str] = Field(description="Documents that would be new, the nearest first.")


class Overlap(BaseModel):
    """How far the nearest would stay the same."""

    n: int = Field(description="Documents or queries that were asked.")
    overlap: float = Field(description="Mean share of the nearest that are the same.")
    histogram: list[int] = Field(description="How many have 0, 1, ... k of the nearest in common.")
    worst: list[ChangedAnswer] = Field(description="At most 10 with the least overlap.")


class SpacePreview(BaseModel):
    """How answers would change if a code space became the active one."""

    version: int
    active_version: int
    n_searched: int = Field(description="Documents with a code in both, among which the nearest were looked for.")
    k: int = Field(description="How many nearest were compared: 10, or as many as there are.")
    documents: Overlap = Field(description="Of a sample of documents with a code in both spaces.")
    queries: Overlap | None = Field(description="Of the last queries that were kept; null if none are.")


class Supervise(RequestBody):
    """What a training learns of what people said; documents that are held out keep theirs to themselves."""

    field: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Documents with the same value of this metadata are alike.",
    )
    pairs: bool = Field(False, description="Pairs that were put are alike or not, as was said.")


def _supervise(given: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Refuse what is no `Supervise`, and one that asks for nothing, with one message."""
    try:
        supervise: Supervise = check(given)
        if supervise.field is None and not supervise.pairs:
            raise ValueError
    except ValueError:
        raise ValueError(
            "supervise must be an object with `field`, the name of a metadata field of up to 200 characters, with "
            f"`pairs` true, or with both, got {str(given)[:80]}"
        ) from None
    return supervise


class Retrain(TrainingOptions):
    """Options of the training, each with a default: docs/models.md explains them."""

    force: bool = Field(
        False,
        description="Promote the new space even if it is worse than the active one, or if documents have no vector of "
        "its model.",
    )
    model: str | None = Field(
        None,
        max_length=64,
        description="Of kind embedding: learn from the vectors of that model; of the one whose vectors the active "
        "space encodes if not given. While documents have no such vector, the space stays `ready`.",
    )
    n_bits: NBits | Literal["auto"] | None = Field(
        None,
        description="Width of the new codes; auto: from the number of documents, and from how many of them share a "
        "code now; left out: that of the active codes.",
    )

    supervise: Annotated[Supervise, WrapValidator(_supervise)] | None = Field(
        None, description="What people said of documents, for codes to learn: labels, named pairs or both (neighbor)."
    )
    judge: Annotated[str, Field(pattern=JUDGE_PATTERN, description=JUDGE_RULE)] | None = Field(
        None, description=f"{JUDGE_RULE} As the collection says if not given."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse wrong options with a message that names what is allowed and what came."""
        try:
            return check(given)
        except ValidationError as error:
            if not isinstance(given, dict):
                raise
            raise refusal(cls, given, error, where="body.") from None

    def params(self) -> dict[str, Any]:
        """The options that were given, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
