"""The job that computes the map of a code space.

    reading    the codes of all documents, and what the landmarks hold
    neighbors, layout
               the landmarks by t-SNE of the real-valued outputs of the hash function, from the places on the map before
    placing    every other document at the median of its nearest landmarks by code

A job whose trainer died begins again. If another space is active at the end, that one gets its map, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from service.errors import JobRunning, TooFewDocuments
from service.hashing.analysis import Analyzer
from service.hashing.codes import Codes
from service.hashing.content import Content, of_model, text_of
from service.hashing.function import HashFunction
from service.index.placing import MAX_LANDMARKS, Landmarks, landmark_rows
from service.store import codes, collections, document_summaries, documents, jobs, maps, spaces, words
from service.store.collections import Collection
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import ReportProgress
from service.store.maps import MIN_DOCUMENTS, Places
from service.store.spaces import CodeSpace
from training.layout import lay_out, share_moved, trustworthiness
from training.regions import describe_regions

_READ_TOGETHER = 500
_CHARS_OF_DOCUMENT = 2_000
"""Characters of a landmark that the words of its region are read from."""
_AUTOMATIC_FROM = 200
"""Documents from which a retrain is followed by a map."""


@dataclass(frozen=True, slots=True)
class _State:
    """What a map is made of: a space and its codes, and the map before."""

    collection: Collection
    space: CodeSpace
    function: HashFunction
    analyzer: Analyzer
    keys: NDArray[np.int64]
    codes: Codes
    before: Places
    is_settled: bool


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Landmarks where they lie, and how good that is."""

    rows: NDArray[np.intp]
    positions: NDArray[np.float32]
    trustworthiness: float
    labels: list[dict[str, Any]]


