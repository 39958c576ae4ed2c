"""The doctor: checks of an installation, each with what to do about what it found, and repairs of what is derived."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from anyio import from_thread
from sqlalchemy import select

from service.config import Settings
from service.encoding import Encoder
from service.errors import NearbitError, explained
from service.hashing.codes import Codes, hamming_distance
from service.hashing.content import Contents, of_model
from service.hashing.device import resolve_device
from service.hashing.digest import digest_of
from service.services import open_encoder
from service.store import codes, collections, document_samples, documents, integrity, schema, spaces
from service.store.buckets import stack
from service.store.collections import Collection
from service.store.database import Database
from service.store.migrations import check_schema
from service.store.promotion import Completion
from service.store.spaces import CodeSpace
from service.threads import run_in_thread

T = TypeVar("T")
Status = Literal["ok", "warning", "fault"]
_SAMPLE, _MAX_BITS = 256, 2
"""Documents of a collection that are encoded anew, and bits in which such a code may differ: units near one half may
fall to the other side on another processor."""
_FREE_BYTES = 1 << 30
_PROCESS_BYTES, _CHILD_BYTES, _BYTES_A_CODE = 260 << 20, 70 << 20, 65
_CHECKED = ("active", "retired", "ready")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        status: ok, a warning (it serves, but will not for long), or a fault.
        subject: what was looked at.
        detail: what was seen.
        advice: what to do; None if nothing.
        repair: does it, and returns what it did; None if it cannot be done here. Blocks. It is to be called before the
            next finding is asked for.
    """

    status: Status
    subject: str
    detail: str
    advice: str | None = None
    repair: Callable[[], str] | None = None


class Doctor:
    """Checks an installation.

    Args:
        settings: of the installation.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def findings(self) -> Iterator[Finding]:
        """One finding after another, each as soon as it is known; those of data only if the database can be read."""
        yield _checked("device", lambda: resolve_device(self.settings.device))
        yield self._port()
        yield self._disk("data", self.settings.data_dir)
        try:
            database = Database.open(self.settings.database_url, creates=False)
        except NearbitError as error:
            yield Finding("fault", "database", explained(error))
            return
        try:
            found = _checked("database", lambda: _checked_schema(database))
            yield found
            if found.status == "ok":
                yield from self._of_data(database)
        finally:
            database.close()

    def _of_data(self, database: Database) -> Iterator[Finding]:
        if database.embedded:
            yield self._disk("database", Path(database.place))
            yield _file(database)
        yield _functions(database)
        stored = _collections(database)
        yield self._memory(database, stored)
        for collection in stored:
            yield from self._of_collection(database, collection)

    def _of_collection(self, database: Database, collection: Collection) -> Iterator[Finding]:
        with database.read() as connection:
            of_collection = [one for one in spaces.list(connection, collection.id) if one.state in _CHECKED]
        for space in of_collection:
            yield _agreement(database, collection, space)
            if space.state == "active":
                yield self._completeness(database, collection, space)
                yield self._sample(database, collection, space)

    def _port(self) -> Finding:
        host, port = self.settings.host, self.settings.port
        try:
            with socket.create_connection((host, port), timeout=1):
                return Finding(
                    "ok", "port", f"{port} on {host} is listened on, by a service that runs or another program"
                )
        except OSError:
            return Finding("ok", "port", f"{port} on {host} is free")

    def _disk(self, subject: str, path: Path) -> Finding:
        folder = next(parent for parent in (path.resolve(), *path.resolve().parents) if parent.is_dir())
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            return Finding(
                "fault", f"disk of {subject}", f"{folder} cannot be written to", "give this user the right to"
            )
        size = path.stat().st_size if path.is_file() else 0
        needed = max(_FREE_BYTES, size // 10)
        if free < needed:
            detail = f"{_size(free)} free on {folder}, less than {_size(needed)}"
            return Finding("warning", f"disk of {subject}", detail, "free some space, or move it to a larger disk")
        return Finding("ok", f"disk of {subject}", f"{_size(free)} free on {folder}")

    def _memory(self, database: Database, stored: list[Collection]) -> Finding:
        n_documents = 0
        for collection in stored:
            with database.read() as connection:
                n_documents += documents.count(connection, collection.id)
        workers = self.settings.workers
        needed = workers * _PROCESS_BYTES + 2 * _CHILD_BYTES + (1 + workers) * _BYTES_A_CODE * n_documents
        there = _memory_bytes()
        detail = f"{n_documents} documents and {workers} workers need about {_size(needed)} for codes and processes"
        if there is None:
            return Finding("ok", "memory", detail)
        if needed > there:
            advice = (
                "fewer workers, a larger machine, or NEARBIT_UNLOAD_AFTER_S for collections that are seldom asked for"
            )
            return Finding("warning", "memory", f"{detail}, of {_size(there)}", advice)
        return Finding("ok", "memory", f"{detail}, of {_size(there)}; words and metadata come to that")

    def _completeness(self, database: Database, collection: Collection, space: CodeSpace) -> Finding:
        with database.read() as connection:
            n = codes.count_missing(connection, collection.id, space.id, space.model)
        subject = f"{collection.name}, codes of documents"
        if not n:
            return Finding("ok", subject, "every document has one")
        advice = "nearbit doctor --repair encodes them"
        return Finding("fault", subject, f"{n} have none", advice, lambda: self._complete(database, space))

    def _complete(self, database: Database, space: CodeSpace) -> str:
        def complete(encode: Callable[[Contents], Codes]) -> str:
            completion = Completion(database, space, encode, lambda n: None, leaves_out=True)
            completion.catch_up(0.5)
            return f"{completion.n_written} documents encoded"

        return self._with_encoder(database, space, complete)

    def _sample(self, database: Database, collection: Collection, space: CodeSpace) -> Finding:
        """Whether some documents still have the codes that the hash function gives them."""
        subject = f"{collection.name}, codes of {_SAMPLE} documents"
        with database.read() as connection:
            drawn = document_samples.sample(connection, collection.id, _SAMPLE, seed=int.from_bytes(os.urandom(4)))
            states = codes.states(connection, space.id, [document.key for document in drawn])
        pairs = [
            (content, code)
            for document in drawn
            if (content := of_model(document.content, space.model)) is not None
            and (code := states.get(document.key, (0, None))[1]) is not None
            and len(code) == space.n_bits // 8
        ]
        if not pairs:
            return Finding("ok", subject, "there are no documents")

        def compare(encode: Callable[[Contents], Codes]) -> int:
            found = encode([content for content, _ in pairs])
            stored = stack([code for _, code in pairs], found.shape[1])
            distances = [hamming_distance(stored[row : row + 1], found[row])[0] for row in range(len(pairs))]
            return int(np.count_nonzero(np.array(distances) > _MAX_BITS))

        try:
            n_others = self._with_encoder(database, space, compare)
        except NearbitError as error:
            return Finding("fault", subject, explained(error), "roll back to another version, or retrain")
        if n_others:
            detail = f"{n_others} of {len(pairs)} are not what the hash function of version {space.version} gives"
            return Finding("fault", subject, detail, "retrain: it encodes every document anew")
        return Finding("ok", subject, "are those that the hash function gives")

    def _with_encoder(self, database: Database, space: CodeSpace, use: Callable[[Callable[[Contents], Codes]], T]) -> T:
        """What `use` makes of the hash function of a space."""

        async def run() -> T:
            encoder: Encoder = open_encoder(self.settings, database)

            def encode(contents: Contents) -> Codes:
                return from_thread.run(encoder.encode, str(space.digest), contents).codes

            try:
                return await run_in_thread(use, encode)
            finally:
                await encoder.close()

        return asyncio.run(run())


def _checked(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", subject, check())
    except NearbitError as error:
        return Finding("fault", subject, explained(error))


def _checked_schema(database: Database) -> str:
    check_schema(database)
    return f"{database.dialect}, schema of this release"


def _file(database: Database) -> Finding:
    """SQLite's own look at its file."""
    with database.read() as connection:
        said = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    if said == ["ok"]:
        return Finding("ok", "pages of the database", "sound")
    return Finding("fault", "pages of the database", "; ".join(said), "restore a backup")


