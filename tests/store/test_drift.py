from __future__ import annotations

import numpy as np
import pytest

from service.hashing.content import Text
from service.store import codes, documents, drift, spaces, usage
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.drift import Drift
from service.store.usage import UsageCounter
from tests.conftest import new_collection

CALM = Drift(1_000, 1_000, 0.0, 0.0, 0.0, 0.0, 0.1, 0.02)


@pytest.mark.parametrize(
    ("drift", "kinds"),
    [
        (CALM, []),
        (Drift(1_600, 1_000, 0.6, None, None, None, None, None), ["growth"]),
        (Drift(1_600, None, None, None, None, None, None, None), ["untrained"]),
        (Drift(99, None, None, 0.9, None, 0.9, 0.9, 0.9), []),
        (Drift(1_000, 1_000, 0.0, 0.2, 0.15, 0.0, 0.1, 0.02), []),
        (
            Drift(1_000, 1_000, 0.0, 0.3, 0.15, 0.3, 0.3, 0.3),
            ["unknown_documents", "unknown_queries", "far_queries", "bits"],
        ),
    ],
)
def test_a_retrain_is_advised_for_the_reasons_that_figures_give(drift: Drift, kinds: list[str]) -> None:
    reasons = drift.reasons(least_documents=100)
    assert [reason.kind for reason in reasons] == kinds
    assert all("%" in reason.text or "documents" in reason.text for reason in reasons)


def test_growth_is_advised_from_where_the_policy_says() -> None:
    grown = Drift(1_200, 1_000, 0.2, None, None, None, None, None)
    assert grown.reasons(100) == []
    assert grown.reasons(100, growth=0.2)[0].text == (
        "the collection has grown by 20%: 1,000 documents were there, now there are 1,200"
    )


def test_drift_is_read_from_counts_and_from_the_codes_of_new_documents(database: Database) -> None:
    collection, space = new_collection(database, n_bits=8)
    with database.lane(collection.id) as lane:
        old = [one.key for one in documents.put(lane, [NewDocument("old", Text("old"), {})])]
        learned = drift.mark(lane.connection, collection.id)
        new = [one.key for one in documents.put(lane, [NewDocument(f"d{i}", Text("new"), {}) for i in range(250)])]
        codes.append(lane, space.id, [*old, *new], np.full((251, 1), 0b11110000, dtype=np.uint8))
    counter = UsageCounter()
    counter.add_documents(space.id, 250, 50)
    for nearest in [2] * 950 + [3] * 50:
        counter.add_query(space.id, True, nearest)
    later = UsageCounter()
    for nearest in [2] * 100 + [7] * 100:
        later.add_query(space.id, True, nearest)
    later.add_query(space.id, False, None)
    report = {"training": {"collection": learned}, "without_features": 0.1, "bit_balance": [0.5] * 4 + [0.0] * 4}
    with database.write() as connection:
        for one in (counter, later):
            usage.add(connection, one.take())
        space = spaces.set_report(connection, space.id, report)
        found = drift.read(connection, space, 251)
    assert (found.n_learned, found.growth, found.unknown_documents, found.learned_unknown) == (1, 250.0, 0.2, 0.1)
    assert found.unknown_queries == pytest.approx(1 / 1_201)
    assert (found.far_queries, found.bit_shift) == (0.5, 0.25)


def test_of_a_space_that_nothing_is_known_of_there_are_no_figures(database: Database) -> None:
    _, space = new_collection(database)
    with database.read() as connection:
        assert drift.read(connection, space, 5) == Drift(5, None, None, None, None, None, None, None)