@dataclass(frozen=True)
class MapRun:
    """One run of a job of kind map.

    Args:
        database: where documents, codes and maps are.
        job: its `params` may have a `version`; without it the map is of the active space.
        report_progress: may raise to stop the run.
    """

    database: Database
    job: Job
    report_progress: ReportProgress

    def run(self) -> Mapping[str, Any]:
        """Compute and store the map, and return the last progress.

        Raises:
            NotFound: the collection or the space is gone.
            TooFewDocuments: fewer documents have a code than a map needs.

        Cost: as of `lay_out` for the landmarks; then a search among them for each other document. In memory are all
        codes, and the first words of the landmarks.
        """
        with self.database.write() as connection:
            maps.delete_unfinished(connection, self.job.collection_id)
        while True:
            state = self._read()
            last = self._compute(state)
            with self.database.read() as connection:
                if "version" in self.job.params or spaces.active(connection, state.collection.id).id == state.space.id:
                    return last

    def _read(self) -> _State:
        self.report_progress({"stage": "reading"})
        with self.database.read() as connection:
            collection = collections.by_id(connection, self.job.collection_id)
            version = self.job.params.get("version")
            if version is None:
                space = spaces.active(connection, collection.id)
            else:
                space = spaces.get(connection, collection.id, version)
            keys, found = codes.load(connection, space.id, space.n_bits // 8)
            if len(keys) < MIN_DOCUMENTS:
                raise TooFewDocuments(collection.name, MIN_DOCUMENTS, len(keys), "be drawn as a map")
            before = maps.before(connection, collection.id, space.id)
            places = Places.none() if before is None else maps.load(connection, before.id)
            function = HashFunction.from_bytes(spaces.get_function(connection, str(space.digest)), space.digest)
            analyzer = Analyzer(words.get(connection, collection.id)[0].analyzer_language)
        is_settled = before is not None and before.space_id == space.id
        return _State(collection, space, function, analyzer, keys, found, places, is_settled)

    def _compute(self, state: _State) -> Mapping[str, Any]:
        drawn = self._draw(state)
        positions = self._place(state, drawn)
        known, was_there = state.before.find(state.keys)
        report = {
            "trustworthiness": round(drawn.trustworthiness, 4),
            "moved": round(share_moved(known[was_there], positions[was_there]), 4),
        }
        self._store(state, Places(state.keys, positions), report, drawn.labels)
        return {"stage": "done", "version": state.space.version, "documents": len(state.keys), **report}

    def _draw(self, state: _State) -> _Drawn:
        """Lay out the landmarks."""
        rows, logits, texts = self._landmarks(state)
        known, was_there = state.before.find(state.keys[rows])
        before = np.where(was_there[:, None], known, np.nan).astype(np.float64)
        self.report_progress({"stage": "neighbors"})

        def report(done: int, total: int) -> None:
            self.report_progress({"stage": "layout", "done": done, "total": total})

        laid = lay_out(logits, before, is_settled=state.is_settled, report_progress=report)
        regions = [asdict(one) for one in describe_regions(laid, texts, state.analyzer)]
        return _Drawn(rows, laid.astype(np.float32), trustworthiness(logits, laid), regions)

    def _landmarks(self, state: _State) -> tuple[NDArray[np.intp], NDArray[np.float32], list[str]]:
        """The rows of the landmarks, how far the outputs for each are above their thresholds, and their first words."""
        rows = landmark_rows(state.keys, MAX_LANDMARKS)
        there: list[int] = []
        logits: list[NDArray[np.float32]] = []
        texts: list[str] = []
        for start in range(0, len(rows), _READ_TOGETHER):
            self.report_progress({"stage": "reading", "done": start, "total": len(rows)})
            part = rows[start : start + _READ_TOGETHER]
            with self.database.read() as connection:
                found = _contents(connection, state.keys[part], state.space.model)
            known = [row for row in part.tolist() if int(state.keys[row]) in found]
            contents = [found[int(state.keys[row])] for row in known]
            if contents:
                there += known
                logits.append(state.function.logits(state.function.features(contents)) - state.function.thresholds)
                texts += [text_of(content)[:_CHARS_OF_DOCUMENT] for content in contents]
        if len(there) < MIN_DOCUMENTS:
            raise TooFewDocuments(state.collection.name, MIN_DOCUMENTS, len(there), "be drawn as a map")
        return np.array(there, np.intp), np.concatenate(logits), texts

    def _place(self, state: _State, drawn: _Drawn) -> NDArray[np.float32]:
        """Where all documents lie, `(n, 2)`."""
        landmarks = Landmarks(state.keys[drawn.rows], state.codes[drawn.rows], drawn.positions)
        positions = np.empty((len(state.keys), 2), np.float32)
        positions[drawn.rows] = drawn.positions
        others = np.setdiff1d(np.arange(len(state.keys)), drawn.rows, assume_unique=True)
        for start in range(0, len(others), maps.CHUNK):
            self.report_progress({"stage": "placing", "done": start, "total": len(others)})
            part = others[start : start + maps.CHUNK]
            positions[part] = landmarks.place(state.codes[part], state.keys[part])
        return positions

    def _store(self, state: _State, places: Places, report: dict[str, Any], labels: list[dict[str, Any]]) -> None:
        """Write the map in short transactions; the last one shows it."""
        digest = sha256()
        with self.database.write() as connection:
            map_id = maps.start(connection, state.space.id, state.collection.last_seq)
        for number, start in enumerate(range(0, len(places), maps.CHUNK)):
            rows = slice(start, start + maps.CHUNK)
            data = maps.chunk(Places(places.keys[rows], places.positions[rows]))
            digest.update(data)
            self.report_progress({"stage": "placing"})
            with self.database.write() as connection:
                maps.add(connection, map_id, number, data)
        with self.database.write() as connection:
            maps.finish(connection, map_id, len(places), digest.hexdigest(), report, labels)


def enqueue_map(connection: Connection, collection: Collection) -> None:
    """Have the map of the space that is active now computed, unless the collection is small or it soon will be."""
    if documents.count(connection, collection.id) < _AUTOMATIC_FROM:
        return
    with suppress(JobRunning):  # which looks at its end which space is active
        jobs.enqueue(connection, collection, "map", {})


def _contents(connection: Connection, keys: NDArray[np.int64], model: int) -> dict[int, Content]:
    """What a space encodes of documents, by key; those that are gone, or have no vector of its model, are left out."""
    found = document_summaries.contents(connection, keys)
    encoded = {key: of_model(content, model) for key, (_, content) in found.items()}
    return {key: content for key, content in encoded.items() if content is not None}
