"""Import the documents of a file, one per line, into a collection: every good line, whatever the other lines are.

A line that is refused is reported with its number and the reason. This client refuses what cannot be sent, the service
all else. If the service refuses some documents of a batch, the others are sent again; if it does not say which ones,
the batch is sent again in halves. Batches shrink to the size that the service accepts.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn
from uuid import uuid4

from service.cli.client import PATIENCE_S, CallResult, Client, to_json_bytes
from service.errors import InvalidInput

MAX_LINE_BYTES = 64 << 20
_BATCH_LINES = 1_000
_BATCH_BYTES = 8 << 20
_ENVELOPE = (b'{"documents":[', b"]}")
_GZIP = b"\x1f\x8b"
_JSON_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}


class Refused(NamedTuple):
    """A line that is not stored: its number in the file, why, and what it was."""

    line: int
    reason: str
    text: str


@dataclass
class Counts:
    """What became of the lines so far; at the end, `read` is the sum of the others.

    Attributes:
        read: lines that were not blank.
        new: documents whose id the collection did not have.
        replaced: documents whose id it had before the import.
        doubles: lines with the id of an earlier line; the last of them that is not refused is stored.
        refused: lines that are not stored.
    """

    read: int = 0
    new: int = 0
    replaced: int = 0
    doubles: int = 0
    refused: int = 0

    @property
    def stored(self) -> int:
        """Documents of the file that are in the collection."""
        return self.new + self.replaced


@dataclass(slots=True)
class _Line:
    """A line that can be sent; `earlier` is a line with the same id, which is sent if this one is refused."""

    number: int
    raw: bytes
    id: str
    body: bytes
    earlier: _Line | None = None


@dataclass
class Import:
    """One import into a collection that exists.

    Args:
        client: of the service.
        collection: name of the collection.
        n_before: number of its documents before.
        refuse: called with each line that is refused.
        report_progress: called after each batch, with an empty text, and before each wait for the service, with the
            reason.
    """

    client: Client
    collection: str
    n_before: int
    refuse: Callable[[Refused], None] = lambda refused: None
    report_progress: Callable[[str], None] = lambda waiting: None
    counts: Counts = field(default_factory=Counts)
    max_lines: int = _BATCH_LINES
    max_bytes: int = _BATCH_BYTES
    _batch: dict[str, _Line] = field(default_factory=dict)
    _n_bytes: int = 0
    _seen: set[int] = field(default_factory=set)  # hashes of ids: 64 bits each, equal for two of 10M with p = 3e-6

    def run(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Store the documents of numbered lines.

        Raises:
            Unavailable: the service was unavailable for longer than `PATIENCE_S`.
            NearbitError: it refuses every call, because the key or the collection is missing.
        """
        for number, raw in lines:
            self.counts.read += 1
            try:
                line = _parse_line(number, raw)
            except InvalidInput as error:
                self._refuse(number, raw, str(error))
                continue
            if len(self._batch) >= self.max_lines or self._n_bytes + len(line.body) >= self.max_bytes:
                self._flush()
            self._add(line)
        self._flush()

    def _add(self, line: _Line) -> None:
        line.earlier = self._batch.get(line.id)
        self._batch[line.id] = line
        self._n_bytes += len(line.body) - len(line.earlier.body) if line.earlier else len(line.body) + 1

    def _flush(self) -> None:
        """Send the batch, in as many requests as it takes."""
        waiting = deque([list(self._batch.values())])
        self._batch, self._n_bytes = {}, _size([])
        while waiting:
            part = waiting.popleft()
            if not part:
                continue
            if len(part) > self.max_lines or (len(part) > 1 and _size(part) > self.max_bytes):
                waiting.extendleft(reversed(_halves(part)))
                continue
            result = self._put(part)
            if result.response.is_success:
                self._count(part, result)
                self.report_progress("")
            else:
                waiting.extendleft(reversed(self._without_refused(part, result)))

    def _put(self, part: list[_Line]) -> CallResult:
        body = b",".join(line.body for line in part).join(_ENVELOPE)
        return self.client.put_documents(self.collection, body, self.report_progress)

    def _without_refused(self, part: list[_Line], result: CallResult) -> list[list[_Line]]:
        """The batches to send instead of one that was refused."""
        response = result.response
        if response.status_code not in (400, 413, 422):
            raise self.client.refusal(response)
        detail, bad = _reasons_by_position(response.text, len(part))
        if response.status_code == 413:
            bad = {}
        if not bad and len(part) == 1:
            bad = {0: detail}
        if bad:
            for position, reason in bad.items():
                self._refuse(part[position].number, part[position].raw, reason)
            rest = [line.earlier if i in bad else line for i, line in enumerate(part)]
            left = [line for line in rest if line is not None]
            # A service that names one fault at a time may find many more: do not send the whole batch again for each.
            return _halves(left) if len(bad) == 1 else [left]
        if response.status_code == 413:
            named = re.search(r"at most (\d+) bytes", detail)
            self.max_bytes = min(_size(part) // 2, int(named[1]) if named else self.max_bytes)
        elif (named := re.search(r"(?:1 to|at most|up to) (\d+)\b", detail)) and int(named[1]) < len(part):
            self.max_lines = max(1, int(named[1]))
        return _halves(part)

    def _refuse(self, number: int, raw: bytes, reason: str) -> None:
        self.counts.refused += 1
        self.refuse(Refused(number, reason, raw.decode("utf-8", "replace").rstrip("\r\n")))

    def _count(self, part: list[_Line], result: CallResult) -> None:
        n_created, n_first = 0, 0
        for line, put in zip(part, self.client.read(result.response)["documents"], strict=True):
            n_same = 0
            while line.earlier is not None:
                line, n_same = line.earlier, n_same + 1
            known = hash(put["id"])
            if known in self._seen:
                n_same += 1
            else:
                self._seen.add(known)
                n_first += 1
                n_created += put["created"]
            self.counts.doubles += n_same
        if result.repeated and n_created < n_first:  # this attempt found documents that the lost one had created
            n_documents = self.client.collection(self.collection, PATIENCE_S)["n_documents"]
            n_created = min(max(n_documents - self.n_before - self.counts.new, n_created), n_first)
        self.counts.new += n_created
        self.counts.replaced += n_first - n_created


def _halves(part: list[_Line]) -> list[list[_Line]]:
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]


