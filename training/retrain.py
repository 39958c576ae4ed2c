"""Retrain: the pipeline that makes a code space, with one function for each state of the space.

    training    sample -> fit -> hash function stored with its digest
    encoding    a code for every document that lacks one
    evaluating  report on held-out documents -> gate against the active space
    ready       wait until every live API process has loaded it -> promote
    active

The state is stored in the row of the space, so calling `run` again resumes a killed run.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace

import structlog
from sqlalchemy import Connection

from service.config import Settings
from service.errors import TooFewDocuments, VectorsMissing
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.store import (
    bucket_build,
    codes,
    collections,
    deletion,
    documents,
    drift,
    embedding_models,
    jobs,
    nodes,
    spaces,
    upkeep,
    words,
)
from service.store.collections import Collection
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import ReportProgress
from service.store.promotion import Promotion
from service.store.spaces import CodeSpace
from service.store.upkeep import label_of
from training.config import TrainingConfig
from training.data.supervision import Supervision
from training.encode import encode_all
from training.evaluate import evaluate, questions_of
from training.fit.fit import fit
from training.fit.run import Epoch
from training.gate import check_can_judge, check_not_worse, figure_of
from training.history import HistoryWriter
from training.map import enqueue_map
from training.sample import Sample
from training.width import Width, choose_width

log = structlog.get_logger(__name__)

_NO_TRAINING_OPTIONS = ("force", "model", "supervise", "judge")
"""Parameters of the job that are not for the training itself."""


@dataclass(frozen=True)
class Retrain:
    """One retrain job of one collection.

    Args:
        database: database of the collection, its spaces and jobs.
        settings: sample size, timeouts, folder for checkpoints.
        job: the retrain job; its `params` are options of `TrainingConfig`, `model`, the name of the embedding model
            whose vectors are learned from, `supervise`, what of what people said is learned, `judge`, what the gate
            goes by, and `force`, which skips the gate and leaves out documents without such a vector.
        report_progress: called with the progress; may raise (cancelled, lease lost) to stop the run.
    """

    database: Database
    settings: Settings
    job: Job
    report_progress: ReportProgress

    def run(self) -> CodeSpace:
        """Make and promote a code space; returns it, active, or ready where documents have yet to get their vectors.

        Raises:
            TooFewDocuments: the collection has fewer than `min_train_documents`.
            InvalidInput: an option is unknown, out of range, or does not go with the others.
            WorseThanActive: the new space is worse than the active one, and `force` was not given.
        """
        with self.database.read() as connection:
            collection = collections.by_id(connection, self.job.collection_id)
        config = self._config(collection)
        space = self._space(collection, config)
        steps = {
            "training": self._train,
            "encoding": self._encode,
            "evaluating": self._evaluate,
            "ready": self._promote,
        }
        while (step := steps.get(space.state)) and not self._waits_for_vectors(space):
            log.info("retrain", collection=collection.name, version=space.version, stage=space.state)
            space = step(collection, space, config)
        return space

    def _waits_for_vectors(self, space: CodeSpace) -> bool:
        """Whether the space is ready, and is to be promoted by a person when all documents have their vectors."""
        if space.state != "ready" or self._is_forced:
            return False
        with self.database.read() as connection:
            return embedding_models.n_uncovered(connection, space) > 0

    @property
    def _is_forced(self) -> bool:
        return bool(self.job.params.get("force"))

    def _config(self, collection: Collection) -> TrainingConfig:
        options = {name: value for name, value in self.job.params.items() if name not in _NO_TRAINING_OPTIONS}
        with self.database.read() as connection:
            language = words.get(connection, collection.id)[0].language
        defaults = {"device": self.settings.device, "language": language}
        return TrainingConfig.parse({**defaults, **options, "n_bits": self._width(collection).n_bits})

    def _width(self, collection: Collection) -> Width:
        """The width of the new codes and why; a space that was begun before keeps its own."""
        asked = self.job.params.get("n_bits")
        with self.database.read() as connection:
            if asked == "auto":
                active = spaces.active(connection, collection.id)
                width = choose_width(documents.count(connection, collection.id), active.n_bits, active.report)
            elif asked is not None:
                width = Width(asked, "asked for")
            else:
                width = Width(collection.n_bits, "that of the active codes")
            if self.job.space_id is not None:
                width = replace(width, n_bits=spaces.by_id(connection, self.job.space_id).n_bits)
        return width

    def _space(self, collection: Collection, config: TrainingConfig) -> CodeSpace:
        """The space that this job makes: the one it started before it was interrupted, else a new one."""
        with self.database.write() as connection:
            if self.job.space_id is not None:
                return spaces.by_id(connection, self.job.space_id)
            spaces.fail_abandoned(connection, collection.id, "another retrain was begun before it was promoted")
            model = self._model(connection, collection)
            space = spaces.start(connection, collection.id, config.n_bits, config.variant, model)
            jobs.attach_space(connection, self.job.id, space.id)
            return space

    def _model(self, connection: Connection, collection: Collection) -> int:
        """Number of the embedding model whose vectors are learned from; that of the active space if none was asked for.

        Raises:
            NotFound: the collection has no model of that name.
        """
        name = self.job.params.get("model")
        if name is None:
            return spaces.active(connection, collection.id).model
        return embedding_models.get(connection, collection, name).number

    def _sample(self, space: CodeSpace, config: TrainingConfig) -> Sample:
        """Documents to learn from; with pairs, if these are learned or judged by."""
        judge, supervise = self._judge(space), self.job.params.get("supervise", {})
        with_pairs = judge == "pairs" or bool(supervise.get("pairs"))
        with self.database.read() as connection:
            return Sample.read(connection, space, self.settings.train_sample, config.seed, with_pairs=with_pairs)

    def _judge(self, space: CodeSpace) -> str:
        """What the gate goes by: as the job says, else as the collection does."""
        with self.database.read() as connection:
            judge: str = self.job.params.get("judge") or upkeep.get(connection, space.collection_id).judge
        return judge

    def _supervision(self, sample: Sample) -> Supervision | None:
        """What is to be learned of what people said; None if the job does not ask for it."""
        asked = self.job.params.get("supervise")
        if asked is None:
            return None
        return (sample if asked.get("pairs") else replace(sample, pairs=[])).said(asked.get("field"))

    def _train(self, collection: Collection, space: CodeSpace, config: TrainingConfig) -> CodeSpace:
        """training -> encoding: learn a hash function from a sample and store it."""
        self.report_progress({"stage": "training"})
        sample, judge = self._sample(space, config), self._judge(space)
        if len(sample.ids) < self.settings.min_train_documents:
            raise TooFewDocuments(collection.name, self.settings.min_train_documents, len(sample.ids))
        if not self._is_forced:
            check_can_judge(judge, questions_of(sample.said(label_of(judge)), sample.ids))
        supervision = self._supervision(sample)
        with self.database.read() as connection:
            as_it_was = drift.mark(connection, collection.id)
        folder = self.settings.data_dir / "checkpoints" / self.job.id

        def each_epoch(epoch: Epoch) -> None:
            reported = {name: value for name, value in asdict(epoch).items() if name != "parts"}
            self.report_progress({"stage": "training", **reported})

        with HistoryWriter(self.database, self.job) as history:
            result = fit(
                sample.contents,
                sample.ids,
                config,
                progress=each_epoch,
                cancelled=self._is_cancelled,
                checkpoint_dir=folder,
                supervision=supervision,
                record=history.add,
            )
        content = result.function.to_bytes()
        learned = {
            "width": asdict(self._width(collection)),
            "plan": asdict(result.plan),
            "history": [asdict(epoch) for epoch in result.history],
            "held_out_loss": result.held_out_loss,
            "n_documents": result.n_documents,
            "seconds": result.seconds,
            "choice": None if result.choice is None else asdict(result.choice),
            "is_binary": result.is_binary,
            "collection": as_it_was,
            "params": self.job.params,
        }
        if (learned_from := result.supervision) is not None:
            learned["supervise"] = {"n_labelled": learned_from.n_labelled, "n_pairs": learned_from.n_pairs}
        with self.database.write() as connection:
            spaces.put_function(connection, content, digest_of(content))
            spaces.set_digest(connection, space.id, digest_of(content))
            spaces.set_report(connection, space.id, {"training": learned})
            moved = spaces.move(connection, space.id, "encoding")
        shutil.rmtree(folder, ignore_errors=True)
        return moved

    def _is_cancelled(self) -> bool:
        """Always False: `report_progress` raises if the job is cancelled or its lease is lost."""
        self.report_progress({})
        return False

    def _function(self, space: CodeSpace) -> HashFunction:
        with self.database.read() as connection:
            return HashFunction.from_bytes(spaces.get_function(connection, str(space.digest)), space.digest)

    def _encode(self, collection: Collection, space: CodeSpace, config: TrainingConfig) -> CodeSpace:
        """encoding -> evaluating: a code for every document."""
        self._encode_missing(collection, space, "encoding")
        with self.database.write() as connection:
            return spaces.move(connection, space.id, "evaluating")

    def _encode_missing(self, collection: Collection, space: CodeSpace, stage: str) -> None:
        with self.database.read() as connection:
            total = codes.count_missing(connection, collection.id, space.id, space.model)
        started = time.monotonic()

        def report_written(done: int) -> None:
            eta_s = (time.monotonic() - started) / max(done, 1) * max(total - done, 0)
            self.report_progress({"stage": stage, "done": done, "total": total, "eta_s": eta_s})

        report_written(0)
        encode_all(self.database, space, self._function(space), report_written)

    def _evaluate(self, collection: Collection, space: CodeSpace, config: TrainingConfig) -> CodeSpace:
        """evaluating -> ready: report the quality, and refuse a space that is worse than the active one."""
        self.report_progress({"stage": "evaluating"})
        sample, judge = self._sample(space, config), self._judge(space)
        said = sample.said(label_of(judge))
        if not self._is_forced:  # as before the training: documents may be gone
            check_can_judge(judge, questions_of(said, sample.ids))
        with self.database.read() as connection:
            active = spaces.active(connection, collection.id)
        learned = space.report or {}
        trained = learned.get("training", {})
        report = evaluate(
            self._function(space),
            sample.contents,
            sample.ids,
            others={"active": self._function(active)} if active.model == space.model else {},
            reconstruction_loss=trained.get("held_out_loss"),
            is_binary=bool(trained.get("is_binary")),
            agreement=(trained.get("choice") or {}).get("agreement"),
            said=said,
        )
        self.report_progress({"stage": "evaluating", "advice": [asdict(one) for one in report.advice]})
        whole = {**learned, **asdict(report), "active_version": active.version, "judge": judge}
        with self.database.write() as connection:
            spaces.set_report(connection, space.id, whole)
        if not self._is_forced and active.model == space.model:  # codes of other vectors find other neighbors
            output = "reals" if collection.kind == "embedding" else "counts"
            aim = config.resolved_for(output).get("aim", "both")
            check_not_worse(report, active.version, figure_of(judge, aim))
        if self.settings.sql_index == "full":
            bucket_build.build(self.database, space, lambda done, total: self.report_progress({}))
        with self.database.write() as connection:
            return spaces.move(connection, space.id, "ready")

    def _promote(self, collection: Collection, space: CodeSpace, config: TrainingConfig) -> CodeSpace:
        """ready -> active, when every API process has loaded the space and every document has a code in it."""
        deadline = time.monotonic() + self.settings.ready_timeout_s
        function = self._function(space)
        promotion = Promotion(
            self.database,
            space,
            encode=lambda texts: function.encode(texts).codes,
            report=lambda progress: self.report_progress({"stage": "ready", **progress}),
            leaves_out=self._is_forced,
        )
        try:
            promoted = promotion.run(self.settings.ready_timeout_s)
        except VectorsMissing:  # a document that was put meanwhile: the space stays ready
            return space
        while self._not_swapped(space) and time.monotonic() < deadline:
            time.sleep(0.1)
        with self.database.write() as connection:
            spaces.prune(connection, collection.id, self.settings.keep_retired)
            deletion.enqueue(connection, collection, "prune")
            enqueue_map(connection, collection)
        return promoted

    def _not_swapped(self, space: CodeSpace) -> int:
        """Number of live API processes that still have the previous space loaded beside the new one."""
        with self.database.read() as connection:
            before = spaces.rollback_target(connection, space.collection_id)
            alive = nodes.live(connection)
        return sum({space.id, before.id} <= node.applied.keys() for node in alive)
