"""Import by line, with a real app: good lines are stored and bad ones named, whatever the limits of the app."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from service.cli import client as remote_module
from service.cli.client import Client
from service.cli.importing import Counts, Import
from service.cli.sources.lines import Lines
from service.cli.sources.source import Refused
from service.config import Settings
from service.errors import Conflict, Unauthorized, Unavailable
from service.web.app import create_app

Before = Callable[[httpx2.Request], httpx2.Response | None]


class Through(httpx2.BaseTransport):
    """Requests to an app in this process, counted; `before` and `after` may lose them, or their responses."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.posts: list[int] = []
        self.before: Before = lambda request: None
        self.after: Callable[[httpx2.Request], None] = lambda request: None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        instead = self.before(request)
        if instead is not None:
            return instead
        if request.method == "POST" and request.headers["content-type"] == "application/json":
            self.posts.append(len(json.loads(request.content).get("documents", ())))
        got = self.client.request(
            request.method, str(request.url), content=request.content, headers=dict(request.headers)
        )
        self.after(request)
        headers = {name: value for name, value in got.headers.items() if name != "content-encoding"}  # read already
        return httpx2.Response(got.status_code, headers=headers, content=got.content)


@contextmanager
def app(url: str, **settings: Any) -> Iterator[Through]:
    with TestClient(create_app(Settings(database_url=url, **settings)), "http://localhost") as client:
        assert client.put("/v1/collections/texts", json={"n_bits": 16}).status_code == 201
        yield Through(client)


def put(through: Through, content: bytes, tmp_path: Path, **limits: Any) -> tuple[Counts, list[Refused]]:
    file = tmp_path / "documents.jsonl"
    file.write_bytes(content)
    refused: list[Refused] = []
    client = Client("http://localhost", transport=through)
    n_before = client.collection("texts")["n_documents"]
    with Lines(file) as lines:
        transfer = Import(client, "texts", n_before, refuse=refused.append, **limits)
        transfer.run(lines)
    counts = transfer.counts
    assert counts.read == counts.new + counts.replaced + counts.doubles + counts.refused
    assert counts.refused == len(refused)
    return counts, refused


def stored(through: Through) -> dict[str, str]:
    lines = Client("http://localhost", transport=through).export("texts")
    return {document["id"]: document["text"] for document in map(json.loads, lines)}


