from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.config import Settings
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.function import HashFunction
from service.hashing.untrained import untrained_hash_function
from service.store import codes, collections, documents, job_history, jobs, nodes, pairs, spaces, upkeep
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.jobs import Job
from service.store.pairs import Pair
from service.store.upkeep import Upkeep
from service.training_options import VARIANTS
from tests.conftest import n_codes
from tests.flows.corpus import documents as texts
from training.encode import encode_all
from training.models import MODELS
from training.worker import run_job

FAST = {"epochs": 2, "variant": "semantic_hashing", "noise": 1.0}
POOR = {"hidden": [1]}
"""Every code is a function of one number: no training makes such codes find the nearest of six subjects."""


@pytest.fixture
def settings_here(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, device="cpu", ready_timeout_s=1, lease_s=5)


@pytest.fixture
def collection(database: Database) -> Collection:
    """A collection of 300 texts in the untrained space."""
    content = untrained_hash_function(32).to_bytes()
    with database.write() as connection:
        made = collections.create(connection, "texts", "text", 32)
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.create_untrained(connection, made, digest_of(content))
    add(database, made, 300)
    encode_all(database, space, HashFunction.from_bytes(content))
    return made


def add(database: Database, collection: Collection, n: int, start: int = 0) -> None:
    with database.lane(collection.id) as lane:
        documents.put(lane, [NewDocument(d["id"], Text(d["text"]), d["metadata"]) for d in texts(n, start)])


def claimed(database: Database, collection: Collection, params: Mapping[str, Any]) -> Job:
    with database.write() as connection:
        jobs.enqueue(connection, collection, "retrain", dict(params))
    with database.write() as connection:
        job = jobs.claim(connection, "w", 60, ["retrain"])
    assert job is not None
    return job


def retrain(database: Database, settings: Settings, collection: Collection, **params: Any) -> Job:
    job = claimed(database, collection, {**FAST, **params})
    run_job(database, settings, job, "w", threading.Event())
    with database.read() as connection:
        return jobs.get(connection, job.id)


def states(database: Database, collection: Collection) -> list[str]:
    with database.read() as connection:
        return [s.state for s in spaces.list(connection, collection.id)]


