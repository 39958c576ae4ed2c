from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from service.index.hamming.kernels.select import loops_for
from service.store import schema
from tests.web.serving import put, running, until


def test_it_is_healthy_at_once_and_ready_when_its_replicas_have_caught_up(url: str) -> None:
    with running(url) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        put(client, "one", "two")
        assert until(client, "/readyz", 200) == {
            "status": "ready",
            "checks": {"database": "ok", "replicas": "ok", "hash functions": "ok"},
        }
    with running(url) as client:  # what was stored is there again
        until(client, "/readyz", 200)
        assert len(client.get("/v1/collections/texts/similar", params={"q": "one"}).json()["matches"]) == 2


def test_a_probe_loads_no_hash_function_and_unloads_none(sqlite_url: str) -> None:
    widths = (16, 32, 64, 128)
    with running(sqlite_url, encoder_cache=2) as client:
        for n_bits in widths:
            client.put(f"/v1/collections/c{n_bits}", json={"n_bits": n_bits})
        for n_bits in widths:
            client.get(f"/v1/collections/c{n_bits}/similar", params={"q": "one"})
        encoder = client.app.state.services.encoder  # type: ignore[attr-defined]
        kept, n_calls = list(encoder._functions), encoder.stats.n_calls
        for _ in range(3):
            until(client, "/readyz", 200)
        assert (list(encoder._functions), encoder.stats.n_calls) == (kept, n_calls)


def test_a_fault_of_one_collection_is_shown_and_the_process_stays_ready(url: str) -> None:
    with running(url) as client:
        put(client, "one", "two")
        client.put("/v1/collections/damaged", json={"n_bits": 32})
        client.put("/v1/collections/unreadable", json={"n_bits": 64})
        client.post("/v1/collections/unreadable/documents", json={"documents": [{"text": "one"}]})
        with client.app.state.services.database.write() as connection:  # type: ignore[attr-defined]
            functions, codes = schema.hash_functions, schema.codes

            def of(column: Any, name: str) -> Any:
                joined = schema.code_spaces.join(schema.collections)
                return select(column).select_from(joined).where(schema.collections.c.name == name).scalar_subquery()

            digest, space_id = of(schema.code_spaces.c.digest, "damaged"), of(schema.code_spaces.c.id, "unreadable")
            connection.execute(update(functions).where(functions.c.digest == digest).values(content=b"damaged"))
            connection.execute(update(codes).where(codes.c.space_id == space_id).values(code=b"123"))
    with running(url) as client:
        answer = until(client, "/readyz", 200)
        assert answer["status"] == "ready"
        assert set(answer["collections"]) == {"damaged", "unreadable"}
        assert "do not match its digest" in answer["collections"]["damaged"]
        states = {
            name: client.get(f"/v1/collections/{name}").json()["replica"] for name in ("texts", *answer["collections"])
        }
        assert {name: state["state"] for name, state in states.items()} == {
            "texts": "following",
            "damaged": "following",
            "unreadable": "failed",
        }
        assert {name: state["error"] for name, state in states.items() if state["error"]} == answer["collections"]
        assert states["texts"] == {"state": "following", "seq": 2, "error": None}
        found = client.get("/v1/collections/texts/similar", params={"q": "one"}).json()
        assert (found["work"]["source"], len(found["matches"])) == ("memory", 2)


def test_a_process_without_compiled_loops_says_so_and_is_ready(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops_for(64), "reason", "numba cannot be loaded")
    with running(sqlite_url) as client:
        assert until(client, "/readyz", 200)["notes"] == {"kernel": "numpy, many times slower: numba cannot be loaded"}
