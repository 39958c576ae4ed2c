"""Every error that nearbit raises on purpose, in one tree; only the app translates them into HTTP.

NearbitError
├── InvalidInput            what came in breaks a rule that the message names
│   ├── InvalidContent      one content (a text) cannot be hashed
│   ├── DuplicateIds        one batch names the same id twice
│   ├── MalformedCursor     a paging cursor that this service never gave out
│   ├── TooFewDocuments     a collection too small to learn from
│   └── TooMuchToRead       the answer would hold, or the re-ranking read, more bytes than the installation allows
├── NotFound                no collection, document, code space or job of that name
├── Conflict                the state of things forbids it now
│   ├── CollectionDiffers   a collection of that name exists with other settings
│   ├── SeqNotReached       `at_least_seq` names a change that the collection has not seen
│   ├── JobRunning          a job of this kind is queued or running for the collection
│   │   └── RetrainRunning  a retrain of this collection is queued or running
│   ├── ForbiddenMove       a code space or job cannot go from its state to the one asked for
│   └── GateRefused         a new code space is worse than the active one
├── Unauthorized            the key is missing or wrong
├── Forbidden               the key does not allow this call
├── Unavailable             a part that is needed does not answer now; try again later
│   ├── DatabaseUnavailable the database does not answer
│   ├── StorageFull         the disk or the database is full
│   ├── QueueFull           more contents wait for a code than the queue holds
│   ├── EncoderUnavailable  the encoder process does not answer
│   └── ReplicaBehind       the replica did not reach the asked-for seq in time
├── CorruptArtifact         stored bytes do not match their digest, or are not what they should be
├── SchemaMismatch          the database has another schema version than this release
└── ConfigurationError      settings that cannot be served
"""

from __future__ import annotations


class NearbitError(Exception):
    """Base of every error that nearbit raises on purpose."""


class InvalidInput(NearbitError):
    """What came in breaks a rule; the message names owner, expected and what came, `errors` each rule and where."""

    errors: list[dict[str, str]]

    def __init__(self, message: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        if errors:
            self.errors = errors


class InvalidContent(InvalidInput):
    """One content cannot be hashed; `position` is its place in the batch, if it came in one."""

    def __init__(self, message: str, position: int | None = None, batch: str = "documents") -> None:
        super().__init__(message if position is None else f"{batch}[{position}]: {message}")
        self.reason = message
        self.position = position


class DuplicateIds(InvalidInput):
    """One batch names the same id twice."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"ids must be unique within a batch, these came more than once: {', '.join(ids[:5])}")
        self.ids = ids


class MalformedCursor(InvalidInput):
    """A paging cursor that this service never gave out."""

    def __init__(self, cursor: str) -> None:
        super().__init__(f"cursor must be the next_cursor of an earlier answer, got {cursor[:80]!r}")
        self.cursor = cursor


class TooFewDocuments(InvalidInput):
    """A collection too small to learn from."""

    def __init__(self, collection: str, needed: int, found: int) -> None:
        super().__init__(f"collection {collection!r} needs at least {needed} documents to be trained, it has {found}")
        self.needed = needed
        self.found = found


class TooMuchToRead(InvalidInput):
    """One request would read more text and metadata than `max_read_bytes`."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the documents of this answer hold more than max_read_bytes = {limit} bytes of text and metadata: ask for "
            "fewer matches, a shorter shortlist, or leave them out with fields=id,distance"
        )
        self.limit = limit


class NotFound(NearbitError):
    """No thing of that kind and name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name!r}")
        self.kind = kind
        self.name = name


class Conflict(NearbitError):
    """The state of things forbids it now."""


class CollectionDiffers(Conflict):
    """A collection of that name exists with other settings."""

    def __init__(self, collection: str, setting: str, existing: object, asked: object) -> None:
        super().__init__(f"collection {collection!r} exists with {setting} = {existing}, asked for {asked}")
        self.collection = collection


class JobRunning(Conflict):
    """A job of this kind is queued or running for the collection; `job_id` names it."""

    def __init__(self, collection: str, kind: str, job_id: str) -> None:
        super().__init__(f"collection {collection!r} has a job of kind {kind} that is not finished, {job_id}")
        self.collection = collection
        self.kind = kind
        self.job_id = job_id


class RetrainRunning(JobRunning):
    """A retrain of this collection is queued or running; `job_id` names it."""

    def __str__(self) -> str:
        return f"collection {self.collection!r} is being retrained by job {self.job_id}"


class SeqNotReached(Conflict):
    """`at_least_seq` names a change that the collection has not seen."""

    def __init__(self, collection: str, last_seq: int, asked: int) -> None:
        super().__init__(f"at_least_seq must be at most {last_seq}, the last seq of {collection!r}, got {asked}")
        self.last_seq = last_seq


class ForbiddenMove(Conflict):
    """A code space or job cannot go from its state to the one asked for."""

    def __init__(self, kind: str, name: str, state: str, wanted: str) -> None:
        super().__init__(f"{kind} {name} is {state} and cannot become {wanted}")
        self.state = state
        self.wanted = wanted


class WorseThanActive(Conflict):
    """A new code space is worse than the active one on the same held-out queries."""


class Unauthorized(NearbitError):
    """The key is missing or wrong."""


class Forbidden(NearbitError):
    """The key does not allow this call; `needed` is the scope that it lacks."""

    def __init__(self, needed: str, granted: list[str]) -> None:
        super().__init__(f"this call needs a key of scope {needed}, the one that was sent grants {', '.join(granted)}")
        self.needed = needed


class Unavailable(NearbitError):
    """A part that is needed does not answer now; `retry_after_s` seconds are a fair wait."""

    retry_after_s: int = 1


class DatabaseUnavailable(Unavailable):
    """The database does not answer.

    `reason` has the words of the driver, with hosts and roles, for those who run the service: `explained` adds it to
    the message, HTTP does not, and neither is it one of the members that a problem is given (hence the slot).
    """

    __slots__ = ("reason",)
    retry_after_s = 2

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class StorageFull(Unavailable):
    """The disk or the database is full; nothing of the request was kept."""

    retry_after_s = 60


class QueueFull(Unavailable):
    """More contents wait for a code than the queue holds."""


class EncoderUnavailable(Unavailable):
    """The encoder process does not answer."""


class CorruptArtifact(NearbitError):
    """Stored bytes do not match their digest, or are not what they should be."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is corrupt: {reason}")
        self.name = name
        self.reason = reason


class SchemaMismatch(NearbitError):
    """The database has another schema version than this release."""


class ConfigurationError(NearbitError):
    """Settings that cannot be served."""


def explained(error: Exception) -> str:
    """What an error says to those who run the service: its message and, of a database, the words of the driver."""
    reason = error.reason if isinstance(error, DatabaseUnavailable) else None
    return f"{error}: {reason}" if reason else str(error)