def lines(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


BAD = [
    (b'{"id": "a", "text": "x", "metadata": {"n": NaN}}', "no number NaN"),
    (b'{"id": "a", "text": "x", "metadata": {"n": -Infinity}}', "no number -Infinity"),
    (b'{"id": "a", "text": "x", "metadata": {"n": 1e999}}', "NaN or infinities"),
    (b'{"id": "a", "text": "\\ud800"}', "lone surrogate"),
    (b'{"id": "a", "text": "x", "metadata": {"\\udfff": 1}}', "lone surrogate"),
    (b'{"id": "a", "text": "x", "metadata": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_001, "nested"),
    (b'{"id": "a", "text": "x", "metadata": {"n": ' + b"9" * 5_000 + b"}}", "JSON"),
    (b"[1]", "must be a JSON object, got an array"),
    (b"null", "must be a JSON object, got null"),
    (b'"text"', "must be a JSON object, got a string"),
    (b"{", "must be JSON: "),
    (b'{"id": "a", "text": "x"} {}', "must be JSON: Extra data"),
    (b'{"id": "a", "text": "\xff"}', "must be UTF-8, got byte 0xff"),
    (b'{"id": "a", "text": "x", "txt": "y"}', "txt: "),
    (b'{"id": "a"}', "text is missing"),
    (b'{"id": "a", "text": 3}', "text: "),
    (b'{"id": "a", "text": " "}', "text"),
    (b'{"id": ["a"], "text": "x"}', "id: "),
    (b'{"id": "", "text": "x"}', "id: "),
    (b'{"id": "a/similar", "text": "x"}', "id: "),
    (b'{"id": "a\\u0007", "text": "x"}', "id: "),
    (b'{"id": "a", "text": "x", "metadata": {"a": "\\u0000"}}', "metadata"),
    (b'{"id": "a", "text": "x", "metadata": {"a": "' + b"y" * 20_000 + b'"}}', "metadata"),
    (b'{"id": "a", "text": "' + b"y" * 100_001 + b'"}', "100"),
]


def test_each_bad_line_is_named_with_its_number_and_reason_and_all_others_are_stored(url: str, tmp_path: Path) -> None:
    content, expected = b"", {}
    number = 0
    for i, (bad, reason) in enumerate(BAD):
        content += lines({"id": f"good{i}", "text": f"text {i}"}) + b"\r\n" + bad + b"\r\n"
        number += 3
        expected[number] = reason
    with app(url) as through:
        counts, refused = put(through, content + b'{"id": "last", "text": "without an end of line"}', tmp_path)
        assert stored(through).keys() == {*(f"good{i}" for i in range(len(BAD))), "last"}
    assert {line.line for line in refused} == expected.keys()
    for line in refused:
        assert expected[line.line] in line.reason, line.reason
        assert not line.reason.startswith(("documents", "body", "http"))
    assert (counts.new, counts.replaced, counts.doubles) == (len(BAD) + 1, 0, 0)


def test_many_bad_lines_take_few_requests(sqlite_url: str, tmp_path: Path) -> None:
    documents = [{"id": str(i), "text": " " if i % 10 == 0 else "x"} for i in range(300)]
    with app(sqlite_url) as through:
        counts, _ = put(through, lines(*documents), tmp_path)
        assert (counts.new, counts.refused) == (270, 30)
        assert sum(through.posts) < 300 * 12  # documents sent: the logarithm of a batch, not a batch, for each
        through.posts.clear()
        counts, _ = put(through, lines(*({"id": str(i), "txt": "x"} for i in range(300))), tmp_path)
        assert (counts.new, counts.refused) == (0, 300)
        assert len(through.posts) < 10


@pytest.mark.parametrize("max_batch", [1, 7, 300])
def test_batches_shrink_to_what_the_service_takes(sqlite_url: str, tmp_path: Path, max_batch: int) -> None:
    documents = [{"id": str(i), "text": f"text {i} " + "word " * 50 * (i % 5)} for i in range(400)]
    documents[100]["text"] = "w" * 9_000
    with app(sqlite_url, max_batch=max_batch, max_body_bytes=8_192) as through:
        counts, refused = put(through, lines(*documents), tmp_path)
        assert (counts.new, [line.line for line in refused]) == (399, [101])
        assert "the body must be at most 8192 bytes" in refused[0].reason
        too_many = [n for n in through.posts if n > max_batch]
        assert len(too_many) <= 3  # learned once
        assert len(stored(through)) == 399


def test_batches_shrink_to_the_unnamed_limit_of_a_gateway(sqlite_url: str, tmp_path: Path) -> None:
    documents = [{"id": str(i), "text": "word " * 20} for i in range(200)]
    n_refused = 0

    def gateway(request: httpx2.Request) -> httpx2.Response | None:
        nonlocal n_refused
        if len(request.content) <= 3_000:
            return None
        n_refused += 1
        return httpx2.Response(413, text="<html>Request Entity Too Large</html>")

    with app(sqlite_url) as through:
        through.before = gateway
        counts, _ = put(through, lines(*documents), tmp_path)
        assert (counts.new, counts.refused) == (200, 0)
    assert n_refused < 10


def test_long_lines_are_cut_by_bytes(sqlite_url: str, tmp_path: Path) -> None:
    documents = [{"id": str(i), "text": "word " * 14_400} for i in range(40)]
    with app(sqlite_url, max_body_bytes=1 << 20) as through:
        counts, _ = put(through, lines(*documents), tmp_path)
        assert (counts.new, counts.refused) == (40, 0)


def test_of_lines_with_the_same_id_the_last_is_stored_in_one_batch_or_several(url: str, tmp_path: Path) -> None:
    documents = [{"id": i % 4 if i < 6 else str(i % 4), "text": f"text {i}"} for i in range(11)]
    for max_lines in (1_000, 3, 1):
        with app(url) if max_lines == 1_000 else app("sqlite://") as through:
            texts = [{**d, "id": str(d["id"])} for d in documents]
            counts, _ = put(through, lines(*texts), tmp_path, max_lines=max_lines)
            assert counts == Counts(read=11, new=4, doubles=7)
            assert stored(through) == {"0": "text 8", "1": "text 9", "2": "text 10", "3": "text 7"}
            counts, _ = put(through, lines(*texts), tmp_path, max_lines=max_lines)
            assert counts == Counts(read=11, replaced=4, doubles=7)


def test_a_refused_line_does_not_take_the_place_of_a_good_one(sqlite_url: str, tmp_path: Path) -> None:
    documents = [
        {"id": "a", "text": "one"},
        {"id": "b", "text": "b"},
        {"id": "a", "text": "two"},
        {"id": "a", "text": ""},
    ]
    for max_lines in (1_000, 1):
        with app("sqlite://") as through:
            counts, refused = put(through, lines(*documents), tmp_path, max_lines=max_lines)
            assert counts == Counts(read=4, new=2, doubles=1, refused=1)
            assert [line.line for line in refused] == [4]
            assert stored(through) == {"a": "two", "b": "b"}


def test_lost_responses_change_neither_counts_nor_documents(url: str, tmp_path: Path) -> None:
    old = [{"id": f"old{i}", "text": "x"} for i in range(10)]
    new = [{"id": f"new{i}", "text": "x"} for i in range(25)] + [{"text": f"without id {i}"} for i in range(5)]
    with app(url) as through:
        put(through, lines(*old), tmp_path)
        n_posts = 0

        def lose_every_second(request: httpx2.Request) -> None:
            nonlocal n_posts
            if request.method == "POST":
                n_posts += 1
                if n_posts % 2:
                    raise httpx2.ReadError("lost")

        through.after = lose_every_second
        counts, _ = put(through, lines(*old, *new), tmp_path, max_lines=7)
        assert counts == Counts(read=40, new=30, replaced=10)
        assert len(stored(through)) == 40


def test_an_import_waits_for_an_unavailable_service_and_reports_it(sqlite_url: str, tmp_path: Path) -> None:
    ways: list[httpx2.Response | Exception] = [
        httpx2.ConnectError("refused"),
        httpx2.Response(502, text="bad gateway"),
        httpx2.Response(503, json={"detail": "full"}, headers={"Retry-After": "0"}),
        httpx2.Response(429, headers={"Retry-After": "0"}),
        httpx2.Response(409, json={"detail": "the active space changed"}, headers={"Retry-After": "0"}),
    ]
    reasons: list[str] = []

    def away(request: httpx2.Request) -> httpx2.Response | None:
        if request.method != "POST" or not ways:
            return None
        way = ways.pop(0)
        if isinstance(way, Exception):
            raise way
        return way

    with app(sqlite_url) as through:
        through.before = away
        counts, _ = put(through, lines({"text": "a"}), tmp_path, report_progress=reasons.append)
        assert counts == Counts(read=1, new=1)
    assert reasons[:2] == ["no answer from http://localhost", "http://localhost answered 502"]


def test_a_service_that_stays_unavailable_ends_the_import(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "PATIENCE_S", 0.2)

    def away(request: httpx2.Request) -> httpx2.Response | None:
        if request.method == "POST":
            raise httpx2.ConnectError("refused")
        return None

    with app(sqlite_url) as through:
        through.before = away
        with pytest.raises(Unavailable, match="no answer from http://localhost: refused"):
            put(through, lines({"text": "a"}), tmp_path)


def test_a_key_that_is_refused_ends_the_import(sqlite_url: str, tmp_path: Path) -> None:
    with app(sqlite_url) as through:
        through.before = lambda request: (
            httpx2.Response(401, json={"detail": "no"}) if request.method == "POST" else None
        )
        with pytest.raises(Unauthorized, match=r"answered 401: no \(give the key with --key"):
            put(through, lines({"text": "a"}), tmp_path)


def test_a_collection_keeps_its_settings_unless_others_are_asked_for(sqlite_url: str) -> None:
    with app(sqlite_url) as through:
        client = Client("http://localhost", transport=through)
        assert client.create_or_keep("texts")[0]["n_bits"] == 16
        assert client.create_or_keep("texts", 16)[1] is False
        with pytest.raises(Conflict, match="'texts' exists with 16-bit codes, --n-bits asked for 32"):
            client.create_or_keep("texts", 32)
        created, new = client.create_or_keep("others", 32)
        assert (created["n_bits"], created["n_documents"], new) == (32, 0, True)


def test_a_gzipped_file_is_read_and_a_damaged_one_up_to_its_damage(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + lines(*({"id": str(i), "text": f"{i * 7919} x"} for i in range(2_000)))
    file = tmp_path / "documents.jsonl.gz"
    file.write_bytes(gzip.compress(content))
    with Lines(file) as read:
        assert [number for number, _ in read.numbered()] == list(range(1, 2_001))
        assert (read.damage, read.position) == (None, file.stat().st_size)
    file.write_bytes(gzip.compress(content)[:-2_000])
    with Lines(file) as read:
        n = len(list(read))
        assert read.damage is not None
        assert 0 < n < 2_000
        assert f"is damaged after line {n}: " in read.damage


def test_a_line_without_end_is_refused_and_not_kept(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cli.sources.lines.MAX_LINE_BYTES", 100)
    content = lines({"id": "a", "text": "x"}, {"id": "long", "text": "y" * 500}, {"id": "b", "text": "x"})
    with app(sqlite_url) as through:
        counts, refused = put(through, content, tmp_path)
        assert (counts.new, [(line.line, line.reason) for line in refused]) == (2, [(2, "must be at most 100 bytes")])
        assert len(refused[0].text) <= 101


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'\n{"text": "a"}')))  # type: ignore[arg-type]
    monkeypatch.setattr("sys.stdin", stdin)
    with Lines(Path("-")) as read:
        assert list(read.numbered()) == [(2, b'{"text": "a"}')]
        assert read.total is None
    assert not stdin.closed
