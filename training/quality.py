"""Quality: judge any code space on a sample of its collection, and keep the report with it."""

from __future__ import annotations

from sqlalchemy import Connection

from service.config import Settings
from service.errors import TooFewDocuments
from service.hashing.function import HashFunction
from service.store import collections, judgments, spaces
from service.store.database import Database
from service.store.jobs import Job
from service.store.leases import ReportProgress
from service.store.spaces import CodeSpace
from training.evaluate import Report, evaluate
from training.sample import Sample

_SEED = 1
"""The documents that are asked, and those that are searched, are the same ones for all spaces."""


def judge(database: Database, settings: Settings, job: Job, report_progress: ReportProgress) -> Report:
    """Judge the space that a job names, beside the active one, and keep the report.

    At most 1,000 held-out documents ask and 50,000 others are searched; see `training.evaluate`.

    Raises:
        NotFound: the collection or the space is gone.
        TooFewDocuments: too few documents are left.
    """
    label = job.params.get("label")
    report_progress({"stage": "reading"})
    with database.read() as connection:
        collection = collections.by_id(connection, job.collection_id)
        space = spaces.get(connection, collection.id, job.params["version"])
        active = spaces.active(connection, collection.id)
        sample = Sample.read(connection, space, settings.train_sample, _SEED, with_pairs=True)
        functions = [_function(connection, one) for one in (space, active)]
    if len(sample.ids) < settings.min_train_documents:
        raise TooFewDocuments(collection.name, settings.min_train_documents, len(sample.ids))
    report_progress({"stage": "judging"})
    is_comparable = active.id != space.id and active.model == space.model
    report = evaluate(
        functions[0],
        sample.contents,
        sample.ids,
        others={"active": functions[1]} if is_comparable else {},
        said=sample.said(label),
    )
    with database.write() as connection:
        judgments.put(connection, space.id, label, {**report.to_dict(), "active_version": active.version})
    return report


def _function(connection: Connection, space: CodeSpace) -> HashFunction:
    return HashFunction.from_bytes(spaces.get_function(connection, str(space.digest)), space.digest)
