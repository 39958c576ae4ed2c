"""Bodies of several parts are read as any client writes them, and nothing else is."""

from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.web.multipart import Part, read_parts

NAMES = st.text("abc xyz;=", min_size=1)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=60)), min_size=1, max_size=5))
def test_parts_are_what_a_client_sent(sent: list[tuple[str, bytes]]) -> None:
    files = [(name, ("file", content)) for name, content in sent]
    request = httpx2.Request("POST", "http://localhost", files=files)
    parts = read_parts(request.headers["content-type"], request.read(), 5)
    assert [part.content for part in parts] == [content for _, content in sent]
    assert [part.name for part in parts] == [name for name, _ in sent]


@given(st.lists(st.sampled_from([b"--b", b"\r\n", b"--", b'Content-Disposition: form-data; name="a"', b"x", b"\n"])))
def test_any_bytes_are_parts_or_invalid_input(pieces: list[bytes]) -> None:
    try:
        parts = read_parts("multipart/form-data; boundary=b", b"".join(pieces), 3)
    except InvalidInput:
        return
    assert all(part.name == "a" for part in parts)


def body(*parts: str) -> bytes:
    return "\r\n".join([*(f"--b\r\n{part}" for part in parts), "--b--", ""]).encode()


PART = 'content-disposition: form-data; name=a; filename="b.npy"\r\n\r\nxy'


def test_preamble_epilogue_and_lines_within_a_part_are_left_as_they_are() -> None:
    given_body = b"before\r\n" + body(PART + "\r\n--c\r\n", PART) + b"after"
    parts = read_parts("multipart/form-data; boundary=b", given_body, 2)
    assert parts == [Part("a", b"xy\r\n--c\r\n"), Part("a", b"xy")]


@pytest.mark.parametrize(
    ("content_type", "content", "reason"),
    [
        ("multipart/form-data", body(PART), "must name a boundary of 1 to 70 characters"),
        ("multipart/form-data; boundary=ü", body(PART), "must name a boundary"),
        (f"multipart/form-data; boundary={'b' * 71}", body(PART), "must name a boundary"),
        ("multipart/form-data; boundary=b", b"", "must be multipart/form-data that ends with its boundary"),
        ("multipart/form-data; boundary=b", body(PART)[:-6], "must be multipart/form-data that ends with its boundary"),
        ("multipart/form-data; boundary=b", body(PART, PART, PART), "must have at most 2 parts, got more"),
        ("multipart/form-data; boundary=b", body(PART, "name=a"), "part 1 of the body must begin with a head"),
        (
            "multipart/form-data; boundary=b",
            body("a: b\r\n\r\nx"),
            "must have a Content-Disposition with a name",
        ),
        ("multipart/form-data; boundary=b", body("a: " + "b" * 9_000 + "\r\n\r\n"), "a head of at most 8192 bytes"),
    ],
)
def test_what_is_no_such_body_is_refused(content_type: str, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_parts(content_type, content, 2)
