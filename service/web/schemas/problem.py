"""What an error looks like over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """What went wrong (RFC 9457); some types have more members, such as `job_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URN of the kind of problem, or about:blank for one that HTTP itself defines.")
    title: str = Field(description="Name of the kind of problem.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time.")
    instance: str = Field(description="Path of the request.")
    request_id: str | None = Field(None, description="As in the X-Request-ID header and in the logs.")
