"""Import vectors of an embedding model to the documents there are: the rows of a file of vectors, by id."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace

from service.cli.client import CallResult, to_json_bytes
from service.cli.importing import Import
from service.cli.sources.source import ReadDocument


@dataclass
class VectorImport(Import):
    """An import whose rows are vectors of one model, put beside those that documents have of others.

    Of its counts, `new` are documents that have another vector of the model now, or their first; `replaced` are those
    that had the same; refused are also rows whose id no document has.

    Args:
        model: name of the model.
        dims: entries of its vectors.
    """

    model: str = ""
    dims: int = 0

    def _put(self, part: list[ReadDocument]) -> CallResult:
        head = to_json_bytes({"model": self.model, "dims": self.dims}).removesuffix(b"}")
        body = b",".join(line.body for line in part).join((head + b',"vectors":[', b"]}"))
        return self.client.put_vectors(self.collection, body, self.report_progress)

    def _add(self, line: ReadDocument) -> None:
        vector = base64.b64encode(line.content).decode("ascii")
        body = to_json_bytes({"id": json.loads(line.body)["id"], "vector": vector})
        super()._add(replace(line, body=body, content=b""))

    def _count(self, part: list[ReadDocument], result: CallResult) -> None:
        put = self.client.read(result.response)
        missing = set(put["missing"])
        n_stored = 0
        for line in part:
            if line.id in missing:
                self._refuse(line.refused("no document has this id"))
            elif hash(line.id) in self._seen:
                self.counts.doubles += 1
            else:
                self._seen.add(hash(line.id))
                n_stored += 1
            self.counts.doubles += _n_earlier(line)
        n_changed = min(put["changed"], n_stored)
        self.counts.new += n_changed
        self.counts.replaced += n_stored - n_changed


def _n_earlier(line: ReadDocument) -> int:
    n = 0
    while line.earlier is not None:
        line, n = line.earlier, n + 1
    return n
