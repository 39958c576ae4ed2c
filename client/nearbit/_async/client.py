"""The client: collections, keys and jobs of one service."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from nearbit._async.collection import AsyncCollection
from nearbit._async.connection import AsyncConnection
from nearbit._async.jobs import AsyncJobs
from nearbit._async.pages import pages
from nearbit.addresses import in_path
from nearbit.answers import Collection as CollectionAnswer
from nearbit.answers import Job, Key
from nearbit.progress import Progress
from nearbit.tables import Rows


class AsyncClient:
    """Calls one service; close it, or use it in a `with` statement.

    Args:
        connection: to the service.
        close: called after the connection is closed, for what else was opened with it.
    """

    def __init__(self, connection: AsyncConnection, close: Callable[[], None] | None = None) -> None:
        self._connection = connection
        self._close = close
        self._jobs = AsyncJobs(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._connection.close()
        if self._close is not None:
            self._close()
            self._close = None

    def collection(self, name: str) -> AsyncCollection:
        """The collection of that name, whether it exists or not; nothing is sent."""
        return AsyncCollection(self._connection, name)

    async def create(self, name: str, **settings: Any) -> AsyncCollection:
        """Create a collection, or check that it exists with these settings: `kind`, `n_bits`, `dims`, ...

        Raises:
            CollectionDiffers: it exists with other settings.
            InvalidInput: a setting is wrong.
        """
        await self._connection.call("PUT", f"/collections/{in_path(name)}", settings, is_repeatable=True)
        return self.collection(name)

    async def delete(self, name: str) -> None:
        """Delete a collection with everything in it.

        Raises:
            NotFound: there is none of that name.
        """
        await self._connection.call("DELETE", f"/collections/{in_path(name)}")

    async def collections(self) -> Rows[CollectionAnswer]:
        """All collections, sorted by name."""
        found: Rows[CollectionAnswer] = Rows()
        async for item in pages(self._connection, "/collections", {}):
            found.append(CollectionAnswer.model_validate(item))
        return found

    async def keys(self) -> Rows[Key]:
        """All keys that were ever made, without their text."""
        found: Rows[Key] = Rows()
        async for item in pages(self._connection, "/keys", {}):
            found.append(Key.model_validate(item))
        return found

    async def make_key(self, name: str, scopes: Sequence[str], **limits: Any) -> Key:
        """A new key; `key` of the answer is its text, which is not to be had again.

        Args:
            name: what people know it by.
            scopes: of `read`, `write` and `admin`.
            limits: `collections`, `expires_at`, `requests_per_minute`, ...
        """
        body = {"name": name, "scopes": list(scopes), **limits}
        return Key.model_validate((await self._connection.call("POST", "/keys", body)).body)

    async def revoke_key(self, id: int) -> Key:
        """Revoke the key of that id."""
        return Key.model_validate((await self._connection.call("DELETE", f"/keys/{id}", is_repeatable=True)).body)

    async def job(self, id: str) -> Job:
        """The job of that id, as it is now."""
        return await self._jobs.get(id)

    async def cancel(self, id: str) -> Job:
        """Have a job end: one that is queued at once, one that runs within seconds."""
        return await self._jobs.cancel(id)

    async def wait(self, job: Job | str, *, progress: Progress = False) -> Job:
        """Wait until a job has ended.

        Raises:
            JobFailed: it failed, or was cancelled.
        """
        return await self._jobs.wait(job if isinstance(job, str) else job.id, progress)
