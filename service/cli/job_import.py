"""Import a long file as a job of the service: it is sent in one call, and the service does the rest by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import nearbit
from service.cli.client import PATIENCE_S, Client
from service.cli.importing import Counts
from service.cli.sources.source import ReadDocument, Refused, Source
from service.errors import Unavailable

FROM_BYTES = 8 << 20
"""Length of a file from which it is imported as a job: shorter ones are put before a job runner would have begun."""
_PIECE_BYTES = 256 << 10
_PAUSE_S = 1.0


@dataclass
class JobImport:
    """One import of a file into a collection that exists.

    Args:
        client: of the service.
        collection: name of the collection.
        open_source: opens the file, again if what was sent is lost.
        refuse: called with each document that is refused.
        report_progress: called while the file is sent, with the source and why it waits, if it does.
    """

    client: Client
    collection: str
    open_source: Callable[[], AbstractContextManager[Source]]
    refuse: Callable[[Refused], None] = lambda refused: None
    report_progress: Callable[[Source, str], None] = lambda source, waiting: None
    counts: Counts = field(default_factory=Counts)
    damage: str | None = None
    _refused: list[Refused] = field(default_factory=list)
    _n_lines: int = 0

    def send(self) -> nearbit.Job:
        """Send the file, and return its job.

        Raises:
            Unavailable: the service was unavailable for longer than `PATIENCE_S`.
            Conflict: another import into the collection has not ended.
            NearbitError: the service refuses the import.
        """
        began, may_be_there = time.monotonic(), False
        while True:
            with self.open_source() as source:
                try:
                    response = self.client.send_import(self.collection, self._lines(source))
                except Unavailable as error:
                    if time.monotonic() - began > PATIENCE_S:
                        raise
                    may_be_there = True
                    self.report_progress(source, str(error))
                    time.sleep(_PAUSE_S)
                    continue
                self.damage = source.damage
            if response.status_code == 409 and may_be_there:
                job = self.client.service.job(response.json()["job_id"])
                if job.params.get("lines") == self._n_lines:  # it is the one whose answer was lost
                    return job
            if not response.is_success:
                raise self.client.refusal(response)
            return nearbit.Job.model_validate(self.client.read(response))

    def finish(self, job: nearbit.Job) -> None:
        """Count what a job that has ended did, and name what it refused."""
        for one in self._refused:
            self.refuse(one)
        for error in self.client.import_errors(job.id):
            self.refuse(Refused(error["line"], error["reason"], error["beginning"], error["id"] or ""))
        counts, progress = self.counts, job.progress
        counts.refused += progress.get("refused", 0)
        counts.new = progress.get("created", 0)
        counts.doubles = min(counts.doubles, counts.read - counts.refused - counts.new)
        counts.replaced = counts.read - counts.refused - counts.new - counts.doubles

    def _lines(self, source: Source) -> Iterator[bytes]:
        """The documents as lines, each as the line of its number in the source; what is not sent is a blank line."""
        self.counts, self._refused = Counts(), []
        seen: set[int] = set()
        piece: list[bytes] = []
        n_bytes, self._n_lines = 0, 0
        for document in source:
            self.counts.read += 1
            number, line = self._line(document, seen)
            lines = b"\n" * (number - self._n_lines - 1) + line + b"\n"
            self._n_lines = number
            piece.append(lines)
            n_bytes += len(lines)
            if n_bytes >= _PIECE_BYTES:
                yield b"".join(piece)
                self.report_progress(source, "")
                piece, n_bytes = [], 0
        yield b"".join(piece)

    def _line(self, document: ReadDocument | Refused, seen: set[int]) -> tuple[int, bytes]:
        if isinstance(document, Refused):
            self.counts.refused += 1
            self._refused.append(document)
            return document.line, b""
        known = hash(document.id)
        self.counts.doubles += known in seen
        seen.add(known)
        return document.number, document.body