def _size(part: Sequence[_Line]) -> int:
    """Size in bytes of the request for them, or one more."""
    return sum(len(line.body) + 1 for line in part) + sum(map(len, _ENVELOPE))


def _reasons_by_position(text: str, n: int) -> tuple[str, dict[int, str]]:
    """The detail of a problem, and the reason for each of the `n` documents that it names."""
    try:
        problem = json.loads(text)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text[:200].split()) or "refused without a reason", {}
    bad: dict[int, str] = {}
    for rule in problem.get("errors") or []:
        if isinstance(rule, dict) and (found := re.search(r"\bdocuments\.(\d+)(?:\.(.+))?$", str(rule.get("where")))):
            reason = f"{found[2]}: {rule.get('rule')}" if found[2] else str(rule.get("rule"))
            position = int(found[1])
            bad[position] = f"{bad[position]}; {reason}" if position in bad else reason
    if not bad:
        found = re.match(r"documents\[(\d+)\][.: ]*", detail)
        position = problem.get("position")
        if isinstance(position, int):
            bad[position] = detail[found.end() :] if found else detail
        elif found:
            bad[int(found[1])] = detail[found.end() :] or detail
    return detail, {position: reason for position, reason in bad.items() if 0 <= position < n}


def _parse_line(number: int, raw: bytes) -> _Line:
    """A line as a document that can be sent.

    Raises:
        InvalidInput: it is not one JSON object in UTF-8, or cannot be sent.
    """
    if len(raw) > MAX_LINE_BYTES:
        raise InvalidInput(f"must be at most {MAX_LINE_BYTES:,} bytes")
    try:
        document = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"), parse_constant=_refuse_number)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"must be UTF-8, got byte {raw[error.start]:#04x} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"must be JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise InvalidInput(f"must be JSON: {error}") from None
    except RecursionError:
        raise InvalidInput("must be JSON that is not nested so deeply") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"must be a JSON object, got {_JSON_NAMES.get(type(document), 'null')}")
    id: Any = document.get("id")
    if id is None:  # made here, not by the service: a batch sent twice must not be stored twice
        document["id"] = id = uuid4().hex
    known = str(id) if isinstance(id, (str, int)) and not isinstance(id, bool) else f"\0{number}"
    return _Line(number, raw, known, to_json_bytes(document))


def _refuse_number(name: str) -> NoReturn:
    raise InvalidInput(f"must be JSON, which has no number {name}")


class Lines:
    """The numbered lines of a file that are not blank; iterate once.

    Attributes:
        n_bytes: size of the file; None if it is unknown.
        damage: why the file could not be read to its end, if so.
    """

    def __init__(self, path: Path) -> None:
        """Open a file, gzipped or not; `-` is standard input."""
        self.name = "standard input" if str(path) == "-" else str(path)
        self._file: io.BufferedReader = (
            sys.stdin.buffer if str(path) == "-" else path.open("rb")  # type: ignore[assignment]
        )
        self.n_bytes = path.stat().st_size if path.is_file() and str(path) != "-" else None
        packed = self._file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        self._lines: BinaryIO = gzip.GzipFile(fileobj=self._file) if packed else self._file  # type: ignore[assignment]
        self._n_read = 0
        self.damage: str | None = None

    @property
    def position(self) -> int:
        """Number of bytes of the file read so far."""
        return self._n_read if self._lines is self._file else self._file.tell()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        try:
            while line := self._lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                self._n_read += len(line)
                if len(line) > MAX_LINE_BYTES:
                    self._skip_line(line)
                if line.strip():
                    yield number, line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.damage = f"{self.name} is damaged after line {number}: {error}"

    def _skip_line(self, part: bytes) -> None:
        while part and not part.endswith(b"\n"):
            part = self._lines.readline(MAX_LINE_BYTES)
            self._n_read += len(part)
