"""Reports on the quality of code spaces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from service.web.schemas.request_body import RequestBody

_VERSION = "Of the code space; the active one if not given."
_LABEL = "A metadata field: documents with the same value are relevant to one another."
MAX_FIELD_CHARS = 200

QualityVersion = Annotated[int | None, Query(ge=1, lt=1 << 31, description=_VERSION)]
QualityLabel = Annotated[str | None, Query(min_length=1, max_length=MAX_FIELD_CHARS, description=_LABEL)]


class JudgeQuality(RequestBody):
    """What to judge, and by what."""

    version: int | None = Field(None, ge=1, lt=1 << 31, description=_VERSION)
    label: str | None = Field(None, min_length=1, max_length=MAX_FIELD_CHARS, description=_LABEL)


class Quality(BaseModel):
    """The last report on a code space by a label."""

    version: int
    label: str | None
    created_at: datetime
    report: dict[str, Any] = Field(
        description="`n_queries` held-out documents ask, `n_database` others are searched. `found` has each figure "
        "with 95 % of its bootstrap samples; `recall`, `topic`, `label` and `pairs` have it for the active and the "
        "untrained codes too. Then the health of bits and buckets, and `advice`."
    )
