"""One collection: its documents, searches, code spaces and what people said of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from nearbit._async.connection import AsyncConnection, Reply
from nearbit._async.jobs import AsyncJobs
from nearbit._async.pages import pages
from nearbit.addresses import in_path
from nearbit.answers import (
    Added,
    Deleted,
    Document,
    Duplicates,
    Job,
    KeptQuery,
    Matches,
    Pair,
    Patched,
    Preview,
    Quality,
    Space,
)
from nearbit.answers import Collection as CollectionAnswer
from nearbit.batches import MOST_BYTES, MOST_DOCUMENTS, NewDocument, batches_of
from nearbit.errors import NotFound, SeqNotReached
from nearbit.lines import line_of
from nearbit.parameters import in_query
from nearbit.progress import Progress, report_of
from nearbit.tables import Rows

_MOST_IDS = 1_000


class AsyncCollection:
    """The collection of one name; every call raises `NotFound` if it does not exist.

    Searches find what was added, patched and deleted through this object before, whichever process answers them.

    Parameters of searches that are not named here (`filter`, `where`, `facets`, `sort`, `group_by`, `diversity`,
    `rerank`, `highlight`, `explain`, `fields`, `at_least_seq`, ...) are given by keyword, as docs/api.md lists them.
    """

    def __init__(self, connection: AsyncConnection, name: str) -> None:
        self.name = name
        self._seq: int | None = None
        self._connection = connection
        self._path = f"/collections/{in_path(name)}"
        self._jobs = AsyncJobs(connection)

    async def info(self) -> CollectionAnswer:
        """Settings, number of documents and active code space."""
        return CollectionAnswer.model_validate(await self._connection.read(self._path))

    async def change(self, **settings: Any) -> CollectionAnswer:
        """Change how words are found (`language`, `synonyms`, ...), and what new codes are judged by (`judge`)."""
        reply = await self._connection.call("PATCH", self._path, settings, is_repeatable=True)
        return CollectionAnswer.model_validate(reply.body)

    async def add(
        self,
        documents: Iterable[NewDocument],
        *,
        if_absent: bool = False,
        batch_documents: int = MOST_DOCUMENTS,
        batch_bytes: int = MOST_BYTES,
        progress: Progress = False,
    ) -> Added:
        """Put documents; each replaces the one with the same id. Every request is all or nothing.

        Args:
            documents: texts, or mappings with `id`, `text`, `title`, `metadata`, ...; read as they are sent.
            if_absent: leave documents alone whose id exists.
            batch_documents: most documents in one request.
            batch_bytes: most bytes in one request, but for a single document that is longer.
            progress: whether to show a bar.

        Raises:
            InvalidInput: a document breaks a rule; the requests before it were done.
        """
        report = report_of(progress)
        n_all = len(documents) if isinstance(documents, Sequence) else None
        added = Added()
        for batch in batches_of(documents, batch_documents, batch_bytes):
            parameters = {"if_absent": "true"} if if_absent else {}
            answer = (await self._connection.write(f"{self._path}/documents", batch.body, parameters)).body
            added.ids += [one["id"] for one in answer["documents"]]
            added.created += sum(one["created"] for one in answer["documents"])
            added.existing += answer.get("existing") or 0
            added.seq = self._seq = answer["seq"]
            report(f"{len(added.ids)} documents", len(added.ids) / n_all if n_all else None)
        return added

    async def get(self, id: str) -> Document:
        """One document.

        Raises:
            NotFound: there is none of that id.
        """
        found = await self.get_many([id])
        if not found:
            raise NotFound(f"no document {id!r}")
        return found[0]

    async def get_many(self, ids: Sequence[str]) -> Rows[Document]:
        """The documents of these ids that exist, in this order, each once."""
        found: Rows[Document] = Rows()
        unique = list(dict.fromkeys(ids))
        while unique:
            asked, unique = unique[:_MOST_IDS], unique[_MOST_IDS:]
            answer = await self._connection.ask(f"{self._path}/documents/get", {"ids": asked})
            found += [Document.model_validate(item) for item in answer["items"]]
            unique = answer["next_ids"] + unique
        return found

    async def documents(self, *, page_size: int = 100, **parameters: Any) -> AsyncIterator[Document]:
        """All documents in the order of their arrival, or those that `filter` and `where` choose, sorted by `sort`."""
        asked = in_query({"limit": page_size, **parameters})
        async for item in pages(self._connection, f"{self._path}/documents", asked):
            yield Document.model_validate(item)

    async def delete(
        self, ids: str | Sequence[str] | None = None, *, filter: Mapping[str, Any] | None = None
    ) -> Deleted:
        """Delete documents by their ids, or all whose metadata pass a filter; waits for the job that many take."""
        if ids is None or filter is not None:
            body = {"filter": filter} if ids is None else {"ids": ids, "filter": filter}  # which the service refuses
            return await self._delete(body)
        left = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        deleted = Deleted(deleted=0)
        while left:
            asked, left = left[:_MOST_IDS], left[_MOST_IDS:]
            answer = await self._delete({"ids": asked})
            deleted = Deleted(deleted=deleted.deleted + answer.deleted, seq=answer.seq or deleted.seq)
        return deleted

    async def _delete(self, body: Mapping[str, Any]) -> Deleted:
        reply = await self._connection.write(f"{self._path}/documents/delete", body)
        if reply.status != 202:
            self._seq = reply.body["seq"] or self._seq
            return Deleted.model_validate(reply.body)
        job = await self._jobs.wait(reply.body["id"], False)
        return Deleted(deleted=job.progress.get("deleted", 0), seq=(await self.info()).seq)

    async def patch(self, id: str, metadata: Mapping[str, Any] | None = None, **changes: Any) -> int:
        """Merge metadata into those of a document without encoding it anew, and answer its revision.

        Args:
            id: of the document.
            metadata: a merge patch (RFC 7396): None removes a member.
            changes: `expires_at`, and `revision`, which the document must have.

        Raises:
            NotFound: there is no such document.
            RevisionDiffers: it has another revision.
        """
        patch = {"id": id, **({} if metadata is None else {"metadata": metadata}), **changes}
        patched = await self.patch_many([patch])
        if patched.missing:
            raise NotFound(f"no document {id!r}")
        return int(patched.documents[0]["revision"])

    async def patch_many(self, patches: Sequence[Mapping[str, Any]]) -> Patched:
        """Patch up to 1,000 documents, all or none: `id` and `metadata` of each, `expires_at`, `revision`."""
        reply = await self._connection.write(f"{self._path}/documents/patch", {"documents": list(patches)})
        self._seq = reply.body["seq"]
        return Patched.model_validate(reply.body)

    async def patch_where(
        self, filter: Mapping[str, Any], metadata: Mapping[str, Any] | None = None, **changes: Any
    ) -> int:
        """Patch all documents that pass a filter, and answer how many; waits for the job that many take.

        Args:
            filter: of their metadata, with at least one condition.
            metadata: a merge patch (RFC 7396): None removes a member.
            changes: `expires_at`.
        """
        body = {"filter": filter, **({} if metadata is None else {"metadata": metadata}), **changes}
        reply = await self._connection.write(f"{self._path}/documents/patch", body)
        if reply.status != 202:
            self._seq = reply.body["seq"]
            return len(reply.body["documents"])
        job = await self._jobs.wait(reply.body["id"], False)
        self._seq = (await self.info()).seq
        return int(job.progress.get("patched", 0))

    async def search(self, query: str, k: int = 10, **parameters: Any) -> Matches:
        """The best documents for what a person types, by words and codes together."""
        return await self._found(f"{self._path}/search", {"q": query, "k": k, **parameters})

    async def search_many(self, queries: Sequence[str], k: int = 10, **parameters: Any) -> list[Matches]:
        """The same for many queries in one call, in their order."""
        return await self._answers("search", {"queries": list(queries), "k": k, **parameters})

    async def similar(
        self, text: str | None = None, k: int = 10, *, id: str | None = None, code: str | None = None, **parameters: Any
    ) -> Matches:
        """The documents nearest to a text by their codes, to the document `id`, or to a `code` in hexadecimal."""
        path = f"{self._path}/similar" if id is None else f"{self._path}/documents/{in_path(id)}/similar"
        return await self._found(path, {"q": text, "code": code, "k": k, **parameters})

    async def similar_many(
        self,
        texts: Sequence[str] | None = None,
        k: int = 10,
        *,
        vectors: Sequence[Sequence[float] | str] | None = None,
        images: Sequence[str] | None = None,
        **parameters: Any,
    ) -> list[Matches]:
        """The documents nearest to each of many texts, vectors, or pictures in base64, in one call."""
        given = {"texts": texts, "vectors": vectors, "images": images}
        chosen = {name: list(values) for name, values in given.items() if values is not None}
        return await self._answers("similar", {**chosen, "k": k, **parameters})

    async def recommend(
        self,
        positive: Sequence[str | Mapping[str, str]],
        negative: Sequence[str | Mapping[str, str]] = (),
        k: int = 10,
        **parameters: Any,
    ) -> Matches:
        """The documents most like the positive examples and unlike the negative ones.

        An example is the id of a document, `{"id": ...}`, or `{"text": ...}`.
        """
        body = {"positive": _examples(positive), "negative": _examples(negative), "k": k, **parameters}
        return Matches.model_validate(await self._after_writes(f"{self._path}/recommend", body, self._connection.ask))

    async def _found(self, path: str, parameters: Mapping[str, Any]) -> Matches:
        return Matches.model_validate(await self._after_writes(path, in_query(parameters), self._connection.read))

    async def _answers(self, route: str, body: Mapping[str, Any]) -> list[Matches]:
        answer = await self._after_writes(f"{self._path}/{route}", body, self._connection.ask)
        return [Matches.model_validate(one) for one in answer["answers"]]

    async def _after_writes(
        self, path: str, asked: Mapping[str, Any], call: Callable[[str, Mapping[str, Any]], Awaitable[Any]]
    ) -> Any:
        """The answer to a search that includes the last write of this object, unless it asks for another one."""
        if self._seq is None or "at_least_seq" in asked:
            return await call(path, asked)
        try:
            return await call(path, {**asked, "at_least_seq": self._seq})
        except SeqNotReached:  # the collection was created anew, or restored from a backup
            self._seq = None
            return await call(path, asked)

    async def retrain(self, *, wait: bool = True, progress: Progress = False, **options: Any) -> Job:
        """Learn codes of the documents, and answer with them from then on.

        Args:
            wait: until the new codes answer.
            progress: whether to show a bar while waiting.
            options: of the training: `variant`, `epochs`, `supervise`, ... as docs/models.md lists them.

        Raises:
            RetrainRunning: a retrain is under way.
            JobFailed: it failed, or the new codes are worse than the active ones.
        """
        job = Job.model_validate((await self._connection.write(f"{self._path}/retrain", options)).body)
        return await self._jobs.wait(job.id, progress) if wait else job

    async def spaces(self) -> Rows[Space]:
        """Every code space, newest first."""
        answer = await self._connection.read(f"{self._path}/spaces")
        return Rows(Space.model_validate(item) for item in answer["items"])

    async def preview(self, version: int, n: int = 100) -> Preview:
        """How answers would change if that code space became the active one."""
        return Preview.model_validate(await self._connection.read(f"{self._path}/spaces/{version}/preview", {"n": n}))

    async def promote(self, version: int, *, force: bool = False, progress: Progress = False) -> Space:
        """Make a ready or retired code space the active one, and wait until it is."""
        return await self._activated(f"{self._path}/spaces/{version}/promote", force, progress)

    async def roll_back(self, *, force: bool = False, progress: Progress = False) -> Space:
        """Make the code space active that was so before, and wait until it is; a second call undoes the first."""
        return await self._activated(f"{self._path}/rollback", force, progress)

    async def _activated(self, path: str, force: bool, progress: Progress) -> Space:
        reply: Reply = await self._connection.write(path, {"force": True} if force else {})
        if reply.status != 202:
            return Space.model_validate(reply.body)
        await self._jobs.wait(reply.body["id"], progress)
        return next(space for space in await self.spaces() if space.state == "active")

    async def judge(
        self, version: int | None = None, label: str | None = None, *, progress: Progress = False
    ) -> Quality:
        """Judge a code space on the collection's own documents, and wait for the report."""
        asked = {name: value for name, value in (("version", version), ("label", label)) if value is not None}
        job = (await self._connection.call("POST", f"{self._path}/quality", asked)).body
        await self._jobs.wait(job["id"], progress)
        return await self.quality(version, label)

    async def quality(self, version: int | None = None, label: str | None = None) -> Quality:
        """The last report on a code space.

        Raises:
            NotFound: it was never judged so.
        """
        asked = {"version": version, "label": label}
        return Quality.model_validate(await self._connection.read(f"{self._path}/quality", asked))

    async def find_duplicates(
        self, radius: int, *, wait: bool = True, progress: Progress = False, **options: Any
    ) -> Job:
        """Group documents that are nearly equal; `duplicates` has the groups when the job has ended.

        Args:
            radius: near duplicates are at most so many bits apart.
            wait: until the groups are there.
            progress: whether to show a bar while waiting.
            options: `by`, `linkage`, `keep`, `filter`, as docs/api.md lists them.

        Raises:
            JobRunning: such a job is under way.
        """
        body = {"radius": radius, **options}
        job = Job.model_validate((await self._connection.write(f"{self._path}/duplicates", body)).body)
        return await self._jobs.wait(job.id, progress) if wait else job

    async def duplicates(self, limit: int = 100) -> Duplicates:
        """The largest groups of near duplicates that the last `find_duplicates` found, at most so many.

        Raises:
            NotFound: there was none yet.
        """
        return Duplicates.model_validate(await self._connection.read(f"{self._path}/duplicates", {"limit": limit}))

    async def add_pairs(self, pairs: Iterable[tuple[str, str, bool]]) -> int:
        """Keep what people say of pairs (two ids, and whether they are similar); answers how many there are now."""
        body = {"pairs": [{"a": a, "b": b, "similar": similar} for a, b, similar in pairs]}
        return int((await self._connection.ask(f"{self._path}/pairs", body))["n_pairs"])

    async def pairs(self) -> Rows[Pair]:
        """All pairs, in the order in which something was said of them first."""
        found: Rows[Pair] = Rows()
        async for item in pages(self._connection, f"{self._path}/pairs", {}):
            found.append(Pair.model_validate(item))
        return found

    async def forget_pair(self, a: str, b: str) -> None:
        """Forget what was said of two documents, in either order.

        Raises:
            NotFound: nothing was said of them.
        """
        await self._connection.call("DELETE", f"{self._path}/pairs", None, {"a": a, "b": b})

    async def forget_pairs(self) -> None:
        """Forget what was said of all pairs."""
        await self._connection.call("DELETE", f"{self._path}/pairs", is_repeatable=True)

    async def kept_queries(self, *, page_size: int = 100) -> AsyncIterator[KeptQuery]:
        """The last text queries, the latest first, if the collection keeps them (`keep_queries`)."""
        async for item in pages(self._connection, f"{self._path}/queries", {"limit": page_size}):
            yield KeptQuery.model_validate(item)

    async def forget_query(self, number: int) -> None:
        """Forget one kept query.

        Raises:
            NotFound: there is none of that number.
        """
        await self._connection.call("DELETE", f"{self._path}/queries/{number}")

    async def forget_queries(self) -> None:
        """Forget all kept queries."""
        await self._connection.call("DELETE", f"{self._path}/queries", is_repeatable=True)

    async def export(
        self, *, codes: bool = False, fields: Sequence[str] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """All documents of one moment, as `add` and `import_lines` take them.

        Raises:
            NoConnection: the connection broke before the last document.
        """
        asked = in_query({"codes": 1 if codes else None, "fields": fields})
        async with self._connection.stream(f"{self._path}/export", asked) as lines:
            async for line in lines:
                yield json.loads(line)

    async def import_lines(
        self, lines: Iterable[NewDocument | bytes], *, wait: bool = True, progress: Progress = False
    ) -> Job:
        """Have the service put many documents as a job; wrong lines are refused one by one, see `import_errors`.

        Args:
            lines: documents, or lines of JSON as bytes, such as those of a file; sent as they are read.
            wait: until the job has ended.
            progress: whether to show a bar while waiting.
        """
        job = Job.model_validate(await self._connection.upload(f"{self._path}/import", _pieces(lines)))
        return await self._jobs.wait(job.id, progress) if wait else job

    async def import_errors(self, job: Job | str) -> AsyncIterator[dict[str, Any]]:
        """The lines that an import refused: `line`, `id`, `reason` and `beginning` of each."""
        id = job if isinstance(job, str) else job.id
        async with self._connection.stream(f"/jobs/{in_path(id)}/errors", {}) as lines:
            async for line in lines:
                yield json.loads(line)


def _examples(given: Sequence[str | Mapping[str, str]]) -> list[Mapping[str, str]]:
    return [{"id": one} if isinstance(one, str) else one for one in given]


async def _pieces(lines: Iterable[NewDocument | bytes]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line_of(line)
