"""What calls raise, named as the problem types of the service.

NearbitError
├── InvalidInput
│   ├── InvalidContent, DuplicateIds, MalformedCursor, TooFewDocuments, KeyReused, TooMuchToRead
├── NotFound
├── Conflict
│   ├── CollectionDiffers, SeqNotReached, ForbiddenMove, WorseThanActive, RevisionDiffers, CallRunning
│   ├── OtherModel, TooManyKeys, ModelInUse, VectorsMissing
│   └── JobRunning
│       └── RetrainRunning
├── Unauthorized
├── Forbidden, CollectionForbidden
├── TooManyRequests
│   └── KeyLimitReached, TooManyWrongKeys
├── Unavailable
│   ├── DatabaseUnavailable, StorageFull, Overloaded, QueueFull, EncoderUnavailable
│   └── NoConnection        the service does not respond at all
├── CorruptArtifact, SchemaMismatch, ConfigurationError
├── JobFailed               a job that was waited for failed, or was cancelled
└── NotInstalled            a distribution that is needed is not there
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_URN = "urn:nearbit:problem:"


class NearbitError(Exception):
    """The base of every error of this package.

    Attributes:
        problem: the members of the problem that the service responded with, such as `detail` and `request_id`; empty
            if it did not respond.
        status: of the response; 0 if there was none.
    """

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.problem = dict(problem or {})
        self.status = status


class InvalidInput(NearbitError):
    """The input breaks a rule, which the message names."""


class InvalidContent(InvalidInput):
    """One content cannot be hashed; `problem["position"]` is its place."""


class DuplicateIds(InvalidInput):
    """One batch names the same id twice."""


class MalformedCursor(InvalidInput):
    """A cursor did not come from this service."""


class TooFewDocuments(InvalidInput):
    """The collection is too small to be trained on."""


class KeyReused(InvalidInput):
    """An idempotency key came with another call before."""


class TooMuchToRead(InvalidInput):
    """The answer would hold more bytes than the service allows."""


class NotFound(NearbitError):
    """There is no collection, document, code space or job of that name."""


class Conflict(NearbitError):
    """The current state does not allow the call."""


class CollectionDiffers(Conflict):
    """The collection exists with other settings."""


class JobRunning(Conflict):
    """A job of this kind is not finished; `problem["job_id"]` names it."""


class RetrainRunning(JobRunning):
    """The collection is being retrained."""


class SeqNotReached(Conflict):
    """`at_least_seq` is beyond the last change of the collection."""


class ForbiddenMove(Conflict):
    """A code space or job cannot go from its state to the one that was asked for."""


class WorseThanActive(Conflict):
    """The new code space is worse than the active one."""


class RevisionDiffers(Conflict):
    """A document is in another revision; `problem["revisions"]` has the present ones."""


class CallRunning(Conflict):
    """A call with the same idempotency key has not ended."""


class OtherModel(Conflict):
    """The vector of a query was made by another embedding model than that of the active codes."""


class TooManyKeys(Conflict):
    """There are as many keys as the service allows."""


class ModelInUse(Conflict):
    """A code space or documents need the vectors of the embedding model."""


class VectorsMissing(Conflict):
    """Documents have no vector of the embedding model."""


class Unauthorized(NearbitError):
    """The key is missing or wrong."""


class Forbidden(NearbitError):
    """The key does not allow the call."""


class CollectionForbidden(NearbitError):
    """The key is for other collections."""


class TooManyRequests(NearbitError):
    """The caller asks for more than it may."""


class KeyLimitReached(TooManyRequests):
    """A limit of the key is reached."""


class TooManyWrongKeys(TooManyRequests):
    """Too many wrong keys came from this address."""


class Unavailable(NearbitError):
    """A component that is needed is unavailable now."""


class DatabaseUnavailable(Unavailable):
    """The database of the service does not respond."""


class StorageFull(Unavailable):
    """The disk or the database of the service is full."""


class Overloaded(Unavailable):
    """The service does as much as it takes on at a time."""


class QueueFull(Unavailable):
    """Too many contents wait for a code."""


class EncoderUnavailable(Unavailable):
    """The encoder process does not respond."""


class NoConnection(Unavailable):
    """The service does not respond, or the connection broke."""


class CorruptArtifact(NearbitError):
    """Stored data of the service is damaged."""


class SchemaMismatch(NearbitError):
    """The database has another schema version than the service."""


class ConfigurationError(NearbitError):
    """The service cannot be run with these settings."""


class JobFailed(NearbitError):
    """A job failed or was cancelled; the message has the reason."""


class NotInstalled(NearbitError):
    """A distribution that is needed is not installed; the message says which."""


def _tree(error: type[NearbitError]) -> Iterator[type[NearbitError]]:
    yield error
    for derived in error.__subclasses__():
        yield from _tree(derived)


def type_of(error: type[NearbitError]) -> str:
    """The problem type that an error stands for."""
    return _URN + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


_BY_TYPE = {type_of(error): error for error in _tree(NearbitError)}
_BY_STATUS: Mapping[int, type[NearbitError]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: RevisionDiffers,
    413: InvalidInput,
    414: InvalidInput,
    415: InvalidInput,
    421: Forbidden,
    422: InvalidInput,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_of(status: int, problem: object) -> NearbitError:
    """The error for a response that is no success.

    A problem type that this release does not know, and a response of a proxy, are told apart by their status.

    Args:
        status: of the response.
        problem: its body if that is JSON, else None.
    """
    members = problem if isinstance(problem, dict) else {}
    kind = _BY_TYPE.get(str(members.get("type"))) or _BY_STATUS.get(status, NearbitError)
    return kind(str(members.get("detail") or f"the service responded with status {status}"), members, status)
