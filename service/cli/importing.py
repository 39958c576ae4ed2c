"""Import the documents of a source into a collection: every good one, whatever the others are.

One that is refused is reported with its place and the reason. The source refuses what cannot be sent, the service
all else. If the service refuses some documents of a batch, the others are sent again; if it does not say which ones,
the batch is sent again in halves. Batches shrink to the size that the service accepts.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from service.cli.client import PATIENCE_S, CallResult, Client, to_json_bytes
from service.cli.sources.attached import Attached, multipart_body
from service.cli.sources.lines import width_of
from service.cli.sources.source import ReadDocument, Refused

_BATCH_LINES = 1_000
_BATCH_BYTES = 8 << 20
_ENVELOPE = (b'{"documents":[', b"]}")


@dataclass
class Counts:
    """What became of the documents of the source so far; at the end, `read` is the sum of the others.

    Attributes:
        read: lines that were not blank, rows of a file of vectors, or pictures.
        new: documents whose id the collection did not have.
        replaced: documents whose id it had before the import.
        doubles: those with the id of an earlier one; the last of them that is not refused is stored.
        refused: those that are not stored.
    """

    read: int = 0
    new: int = 0
    replaced: int = 0
    doubles: int = 0
    refused: int = 0

    @property
    def stored(self) -> int:
        """Documents of the source that are in the collection."""
        return self.new + self.replaced


@dataclass
class Import:
    """One import into a collection that exists.

    Args:
        client: of the service.
        collection: name of the collection.
        n_before: number of its documents before.
        attached: how contents are sent that are not in the JSON of their documents, as the source says.
        refuse: called with each document that is refused.
        report_progress: called after each batch, with an empty text, and before each wait for the service, with the
            reason.
    """

    client: Client
    collection: str
    n_before: int
    attached: Attached | None = None
    refuse: Callable[[Refused], None] = lambda refused: None
    report_progress: Callable[[str], None] = lambda waiting: None
    counts: Counts = field(default_factory=Counts)
    max_lines: int = _BATCH_LINES
    max_bytes: int = _BATCH_BYTES
    _batch: dict[str, ReadDocument] = field(default_factory=dict)
    _n_bytes: int = 0
    _models: set[str] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)  # hashes of ids: 64 bits each, equal for two of 10M with p = 3e-6

    def run(self, documents: Iterable[ReadDocument | Refused]) -> None:
        """Store documents, as they come from a source.

        Raises:
            Unavailable: the service was unavailable for longer than `PATIENCE_S`.
            NearbitError: it refuses every call, because the key or the collection is missing.
        """
        for document in documents:
            self.counts.read += 1
            if isinstance(document, Refused):
                self._refuse(document)
                continue
            if document.vectors:
                self._make_known(document.vectors)
            if len(self._batch) >= self.max_lines or self._n_bytes + document.n_bytes >= self.max_bytes:
                self._flush()
            self._add(document)
        self._flush()

    def _make_known(self, vectors: Mapping[str, object]) -> None:
        """Make models known whose first vectors a document brings, as only vectors of documents there are can.

        What is wrong with them is told by the refusal of the document.
        """
        if not vectors.keys() - self._models:
            return
        self._models |= {*self.client.models(self.collection)}
        for model in vectors.keys() - self._models:
            dims, nobody = width_of(vectors[model]), {"id": uuid4().hex, "vector": vectors[model]}
            body = to_json_bytes({"model": model, "dims": dims, "vectors": [nobody]})
            self.client.put_vectors(self.collection, body, self.report_progress)
            self._models.add(model)

    def _add(self, line: ReadDocument) -> None:
        line.earlier = self._batch.get(line.id)
        self._batch[line.id] = line
        self._n_bytes += line.n_bytes - line.earlier.n_bytes if line.earlier else line.n_bytes + 1

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

    def _put(self, part: list[ReadDocument]) -> CallResult:
        media_type, body = "application/json", b",".join(line.body for line in part).join(_ENVELOPE)
        if self.attached is not None:
            media_type, body = multipart_body(body, self.attached, [line.content for line in part])
        return self.client.put_documents(self.collection, body, media_type, self.report_progress)

    def _without_refused(self, part: list[ReadDocument], result: CallResult) -> list[list[ReadDocument]]:
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
                self._refuse(part[position].refused(reason))
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

    def _refuse(self, document: Refused) -> None:
        self.counts.refused += 1
        self.refuse(document)

    def _count(self, part: list[ReadDocument], result: CallResult) -> None:
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


def _halves(part: list[ReadDocument]) -> list[list[ReadDocument]]:
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]


def _size(part: Sequence[ReadDocument]) -> int:
    """Size in bytes of the request for them, or one more."""
    return sum(line.n_bytes + 1 for line in part) + sum(map(len, _ENVELOPE))


def _reasons_by_position(text: str, n: int) -> tuple[str, dict[int, str]]:
    """The detail of a problem, and the reason for each of the `n` documents that it names."""
    try:
        problem = json.loads(text)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text[:200].split()) or "refused without a reason", {}
    bad: dict[int, str] = {}
    for rule in problem.get("errors") or []:
        if isinstance(rule, dict) and (
            found := re.search(r"\b(?:documents|vectors)\.(\d+)(?:\.(.+))?$", str(rule.get("where")))
        ):
            reason = f"{found[2]}: {rule.get('rule')}" if found[2] else str(rule.get("rule"))
            position = int(found[1])
            bad[position] = f"{bad[position]}; {reason}" if position in bad else reason
    if not bad:
        found = re.match(r"(?:documents|vectors)\[(\d+)\][.: ]*", detail)
        position = problem.get("position")
        if isinstance(position, int):
            bad[position] = detail[found.end() :] if found else detail
        elif found:
            bad[int(found[1])] = detail[found.end() :] or detail
    return detail, {position: reason for position, reason in bad.items() if 0 <= position < n}
