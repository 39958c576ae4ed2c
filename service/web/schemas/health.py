"""Whether the process works."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether the process can do its work; each check is `ok` or says what is wrong."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] | None = Field(None, description="Left out for a caller without the key that is needed.")
    collections: dict[str, str] | None = Field(
        None,
        description="Collections that have a fault, and which; the others are served. Left out if none has.",
    )
    notes: dict[str, str] | None = Field(
        None, description="What makes the process slower than it should be, but not unready. Left out if nothing does."
    )
