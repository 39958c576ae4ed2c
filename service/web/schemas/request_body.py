"""The base of every request body."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """Base of request bodies: unknown members are errors."""

    model_config = ConfigDict(extra="forbid")