def test_a_retrain_promotes_a_space_in_which_every_document_has_a_code(
    database: Database, settings_here: Settings, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fit.run.CHECKPOINT_EVERY_S", 0.0)
    job = retrain(database, settings_here, collection, force=True)
    assert (job.state, job.error, job.progress["stage"], job.progress["version"]) == ("succeeded", None, "active", 2)
    assert states(database, collection) == ["active", "retired"]
    with database.read() as connection:
        active = spaces.active(connection, collection.id)
        assert codes.count_missing(connection, collection.id, active.id) == 0
        function = HashFunction.from_bytes(spaces.get_function(connection, str(active.digest)), active.digest)
    assert function.n_bits == 32
    assert not list((settings_here.data_dir / "checkpoints").iterdir())  # there were some, and they are gone


def test_the_report_of_a_space_says_how_good_and_how_healthy_its_codes_are(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    retrain(database, settings_here, collection, force=True)
    with database.read() as connection:
        report = spaces.active(connection, collection.id).report
    assert report is not None
    assert set(report["recall"]) == {"this", "untrained", "active"}
    assert report["recall"]["untrained"] == report["recall"]["active"]
    assert report["active_version"] == 1
    assert report["reconstruction_loss"] == report["training"]["held_out_loss"] > 0
    assert len(report["bit_entropy"]) == len(report["bit_balance"]) == 32
    assert {"saturated", "dead_bits", "code_load", "substring_load", "n_queries"} <= set(report)
    assert len(report["training"]["history"]) == 2


def test_what_a_retrain_measured_can_be_read_afterwards(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    job = retrain(database, settings_here, collection)
    with database.read() as connection:
        records = job_history.after(connection, job.id, -1, 1_000)
    assert records[-1].number == 100
    landmarks = records[0].record["landmarks"]
    assert all("landmarks" not in one.record for one in records[1:])
    for one in records:
        assert len(one.codes) == len(landmarks) * one.record["n_bits"] // 8
        assert len(one.record["balance"]) == one.record["n_bits"]


def test_a_retrain_to_another_width_makes_it_that_of_the_collection_until_a_rollback(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    assert retrain(database, settings_here, collection, force=True, n_bits=64).state == "succeeded"
    with database.read() as connection:
        active = spaces.active(connection, collection.id)
        assert collections.by_id(connection, collection.id).n_bits == active.n_bits == 64
        assert codes.count_missing(connection, collection.id, active.id) == 0
        function = HashFunction.from_bytes(spaces.get_function(connection, str(active.digest)), active.digest)
    assert function.n_bits == 64
    assert active.report is not None
    assert active.report["training"]["width"] == {"n_bits": 64, "reason": "asked for"}
    with database.lane(collection.id) as lane:
        spaces.promote(lane, spaces.rollback_target(lane.connection, collection.id).id)
    with database.read() as connection:
        assert collections.by_id(connection, collection.id).n_bits == 32


def test_a_retrain_may_leave_the_width_to_the_number_of_documents(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    retrain(database, settings_here, collection, force=True, n_bits="auto")
    with database.read() as connection:
        report = spaces.active(connection, collection.id).report
    assert report is not None
    assert report["training"]["width"] == {"n_bits": 32, "reason": "300 documents ask for 25 bits, 3 for each doubling"}


def test_a_space_that_is_worse_than_the_active_one_is_refused_unless_forced(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    refused = retrain(database, settings_here, collection, **POOR)
    assert refused.state == "failed"
    assert "those of the active version 1 find" in str(refused.error)
    assert states(database, collection) == ["failed", "active"]
    forced = retrain(database, settings_here, collection, **POOR, force=True)
    assert (forced.state, forced.error) == ("succeeded", None)
    with database.read() as connection:
        recall = spaces.active(connection, collection.id).report["recall"]  # type: ignore[index]
    assert recall["this"] < recall["active"] - 0.2


def test_a_space_that_is_better_than_the_active_one_passes_without_force(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    assert retrain(database, settings_here, collection, **POOR, force=True).state == "succeeded"
    better = retrain(database, settings_here, collection)
    assert (better.state, better.error) == ("succeeded", None)
    with database.read() as connection:
        recall = spaces.active(connection, collection.id).report["recall"]  # type: ignore[index]
    assert recall["this"] > recall["active"] + 0.2
    refused = retrain(database, settings_here, collection, **POOR)
    assert "those of the active version 3 find" in str(refused.error)
    assert states(database, collection) == ["failed", "active", "retired", "retired"]


@pytest.mark.long_on_postgresql
@pytest.mark.parametrize(
    ("setting", "option", "says"),
    [
        ("label:subject", None, "of documents with the same label"),
        ("pairs", "topics", "of the documents of the same topic"),
        ("aim", "neighbors", "of the 10 true nearest"),
    ],
)
def test_the_gate_goes_by_what_the_retrain_says_or_else_the_collection(
    database: Database, settings_here: Settings, collection: Collection, setting: str, option: str | None, says: str
) -> None:
    with database.write() as connection:
        upkeep.put(connection, collection.id, Upkeep(judge=setting))
    refused = retrain(database, settings_here, collection, **POOR, **({"judge": option} if option else {}))
    assert says in str(refused.error)


@pytest.mark.long_on_postgresql
@pytest.mark.parametrize(
    ("judge", "needs"),
    [("pairs", "at least 10 pairs of which one document"), ("label:none", "held-out documents with a value of 'none'")],
)
def test_what_cannot_be_judged_is_not_trained_unless_forced(
    database: Database, settings_here: Settings, collection: Collection, judge: str, needs: str
) -> None:
    refused = retrain(database, settings_here, collection, judge=judge)
    assert needs in str(refused.error)
    with database.read() as connection:
        assert spaces.list(connection, collection.id)[0].digest is None
    assert retrain(database, settings_here, collection, judge=judge, force=True).state == "succeeded"


@pytest.mark.long_on_postgresql
def test_a_retrain_learns_labels_and_pairs_if_it_is_told_to(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    with database.write() as connection:
        pairs.put(connection, collection.id, [Pair.of(f"d{i}", f"d{i + 1}", i % 2 == 0) for i in range(0, 200, 2)])
    options = {"variant": "neighbor", "rarity": 1, "force": True}
    for supervise in ({"field": "subject"}, {"pairs": True}, {"field": "subject", "pairs": True}):
        assert retrain(database, settings_here, collection, **options, supervise=supervise).state == "succeeded"
        with database.read() as connection:
            report = spaces.active(connection, collection.id).report or {}
        learned = report["training"]["supervise"]
        assert (learned["n_labelled"] > 200) == ("field" in supervise)
        assert (learned["n_pairs"] > 50) == ("pairs" in supervise)
    failed = retrain(database, settings_here, collection, **options, supervise={"field": "none"})
    assert "supervise needs two of the" in str(failed.error)


def test_documents_added_while_a_space_is_built_are_in_it_when_it_goes_live(
    database: Database, settings_here: Settings, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import retrain as pipeline

    judged = pipeline.evaluate

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        add(database, collection, 25, start=1_000)
        return judged(*args, **kwargs)

    monkeypatch.setattr(pipeline, "evaluate", meanwhile)
    assert retrain(database, settings_here, collection, force=True).state == "succeeded"
    with database.read() as connection:
        assert n_codes(connection, spaces.active(connection, collection.id).id) == 325


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"variant": "magic"}, "variant must be one of"),
        ({"epohcs": 3}, "did you mean epochs?"),
        ({"epochs": 0}, "epochs must be an integer at least 1 and at most 1,000, got 0"),
    ],
)
def test_options_that_no_training_takes_fail_the_job_with_a_clear_reason(
    database: Database, settings_here: Settings, collection: Collection, params: dict[str, Any], reason: str
) -> None:
    job = retrain(database, settings_here, collection, **params)
    assert job.state == "failed"
    assert reason in str(job.error)
    assert states(database, collection)[-1] == "active"


def test_too_few_documents_fail_the_job_with_the_number_that_is_needed(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    strict = settings_here.model_copy(update={"min_train_documents": 400})
    job = retrain(database, strict, collection)
    assert job.state == "failed"
    assert "needs at least 400 documents to be trained, it has 300" in str(job.error)


def test_a_cancelled_retrain_leaves_the_active_space_alone(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    job = claimed(database, collection, {**FAST, "epochs": 1_000, "patience": 1_000})
    worker = threading.Thread(target=run_job, args=(database, settings_here, job, "w", threading.Event()))
    worker.start()
    with database.write() as connection:
        jobs.cancel(connection, job.id)
    worker.join(60)
    assert not worker.is_alive()
    with database.read() as connection:
        assert jobs.get(connection, job.id).state == "cancelled"
    assert states(database, collection) == ["failed", "active"]


def test_a_trainer_whose_job_was_taken_over_writes_nothing_more_for_it(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    job = claimed(database, collection, {**FAST, "epochs": 1_000, "patience": 1_000})
    with database.write() as connection:
        jobs.release(connection, job.id, "w")
    with database.write() as connection:
        jobs.claim(connection, "other", 60, ["retrain"])
    run_job(database, settings_here, job, "w", threading.Event())
    with database.read() as connection:
        assert jobs.get(connection, job.id).state == "running"


def test_a_dropped_collection_ends_its_retrain_quietly(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    job = claimed(database, collection, {**FAST, "epochs": 1_000, "patience": 1_000})
    worker = threading.Thread(target=run_job, args=(database, settings_here, job, "w", threading.Event()))
    worker.start()
    with database.write() as connection:
        collections.drop(connection, "texts")
    worker.join(60)
    assert not worker.is_alive()


def test_a_promote_waits_for_a_live_process_that_has_not_loaded_the_space(
    database: Database, settings_here: Settings, collection: Collection
) -> None:
    patient = settings_here.model_copy(update={"ready_timeout_s": 30})
    job = claimed(database, collection, {**FAST, "force": True})
    stop = threading.Event()

    def slow_node() -> None:
        """Alive from the start; loads the new space only when it has seen that the job waits for it."""
        while not stop.wait(0.05):
            with database.read() as connection:
                waited_for = jobs.get(connection, job.id).progress.get("waiting_for")
                known = [s for s in spaces.list(connection, collection.id) if s.state in ("ready", "active", "retired")]
            seen.append(waited_for)
            active_only = [s for s in known if s.state == "active"]
            loaded = active_only if known[0].state == "active" else known if any(seen) else known[-1:]
            with database.write() as connection:
                nodes.heartbeat(connection, "slow", {s.id: 1 for s in loaded})

    seen: list[int | None] = []
    with database.write() as connection:
        nodes.heartbeat(connection, "slow", {})
    node = threading.Thread(target=slow_node)
    node.start()
    run_job(database, patient, job, "w", threading.Event())
    stop.set()
    node.join()
    assert 1 in seen
    assert states(database, collection) == ["active", "retired"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("variant", sorted(MODELS))
def test_every_variant_can_be_retrained(
    database: Database, settings_here: Settings, collection: Collection, variant: str
) -> None:
    hidden = {} if "hidden" in VARIANTS[variant].preset else {"hidden": [32]}
    job = claimed(database, collection, {"variant": variant, "epochs": 2, "force": True, **hidden})
    run_job(database, settings_here, job, "w", threading.Event())
    with database.read() as connection:
        done = jobs.get(connection, job.id)
        active = spaces.active(connection, collection.id)
        assert (done.state, done.error, active.version) == ("succeeded", None, 2)
        assert codes.count_missing(connection, collection.id, active.id) == 0
