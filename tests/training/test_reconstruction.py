from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from service.hashing.codes import pack
from service.hashing.content import Text
from service.hashing.digest import digest_of
from service.hashing.untrained import untrained_hash_function
from service.store import codes, collections, documents, drift, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.spaces import CodeSpace
from training.reconstruction import RIDGE, ReconstructionWatch, losses

FUNCTION = untrained_hash_function(64)
N_OLD = 1_200


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = Database.open(sqlite_url)
    yield database
    database.close()


def texts(topics: str, n: int, seed: int) -> list[Text]:
    """Texts of eight words of one topic each."""
    rng = np.random.default_rng(seed)
    return [Text(" ".join(f"{topics[i % len(topics)]}word{j}" for j in rng.integers(8, size=8))) for i in range(n)]


def put(database: Database, collection: Collection, space: CodeSpace, new: list[Text]) -> None:
    with database.lane(collection.id) as lane:
        stored = documents.put(lane, [NewDocument(None, text, {}) for text in new])
        codes.append(lane, space.id, [one.key for one in stored], FUNCTION.encode(new).codes)


def learned(database: Database, n: int = N_OLD) -> tuple[Collection, CodeSpace]:
    """A collection whose codes count as learned from texts of six topics."""
    content = FUNCTION.to_bytes()
    with database.write() as connection:
        collection = collections.create(connection, uuid4().hex, "text", FUNCTION.n_bits)
        spaces.put_function(connection, content, digest_of(content))
        space = spaces.create_untrained(connection, collection, digest_of(content))
    put(database, collection, space, texts("abcdef", n, 0))
    with database.write() as connection:
        spaces.set_report(connection, space.id, {"training": {"collection": drift.mark(connection, collection.id)}})
    return collection, space


def active(database: Database, collection: Collection) -> CodeSpace:
    with database.read() as connection:
        return spaces.active(connection, collection.id)


def reasons(database: Database, collection: Collection) -> list[str]:
    with database.read() as connection:
        found = drift.read(connection, active(database, collection), 1_500)
    return [reason.kind for reason in found.reasons(100)]


@pytest.mark.parametrize(("topics", "is_advised"), [("abcdef", False), ("abcdex", False), ("abcxyz", True)])
def test_a_retrain_is_advised_when_codes_keep_less_of_what_is_new(
    sqlite: Database, topics: str, is_advised: bool
) -> None:
    collection, space = learned(sqlite)
    put(sqlite, collection, space, texts(topics, 300, 1))
    ReconstructionWatch(sqlite).look()
    assert ("reconstruction" in reasons(sqlite, collection)) == is_advised


def test_it_is_measured_when_documents_have_come_and_again_when_more_have(database: Database) -> None:
    collection, space = learned(database)

    def measured() -> dict[str, float] | None:
        ReconstructionWatch(database).look()
        report = active(database, collection).report or {}
        assert report["training"]["collection"]["n_documents"] == N_OLD
        found: dict[str, float] | None = report.get("reconstruction")
        return found

    put(database, collection, space, texts("abcdef", drift.LEAST - 1, 1))
    assert measured() is None
    put(database, collection, space, texts("abcdef", 1, 2))
    first = measured()
    assert first is not None
    assert (first["n_new"], 0 < first["learned_loss"] < 1) == (drift.LEAST, True)
    assert first["new_loss"] == pytest.approx(first["learned_loss"], rel=0.1)
    assert measured() == first
    put(database, collection, space, texts("xyz", drift.LEAST, 3))
    second = measured()
    assert second is not None
    assert (second["n_new"], second["new_loss"] > first["new_loss"]) == (2 * drift.LEAST, True)


def test_of_few_documents_nothing_is_said(sqlite: Database) -> None:
    collection, space = learned(sqlite, n=500)
    put(sqlite, collection, space, texts("xyz", 300, 1))
    ReconstructionWatch(sqlite).look()
    assert "reconstruction" not in (active(sqlite, collection).report or {})


@pytest.mark.parametrize("is_sparse", [True, False])
def test_the_loss_is_what_a_ridge_regression_leaves(is_sparse: bool) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 7)).astype(np.float32) * (rng.random((60, 7)) < 0.5)
    features[-1] = 0
    bits = rng.integers(0, 2, size=(60, 8)).astype(bool)
    inputs = np.hstack([np.ones((60, 1)), np.where(bits, 1.0, -1.0)])
    weights = np.linalg.inv(inputs[:40].T @ inputs[:40] + RIDGE * np.eye(9)) @ inputs[:40].T @ features[:40]
    left = ((features[40:] - inputs[40:] @ weights) ** 2).sum(axis=1)
    expected = np.append(left[:-1] / (features[40:-1] ** 2).sum(axis=1), 1.0)
    given = csr_matrix(features) if is_sparse else features
    np.testing.assert_allclose(losses(given, pack(bits), 40), expected, rtol=1e-4)
