"""HTTP as users of FastAPI expect it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.errors import ConfigurationError
from tests.web.asserting import refused
from tests.web.conftest import Start
from tests.web.serving import DOCUMENTS, put

BODY = json.dumps({"documents": [{"id": "a", "text": "a text"}]}).encode()
JSON = {"Content-Type": "application/json"}
GETS = (
    "",
    "/documents",
    "/documents/a",
    "/documents/a/similar",
    "/similar?q=text",
    "/search?q=text",
    "/spaces",
    "/bits",
)


@pytest.mark.parametrize("prefix", ["", "/near/bit"])
def test_under_a_root_path_everything_is_found_whether_the_proxy_removes_it_or_not(
    sqlite_url: str, start: Start, prefix: str
) -> None:
    client = start(sqlite_url, root_path="/near/bit", admin_key="the admin's")
    headers = {"Authorization": "Bearer the admin's"}
    assert client.get(f"{prefix}/healthz").status_code == 200
    assert "status" in client.get(f"{prefix}/readyz").json()
    refused(client.get(f"{prefix}/v1/collections"), 401, "unauthorized")
    assert client.put(f"{prefix}/v1/collections/texts", headers=headers).status_code == 201
    page = client.get(f"{prefix}/docs", headers=headers).text
    named = set(re.findall(r"""['"](/[^'"]*(?:openapi\.json|\.js|\.css))['"]""", page))
    assert len(named) >= 3
    for path in named:
        assert path.startswith("/near/bit/")
        assert client.get(path.removeprefix("/near/bit") if not prefix else path, headers=headers).status_code == 200
    assert client.get(f"{prefix}/openapi.json", headers=headers).json()["servers"] == [{"url": "/near/bit"}]
    job = client.post(f"{prefix}/v1/collections/texts/duplicates", json={"radius": 1}, headers=headers)
    assert job.headers["location"] == f"/near/bit/v1/jobs/{job.json()['id']}"


def test_browsers_are_told_which_pages_may_call_without_a_key_being_asked_for(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, cors_origins="https://app.example.org,http://localhost:5173", admin_key="the admin's")
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "Authorization,Content-Type"}
    allowed = client.options(DOCUMENTS, headers={"Origin": "https://app.example.org", **asks})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    other = client.options(DOCUMENTS, headers={"Origin": "https://evil.example", **asks})
    assert "access-control-allow-origin" not in other.headers
    refusal = client.get(DOCUMENTS, headers={"Origin": "https://app.example.org"})
    refused(refusal, 401, "unauthorized")
    assert refusal.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "Retry-After" in refusal.headers["access-control-expose-headers"]


def test_without_a_key_pages_of_named_origins_are_served_and_others_refused(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, cors_origins="https://app.example.org")
    assert client.get("/v1/collections", headers={"Origin": "https://app.example.org"}).status_code == 200
    refused(client.get("/v1/collections", headers={"Origin": "https://evil.example"}), 403, None)


def test_by_default_no_page_is_told_that_it_may_call(lite: TestClient) -> None:
    response = lite.get("/v1/collections", headers={"Origin": "http://localhost:3000"})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "settings",
    [{"cors_origins": "app.example.org"}, {"cors_origins": "https://a.org/"}, {"root_path": "a"}, {"root_path": "/a/"}],
)
def test_settings_that_name_no_origin_or_path_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Settings(**settings)  # type: ignore[arg-type]


def test_settings_that_would_let_any_page_in_or_hide_the_service_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="any web page"):
        Settings(cors_origins="*")
    with pytest.raises(ConfigurationError, match="must not begin with /v1"):
        Settings(root_path="/v1/nearbit")


def test_bodies_may_come_in_chunks_and_compressed(lite: TestClient) -> None:
    def in_chunks(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    zipped = {**JSON, "Content-Encoding": "gzip"}
    for content, headers in (
        (in_chunks(BODY), JSON),
        (gzip.compress(BODY), zipped),
        (in_chunks(gzip.compress(BODY)), zipped),
    ):
        assert lite.post(DOCUMENTS, content=content, headers=headers).status_code in (200, 201)
    refused(lite.post(DOCUMENTS, content=in_chunks(gzip.compress(BODY)[:-9]), headers=zipped), 400, None)


def test_head_is_answered_wherever_get_is_without_a_body(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url)
    put(client, "text")
    client.post(DOCUMENTS, content=BODY, headers=JSON)
    paths = [f"/v1/collections/texts{path}" for path in GETS]
    for path in (*paths, "/v1/collections", "/v1/keys", "/v1/audit", "/healthz", "/metrics", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200, path
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b""), path


def test_a_trailing_slash_leads_nowhere(lite: TestClient) -> None:
    paths = [
        "/v1/collections",
        "/v1/collections/texts",
        "/v1/collections/texts/search",
        "/v1/keys",
        "/docs",
        "/healthz",
    ]
    for path in paths:
        for method in ("GET", "POST", "PUT", "DELETE"):
            refused(lite.request(method, f"{path}/", follow_redirects=False), 404, None)
