"""The checks that hold for every refused request."""

from __future__ import annotations

from typing import Any

from httpx2 import Response


def refused(response: Response, status: int, kind: str | None) -> dict[str, Any]:
    """The problem of a response, after the checks that hold for every problem (RFC 9457)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"] == ("about:blank" if kind is None else f"urn:nearbit:problem:{kind}")
    if status == 503:
        assert int(response.headers["retry-after"]) >= 1
    return problem
