"""Every error that nearbit raises on purpose, in one tree; only `service.web.problems` translates them into HTTP.

The first line of a class's docstring is the title of the problem over HTTP.

NearbitError
├── InvalidInput            the input breaks a rule, which the message names
│   ├── InvalidContent      one content (a text) cannot be hashed
│   ├── DuplicateIds        one batch names the same id twice
│   ├── MalformedCursor     a paging cursor that did not come from this service
│   ├── TooFewDocuments     the collection is too small to be trained on
│   ├── KeyReused           an Idempotency-Key came with another call before
│   └── TooMuchToRead       a query would read more bytes than the installation allows
├── NotFound                there is no collection, document, code space or job of that name
├── Conflict                the current state does not allow it
│   ├── CollectionDiffers   a collection of that name exists with other settings
│   ├── SeqNotReached       `at_least_seq` is greater than the last seq of the collection
│   ├── JobRunning          a job of this kind is queued or running for the collection
│   │   └── RetrainRunning  a retrain of this collection is queued or running
│   ├── ForbiddenMove       a code space or job cannot go from its state to the requested one
│   ├── WorseThanActive     a new code space is worse than the active one
│   ├── RevisionDiffers     a document is in another revision than the caller knows
│   ├── CallRunning         a call with the same Idempotency-Key has not ended yet
│   ├── OtherModel          a query brings a vector of another embedding model than the active one
│   ├── TooManyKeys         there are as many keys as a process holds in memory
│   ├── ModelInUse          a code space or documents need the vectors of an embedding model
│   └── VectorsMissing      documents have no vector of the embedding model that is asked for
├── Unauthorized            the key is missing or wrong
├── Forbidden               the key does not allow this call
├── CollectionForbidden     the key is for other collections
├── TooManyRequests         the caller asks for more than it may; try again later
│   ├── KeyLimitReached     a limit of its key
│   └── TooManyWrongKeys    wrong keys came from its address
├── Unavailable             a required component is unavailable now; try again later
│   ├── DatabaseUnavailable the database does not respond
│   ├── StorageFull         the disk or the database is full
│   ├── Overloaded          this process has as much to do as it takes on
│   ├── QueueFull           the queue of contents that wait for a code is full
│   └── EncoderUnavailable  the encoder process does not respond
├── CorruptArtifact         stored bytes do not match their digest, or are not what they should be
├── SchemaMismatch          the database has another schema version than this release
└── ConfigurationError      settings that cannot be served
"""

from __future__ import annotations


class NearbitError(Exception):
    """Internal error; the base of every error that nearbit raises on purpose."""


class InvalidInput(NearbitError):
    """Invalid input.

    The message names what is wrong, what is expected and what came; `errors` lists each broken rule with its place.
    """

    errors: list[dict[str, str]]

    def __init__(self, message: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        if errors:
            self.errors = errors


class InvalidContent(InvalidInput):
    """Invalid content; `position` is its place in the batch, if it came in one."""

    def __init__(self, message: str, position: int | None = None, batch: str = "documents") -> None:
        super().__init__(message if position is None else f"{batch}[{position}]: {message}")
        self.reason = message
        self.position = position


class DuplicateIds(InvalidInput):
    """Duplicate ids in one batch."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"ids must be unique within a batch, these came more than once: {', '.join(ids[:5])}")
        self.ids = ids


class MalformedCursor(InvalidInput):
    """Invalid cursor."""

    def __init__(self, cursor: str) -> None:
        super().__init__(f"cursor must be the next_cursor of an earlier answer, got {cursor[:80]!r}")
        self.cursor = cursor


class TooFewDocuments(InvalidInput):
    """Too few documents to train on, or to draw as a map."""

    def __init__(self, collection: str, needed: int, found: int, to: str = "be trained") -> None:
        super().__init__(f"collection {collection!r} needs at least {needed} documents to {to}, it has {found}")
        self.needed = needed
        self.found = found


class TooMuchToRead(InvalidInput):
    """Too much to read; one request would read more text and metadata than `max_read_bytes`."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the documents of this answer hold more than max_read_bytes = {limit} bytes of text and metadata: ask for "
            "fewer matches, a shorter shortlist, or leave them out with fields=id,distance"
        )
        self.limit = limit


class KeyReused(InvalidInput):
    """Idempotency key used for another call."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key {key!r} came with another call, or another body, within the last 24 hours")


class NotFound(NearbitError):
    """Not found; there is no `kind` of that `name`."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name!r}")
        self.kind = kind
        self.name = name


class Conflict(NearbitError):
    """Conflict with the current state."""


class CollectionDiffers(Conflict):
    """Collection exists with other settings."""

    def __init__(self, collection: str, setting: str, existing: object, asked: object) -> None:
        super().__init__(f"collection {collection!r} exists with {setting} = {existing}, asked for {asked}")
        self.collection = collection


class JobRunning(Conflict):
    """Job already running; a job of this kind is queued or running for the collection, `job_id` names it."""

    def __init__(self, collection: str, kind: str, job_id: str) -> None:
        super().__init__(f"collection {collection!r} has a job of kind {kind} that is not finished, {job_id}")
        self.collection = collection
        self.kind = kind
        self.job_id = job_id


class RetrainRunning(JobRunning):
    """Retrain already running; a retrain of the collection is queued or running, `job_id` names it."""

    def __str__(self) -> str:
        return f"collection {self.collection!r} is being retrained by job {self.job_id}"


class SeqNotReached(Conflict):
    """Sequence number not reached; `at_least_seq` is greater than `last_seq`, the last one of the collection."""

    def __init__(self, collection: str, last_seq: int, asked: int) -> None:
        super().__init__(f"at_least_seq must be at most {last_seq}, the last seq of {collection!r}, got {asked}")
        self.last_seq = last_seq


