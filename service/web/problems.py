"""The one place where errors become HTTP: problem details (RFC 9457, `application/problem+json`).

A problem's `type` is a URN named after the error's class, its `title` the first line of the class's docstring, and its
other members are the error's attributes: a client can tell errors apart and use their data without reading prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from service import errors
from service.errors import NearbitError

log = structlog.get_logger(__name__)

STATUS: Mapping[type[NearbitError], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.RevisionDiffers: 412,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.CollectionForbidden: 403,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
    errors.SchemaMismatch: 503,
    errors.NearbitError: 500,
}
"""Status of each error; a class that is not listed has the status of its nearest listed base."""

MEDIA_TYPE = "application/problem+json"
URN = "urn:nearbit:problem:"

CALLER_LEFT = 499
"""The status that nginx uses for a caller that closed the connection before the response."""


class ProblemResponse(Response):
    """A problem as a response, in ASCII, so that text which is not valid Unicode cannot make it fail too."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """The problem as JSON."""
        return json.dumps(content).encode("ascii")


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    type: str = "about:blank",
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> ProblemResponse:
    """A problem as a response, with `members` as further members of it."""
    body = {
        **members,
        "type": type,
        "title": title or _phrase(status),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    if request_id := request.scope.get("state", {}).get("request_id"):
        body["request_id"] = request_id
    return ProblemResponse(body, status, headers=headers)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Client Closed Request"


def slug_of(error: type[Exception]) -> str:
    """The last part of a problem's type: the class name in lower case with hyphens."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


def status_of(error: type[NearbitError]) -> int:
    """HTTP status of an error."""
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def title_of(error: type[Exception]) -> str:
    """A problem's title: the first line of the docstring of the error's class, up to a semicolon."""
    return (error.__doc__ or "").partition("\n")[0].partition(";")[0].rstrip(".")


def from_error(request: Request, error: Exception) -> ProblemResponse:
    """The problem for an error that nearbit raised on purpose."""
    assert isinstance(error, NearbitError)
    status = status_of(type(error))
    headers = {}
    if isinstance(error, errors.Unavailable | errors.CallRunning | errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="nearbit"'
    if isinstance(error, errors.DatabaseUnavailable):  # the driver names hosts and roles, which callers must not see
        log.warning("database unavailable", error=errors.explained(error))
    if status == 500:
        log.error("request failed", error=str(error), kind=type(error).__name__)
    return problem(
        request,
        status,
        str(error),
        type=URN + slug_of(type(error)),
        title=title_of(type(error)),
        headers=headers,
        **vars(error),
    )


def from_http_error(request: Request, error: Exception) -> ProblemResponse:
    """The problem for an error that HTTP itself defines: an unknown path or method, a body that is too large."""
    assert isinstance(error, HTTPException)
    detail, headers = str(error.detail), error.headers
    if error.status_code == 404:
        detail = f"no route {request.url.path}"
    elif error.status_code == 405:
        allowed = ", ".join(_allowed(request))
        detail, headers = f"{request.method} is not allowed here, only {allowed}", {"Allow": allowed}
    elif error.status_code == 400 and error.__cause__ is not None:
        detail = f"the body must be JSON: {unreadable(error.__cause__)}"
    return problem(request, error.status_code, detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods that the routes of a path have."""
    scopes = ({**request.scope, "method": method} for method in ("GET", "PUT", "POST", "PATCH", "DELETE"))
    routes = request.app.router.routes
    return [s["method"] for s in scopes if any(route.matches(s)[0] is Match.FULL for route in routes)]


def unreadable(error: BaseException) -> str:
    """Why a body could not be read, for its sender."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return f"byte {error.start} is no UTF-8"
        case _:
            return str(error)


def from_validation_error(request: Request, error: Exception) -> ProblemResponse:
    """The problem for a request that breaks its declaration: 415 for its media type, 400 if not JSON, else 422."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(e["type"] == "json_invalid" for e in faults):
        return problem(request, 400, f"the body must be JSON: {faults[0]['ctx']['error']}")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if isinstance(error.body, bytes) and not media_type.endswith(("/json", "+json")):
        return problem(request, 415, f"the body must be application/json, got {media_type or 'no Content-Type'}")
    rules = [{"where": ".".join(map(str, e["loc"])), "rule": e["msg"]} for e in faults]
    return problem(
        request,
        422,
        "; ".join(f"{rule['where']}: {rule['rule']}" for rule in rules[:5]),
        type=URN + slug_of(errors.InvalidInput),
        title=title_of(errors.InvalidInput),
        errors=rules[:100],
    )


def from_anything(request: Request, error: Exception) -> ProblemResponse:
    """The problem for a defect; its cause is for the log only."""
    log.exception("request failed", exc_info=error)
    return problem(request, 500, "an unexpected error; the log has it under this request id")


def install_problems(app: FastAPI) -> None:
    """Have the app respond to every error with its problem."""
    app.add_exception_handler(NearbitError, from_error)
    app.add_exception_handler(HTTPException, from_http_error)
    app.add_exception_handler(RequestValidationError, from_validation_error)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may respond with a problem of these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in sorted(statuses)}