def _functions(database: Database) -> Finding:
    """Whether the stored hash functions are those that their digests name."""
    with database.read() as connection:
        digests = [*connection.scalars(select(schema.hash_functions.c.digest))]
    damaged = []
    for digest in digests:
        with database.read() as connection:
            if digest_of(spaces.get_function(connection, digest)) != digest:
                damaged.append(digest[:12])
    if damaged:
        advice = "they are never used: roll back to another version, or retrain"
        return Finding("fault", "hash functions", f"damaged: {', '.join(damaged)}", advice)
    return Finding("ok", "hash functions", f"{len(digests)}, each as its digest says")


def _collections(database: Database) -> list[Collection]:
    found: list[Collection] = []
    with database.read() as connection:
        while part := collections.page(connection, found[-1].name if found else None, 1_000):
            found += part
    return found


def _agreement(database: Database, collection: Collection, space: CodeSpace) -> Finding:
    """Whether the buckets of a space agree with its codes, and these with the documents that there are."""
    subject = f"{collection.name}, codes and buckets of version {space.version}"
    with database.read() as connection:
        found = integrity.disagreements(connection, space)
    if found.n_of_other_width:
        detail = f"{found.n_of_other_width} codes are not {space.n_bits} bits wide"
        return Finding("fault", subject, detail, "restore a backup, or retrain")
    said = [
        f"{len(of)} {what}"
        for of, what in (
            (found.orphans, "codes of documents that are gone"),
            (found.unaddressed, "documents that the buckets do not hold"),
            (found.stray, "rows of the buckets that no code has"),
        )
        if of
    ]
    if not said:
        return Finding("ok", subject, f"{found.n_codes} codes, and the buckets hold them")

    def repair() -> str:
        with database.lane(collection.id) as lane:
            n_orphans = integrity.forget_orphans(lane, found.orphans)
            n_rows = integrity.readdress(lane, space, found)
        return f"{n_orphans} codes removed, {n_rows} rows of the buckets made anew"

    return Finding("fault", subject, ", ".join(said), "nearbit doctor --repair makes them anew", repair)


def _memory_bytes() -> int | None:
    """The memory of the machine, or of the container if that has less; None where it is not told."""
    sizes = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass
    return min(sizes, default=None)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 30):.1f} GiB" if n_bytes >= 1 << 30 else f"{n_bytes / (1 << 20):.0f} MiB"