class ForbiddenMove(Conflict):
    """State change not allowed; a code space or job cannot go from `state` to the state that was `wanted`."""

    def __init__(self, kind: str, name: str, state: str, wanted: str) -> None:
        super().__init__(f"{kind} {name} is {state} and cannot become {wanted}")
        self.state = state
        self.wanted = wanted


class RevisionDiffers(Conflict):
    """Document has another revision; `revisions` has that of each by its id, 0 where there is no such document."""

    def __init__(self, revisions: dict[str, int]) -> None:
        shown = ", ".join(f"{id!r} has revision {revision}" for id, revision in list(revisions.items())[:5])
        super().__init__(f"documents are in another revision than was asked for; nothing was changed: {shown}")
        self.revisions = revisions


class CallRunning(Conflict):
    """Call with this idempotency key is running; ask again after `retry_after_s` seconds."""

    retry_after_s = 1

    def __init__(self, key: str) -> None:
        super().__init__(f"a call with Idempotency-Key {key!r} has not ended yet")


class WorseThanActive(Conflict):
    """Worse than the active code space; the new one is, on the same held-out queries."""


class OtherModel(Conflict):
    """Vector of another embedding model; codes of the `active` one answer, and say nothing of vectors of `model`."""

    def __init__(self, model: str, active: str) -> None:
        super().__init__(
            f"the query brings a vector of model {model!r}, and the active code space has codes of the vectors of "
            f"{active!r}: ask with a vector of that model"
        )
        self.model = model
        self.active = active


class TooManyKeys(Conflict):
    """Too many keys; no more than `limit` may be valid at a time."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} valid keys, which is the most: revoke some first")
        self.limit = limit


class ModelInUse(Conflict):
    """Embedding model in use; `versions` of code spaces encode it, and `n_documents` have no other vector."""

    def __init__(self, model: str, versions: list[int], n_documents: int) -> None:
        of_spaces = f"code spaces {', '.join(map(str, versions))} encode its vectors" if versions else ""
        of_documents = f"{n_documents} documents have no other vector" if n_documents else ""
        super().__init__(
            f"model {model!r} is in use: {' and '.join(filter(None, (of_spaces, of_documents)))}; with force, retired "
            "code spaces are deleted with it"
        )
        self.model = model
        self.versions = versions
        self.n_documents = n_documents


class VectorsMissing(Conflict):
    """Vectors of the embedding model are missing; `n_uncovered` documents have none of `model`."""

    def __init__(self, model: str, n_uncovered: int) -> None:
        super().__init__(
            f"documents without a vector of model {model!r}: {n_uncovered}; put one beside those they have, or give "
            "force: without one they are not found by vectors"
        )
        self.model = model
        self.n_uncovered = n_uncovered


class Unauthorized(NearbitError):
    """Key missing or wrong."""


class Forbidden(NearbitError):
    """Key does not allow this call; `needed` is the scope that it lacks."""

    def __init__(self, needed: str, granted: list[str]) -> None:
        super().__init__(f"this call needs a key of scope {needed}, the key that was sent grants {', '.join(granted)}")
        self.needed = needed


class CollectionForbidden(NearbitError):
    """Key is for other collections; `collections` are those that it is for."""

    def __init__(self, collections: list[str]) -> None:
        names = ", ".join(collections[:5]) + (", ..." if len(collections) > 5 else "")
        super().__init__(f"the key that was sent is for these collections only: {names}")
        self.collections = collections


class TooManyRequests(NearbitError):
    """Too many requests; a caller should wait `retry_after_s` seconds before it tries again."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class KeyLimitReached(TooManyRequests):
    """Limit of the key reached; `limit` names it, and `allowed` is its value."""

    def __init__(self, limit: str, allowed: int, retry_after_s: int) -> None:
        super().__init__(f"the key that was sent allows {limit} = {allowed}", retry_after_s)
        self.limit = limit
        self.allowed = allowed


class TooManyWrongKeys(TooManyRequests):
    """Too many wrong keys from this address."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many wrong keys came from this address", retry_after_s)


class Unavailable(NearbitError):
    """A required component is unavailable; a caller should wait `retry_after_s` seconds before it tries again."""

    retry_after_s: int = 1


class DatabaseUnavailable(Unavailable):
    """Database unavailable.

    `reason` is the driver's own message, which names hosts and roles. It is for those who run the service: `explained`
    adds it to the message. It is a slot, so that it does not become a member of the problem over HTTP.
    """

    __slots__ = ("reason",)
    retry_after_s = 2

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class StorageFull(Unavailable):
    """Storage full; nothing of the request was kept."""

    retry_after_s = 60


class Overloaded(Unavailable):
    """Overloaded; this process does as much as it takes on at a time."""


class QueueFull(Unavailable):
    """Encoder queue full."""


class EncoderUnavailable(Unavailable):
    """Encoder unavailable."""


class CorruptArtifact(NearbitError):
    """Stored data is corrupt; bytes do not match their digest, or are not what they should be."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is corrupt: {reason}")
        self.name = name
        self.reason = reason


class SchemaMismatch(NearbitError):
    """Database has another schema version than this release."""


class ConfigurationError(NearbitError):
    """Invalid configuration."""


def explained(error: Exception) -> str:
    """The message of an error for those who run the service; of a database error, with the driver's reason."""
    reason = error.reason if isinstance(error, DatabaseUnavailable) else None
    return f"{error}: {reason}" if reason else str(error)
