# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.
"""The client: collections, keys and jobs of one service."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from nearbit._sync.collection import Collection
from nearbit._sync.connection import Connection
from nearbit._sync.jobs import Jobs
from nearbit._sync.pages import pages
from nearbit.addresses import in_path
from nearbit.answers import Collection as CollectionAnswer
from nearbit.answers import Job, Key
from nearbit.progress import Progress
from nearbit.tables import Rows


class Client:
    """Calls one service; close it, or use it in a `with` statement.

    Args:
        connection: to the service.
        close: called after the connection is closed, for what else was opened with it.
    """

    def __init__(self, connection: Connection, close: Callable[[], None] | None = None) -> None:
        self._connection = connection
        self._close = close
        self._jobs = Jobs(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._connection.close()
        if self._close is not None:
            self._close()
            self._close = None

    def collection(self, name: str) -> Collection:
        """The collection of that name, whether it exists or not; nothing is sent."""
        return Collection(self._connection, name)

    def create(self, name: str, **settings: Any) -> Collection:
        """Create a collection, or check that it exists with these settings: `kind`, `n_bits`, `dims`, ...

        Raises:
            CollectionDiffers: it exists with other settings.
            InvalidInput: a setting is wrong.
        """
        self._connection.call("PUT", f"/collections/{in_path(name)}", settings, is_repeatable=True)
        return self.collection(name)

    def delete(self, name: str) -> None:
        """Delete a collection with everything in it.

        Raises:
            NotFound: there is none of that name.
        """
        self._connection.call("DELETE", f"/collections/{in_path(name)}")

    def collections(self) -> Rows[CollectionAnswer]:
        """All collections, sorted by name."""
        found: Rows[CollectionAnswer] = Rows()
        for item in pages(self._connection, "/collections", {}):
            found.append(CollectionAnswer.model_validate(item))
        return found

    def keys(self) -> Rows[Key]:
        """All keys that were ever made, without their text."""
        found: Rows[Key] = Rows()
        for item in pages(self._connection, "/keys", {}):
            found.append(Key.model_validate(item))
        return found

    def make_key(self, name: str, scopes: Sequence[str], **limits: Any) -> Key:
        """A new key; `key` of the answer is its text, which is not to be had again.

        Args:
            name: what people know it by.
            scopes: of `read`, `write` and `admin`.
            limits: `collections`, `expires_at`, `requests_per_minute`, ...
        """
        body = {"name": name, "scopes": list(scopes), **limits}
        return Key.model_validate((self._connection.call("POST", "/keys", body)).body)

    def revoke_key(self, id: int) -> Key:
        """Revoke the key of that id."""
        return Key.model_validate((self._connection.call("DELETE", f"/keys/{id}", is_repeatable=True)).body)

    def job(self, id: str) -> Job:
        """The job of that id, as it is now."""
        return self._jobs.get(id)

    def cancel(self, id: str) -> Job:
        """Have a job end: one that is queued at once, one that runs within seconds."""
        return self._jobs.cancel(id)

    def wait(self, job: Job | str, *, progress: Progress = False) -> Job:
        """Wait until a job has ended.

        Raises:
            JobFailed: it failed, or was cancelled.
        """
        return self._jobs.wait(job if isinstance(job, str) else job.id, progress)
