from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.web.page import Page, last_change
from tests.web.asserting import refused
from tests.web.conftest import Start

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_is_sent_from_the_root_to_the_page_and_others_find_nothing(lite: TestClient) -> None:
    sent = lite.get("/", headers=BROWSER, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (307, "ui/")
    assert lite.get("/ui", follow_redirects=False).headers["location"] == "ui/"
    assert lite.get("/", headers=BROWSER).headers["content-type"] == "text/html; charset=utf-8"
    refused(lite.get("/"), 404, None)


def test_unknown_paths_are_problems_whatever_is_accepted(lite: TestClient) -> None:
    for path in (
        "/nothing",
        "/ui/nothing",
        "/ui/nothing/app.js",
        "/ui/../app.py",
        f"/ui/{Page.read().release}/README.md",
    ):
        refused(lite.get(path, headers=BROWSER), 404, None)
    refused(lite.post("/ui/"), 405, None)


def test_every_file_that_the_page_names_is_there_and_kept_for_ever(lite: TestClient) -> None:
    page = lite.get("/ui/")
    assert page.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert len(named) > 5
    for name in named:
        file = lite.get(f"/ui/{name}")
        assert file.status_code == 200, name
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_no_inline_script_and_no_other_origin(lite: TestClient) -> None:
    policy = lite.get("/ui/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_files_are_sent_compressed_and_not_again_while_they_are_the_same(lite: TestClient) -> None:
    plain = lite.get("/ui/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    compressed = lite.get("/ui/", headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert (compressed.text, compressed.headers["vary"]) == (plain.text, "Accept-Encoding")
    known = lite.get("/ui/", headers={"If-None-Match": f'W/{plain.headers["etag"]}, "other"'})
    assert (known.status_code, known.content) == (304, b"")


def test_the_page_needs_no_key(sqlite_url: str, start: Start) -> None:
    client = start(sqlite_url, admin_key="the key")
    assert client.get("/ui/").status_code == client.get("/", headers=BROWSER).status_code == 200
    refused(client.get("/v1/collections"), 401, "unauthorized")


@pytest.mark.parametrize("base", ["/at", ""])
def test_the_page_is_there_behind_a_proxy_that_keeps_or_removes_the_path(
    base: str, sqlite_url: str, start: Start
) -> None:
    client = start(sqlite_url, root_path="/at")
    assert client.get(f"{base}/", headers=BROWSER, follow_redirects=False).headers["location"] == "ui/"
    page = client.get(f"{base}/ui/").text
    script = re.findall('src="([^"]+)"', page)[0]
    assert client.get(f"{base}/ui/{script}").status_code == 200


def test_a_page_names_all_modules_that_its_first_one_needs(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "index.html").write_text("{{preloads}}")
    (tmp_path / "app.js").write_text('import { a } from "./parts/a.js";\nconst later = () => import("./later.js");')
    (tmp_path / "parts/a.js").write_text('import "../b.js";export{a}from"./c.js";')
    for name in ("b.js", "parts/c.js", "later.js"):
        (tmp_path / name).write_text("1")
    page = Page.read(tmp_path)
    named = re.findall(rf'href="{page.release}/([^"]+)"', page.files["index.html"].body.decode())
    assert named == ["app.js", "b.js", "parts/a.js", "parts/c.js"]


def test_comments_of_modules_are_not_sent_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!-- kept -->")
    code = '// why\n/**\n * @type {number}\n */\nconst a = 1; // kept\n  /* b */\nconst c = "/* no comment */";\n'
    (tmp_path / "a.js").write_text(code)
    sent = Page.read(tmp_path).files["a.js"].body.decode()
    assert sent == '\n\n\n\nconst a = 1; // kept\n\nconst c = "/* no comment */";\n'


def test_a_page_has_another_release_when_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script src='{{release}}/a.js'></script>")
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "notes.md").write_text("not served")
    first, changed = Page.read(tmp_path), last_change(tmp_path)
    assert set(first.files) == {"index.html", "a.js"}
    assert first.release in gzip.decompress(first.files["index.html"].compressed).decode()
    (tmp_path / "a.js").write_text("2")
    assert Page.read(tmp_path).release != first.release
    assert last_change(tmp_path) >= changed
