"""Near duplicates of a collection: have a job look for them, and page through the groups that it found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from service.errors import Conflict, InvalidInput, MalformedCursor, NotFound
from service.hashing.codes import hamming_distance
from service.index.replicas import Follower
from service.search.filters import check_length, parse_filter
from service.store import collections, duplicates, jobs
from service.store.database import Database
from service.store.duplicates import DuplicateSearch, Member
from service.store.idempotency import Conclude
from service.store.jobs import Job
from service.threads import run_in_thread

_PAGE_MEMBERS = 5_000
_POSITION = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class DuplicateOptions:
    """What a search for near duplicates is asked.

    Attributes:
        radius: near duplicates are at most so many bits apart.
        by: "words": codes of `WORD_BITS` bits, made of the words of each text; "code": those of the active space; None
            goes by words in a collection of texts, else by codes.
        linkage: "single" joins what steps of at most `radius` bits join; of a "complete" group all documents lie within
            the radius of one another.
        keep: which document represents a group: the first that arrived, the longest, or the one that was put last.
        filter: JSON that the metadata of the documents must pass; None takes all.
    """

    radius: int
    by: Literal["words", "code"] | None = None
    linkage: Literal["single", "complete"] = "single"
    keep: Literal["first", "longest", "newest"] = "first"
    filter: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DuplicateDocument:
    """A document of a group and its distance in bits from the representative."""

    id: str
    title: str | None
    distance: int


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Near duplicates, the representative first; `capped` if it is a part of a group that was too large."""

    documents: Sequence[DuplicateDocument]
    capped: bool


@dataclass(frozen=True, slots=True)
class DuplicatePage:
    """Groups of the last finished search, and where the next page begins; None on the last."""

    search: DuplicateSearch
    groups: Sequence[DuplicateGroup]
    next_position: str | None


class Duplicates:
    """Finds and shows groups of near duplicates."""

    def __init__(self, database: Database, follower: Follower) -> None:
        self.database = database
        self.follower = follower

    async def start(self, collection: str, options: DuplicateOptions, conclude: Conclude[Job] | None = None) -> Job:
        """The job, queued now, in which a job runner looks for near duplicates.

        `conclude` is called with it before the transaction ends, and may write in it.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: the radius is too great, or the filter is none.
            JobRunning: such a job is queued or running for the collection.
        """
        return await run_in_thread(self._enqueue, collection, options, conclude)

    def _enqueue(self, name: str, options: DuplicateOptions, conclude: Conclude[Job] | None) -> Job:
        if options.filter is not None:
            self._check_filter(name, options.filter)
        with self.database.write() as connection:
            collection = collections.get(connection, name)
            by = options.by or ("words" if collection.kind == "text" else "code")
            if by == "words" and collection.kind == "image":
                raise InvalidInput("by must be code in a collection of kind image: pictures have no words")
            n_bits = collection.n_bits if by == "code" else duplicates.WORD_BITS
            duplicates.check_radius(options.radius, n_bits, "radius")
            job = jobs.enqueue(connection, collection, "duplicates", asdict(replace(options, by=by)))
            if conclude is not None:
                conclude(connection, job)
            return job

    def _check_filter(self, name: str, filter: dict[str, Any]) -> None:
        """Refuse what the job would fail over; what types a field has is known where the metadata are in memory."""
        check_length(filter)
        parsed = parse_filter(filter)
        with self.database.read() as connection:
            replica = self.follower.documents(collections.get(connection, name).id)
        if replica is not None:
            replica.columns.view().mask(parsed)

    async def page(self, collection: str, position: str, limit: int) -> DuplicatePage:
        """A page of the groups of the last finished job, the largest first.

        Documents that were deleted or changed since are left out, and so are groups of which less than two are left: a
        page may have fewer groups than `limit`. It also ends with about 5,000 documents.

        Args:
            collection: its name.
            position: where the page before ended; empty for the first.
            limit: most groups in the page.

        Raises:
            NotFound: there is no such collection, or no job has finished yet.
            MalformedCursor: there is no such position.
            Conflict: the position is one of an earlier job.
        """
        return await run_in_thread(self._page, collection, position, limit)

    def _page(self, name: str, position: str, limit: int) -> DuplicatePage:
        with self.database.read() as connection:
            search = duplicates.latest(connection, collections.get(connection, name).id)
            if search is None:
                raise NotFound("finished duplicates job of collection", name)
            after = _after(position, search)
            members = duplicates.page(connection, search.id, after, limit, _PAGE_MEMBERS + 1)
        last = min(after + limit, search.n_groups)
        if len(members) > _PAGE_MEMBERS:  # the last group may be cut
            last = members[-1].group - 1
            members = [member for member in members if member.group <= last]
        groups = [_group(list(group)) for _, group in groupby(members, attrgetter("group"))]
        next_position = f"{search.id}:{last}" if last < search.n_groups else None
        return DuplicatePage(search, [group for group in groups if len(group.documents) > 1], next_position)


def _after(position: str, search: DuplicateSearch) -> int:
    """The number of the group that a page begins after."""
    if not position:
        return 0
    found = _POSITION.fullmatch(position)
    if found is None:
        raise MalformedCursor(position)
    if int(found[1]) != search.id:
        raise Conflict(f"cursor belongs to an earlier job; job {search.job_id} has replaced its groups: begin anew")
    return min(int(found[2]), search.n_groups)


def _group(members: Sequence[Member]) -> DuplicateGroup:
    codes = np.frombuffer(b"".join(member.code for member in members), np.uint8).reshape(len(members), -1)
    distances = hamming_distance(codes, codes[0]).tolist()
    documents = [DuplicateDocument(m.id, m.title, d) for m, d in zip(members, distances, strict=True)]
    return DuplicateGroup(documents, members[0].is_capped)
