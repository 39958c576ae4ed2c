from __future__ import annotations

import re

import pytest

from tests.web.asserting import refused
from tests.web.serving import DOCUMENTS, put, running, until


def test_requests_carry_an_id_that_the_caller_may_choose(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        chosen = client.get("/healthz", headers={"X-Request-ID": "a-b_c.9"})
        assert chosen.headers["x-request-id"] == "a-b_c.9"
        made = [client.get("/v1/none", headers={"X-Request-ID": bad}) for bad in ("", "a b", "x" * 65, "é".encode())]
        ids = {response.headers["x-request-id"] for response in made}
        assert len(ids) == 4
        assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
        assert refused(made[0], 404, None)["request_id"] == made[0].headers["x-request-id"]


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1", ""])
def test_without_a_key_only_host_names_of_this_machine_are_served(sqlite_url: str, name: str) -> None:
    with running(sqlite_url) as client:
        refused(client.get("/v1/collections", headers={"Host": name}), 421, None)
        for here in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert client.get("/v1/collections", headers={"Host": here}).status_code == 200


def test_without_a_key_pages_of_other_machines_are_refused(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        for origin in ("https://evil.example", "null"):
            refused(client.post("/v1/collections/texts/rollback", headers={"Origin": origin}), 403, None)
        assert client.get("/v1/collections", headers={"Origin": "http://localhost:3000"}).status_code == 200


def test_with_a_key_any_host_name_is_served(sqlite_url: str) -> None:
    with running(sqlite_url, "http://nearbit.example", admin_key="secret", host="0.0.0.0") as client:
        assert client.get("/v1/collections", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_requests_are_counted_by_route_and_not_by_path(sqlite_url: str) -> None:
    with running(sqlite_url) as client:
        put(client, "one")
        for i in range(3):
            client.get(f"{DOCUMENTS}/none{i}")
        until(client, "/readyz", 200)
        figures = client.get("/metrics").text
    route = 'route="/v1/collections/{collection}/documents/{id:path}"'
    assert f'nearbit_http_requests_total{{method="GET",{route},status="404"}} 3.0' in figures
    assert f'nearbit_http_request_seconds_count{{method="GET",{route}}} 3.0' in figures
    assert re.search(r'^nearbit_replica_codes{collection="texts",pid="\d+"} 1.0$', figures, re.MULTILINE)
    assert "none0" not in figures


def test_an_unexpected_error_is_a_problem_that_hides_its_cause(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(sqlite_url) as client:

        def broken(*_: object) -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(client.app.state.services.search, "answer", broken)  # type: ignore[attr-defined]
        problem = refused(client.get("/v1/collections/texts/similar?q=a"), 500, None)
        assert "secret" not in str(problem)
        assert client.get("/healthz").status_code == 200
