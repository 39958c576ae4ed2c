from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.ingest.line_chunks import LineChunks
from service.store.imports import Chunk

LINES = st.lists(
    st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"x").replace(b"\xff\xfe", b"")), max_size=30
)


def cut(stream: bytes, sizes: list[int], chunks: LineChunks) -> list[Chunk]:
    """The chunks of a stream that comes in pieces of these sizes in turn."""
    found, start, turn = [], 0, 0
    while start < len(stream):
        size = sizes[turn % len(sizes)]
        found += chunks.add(stream[start : start + size])
        start, turn = start + size, turn + 1
    return found + chunks.finish()


@given(LINES, st.lists(st.integers(1, 40), min_size=1), st.booleans(), st.integers(1, 7), st.integers(1, 40))
def test_chunks_hold_the_lines_of_a_stream_however_it_comes(
    lines: list[bytes], sizes: list[int], is_ended: bool, chunk_lines: int, chunk_bytes: int
) -> None:
    lines = [line if not line.startswith((b"\xfe\xff", b"\0\0\xfe\xff")) else b"" for line in lines]
    stream = b"\n".join(lines) + (b"\n" if is_ended and lines else b"")
    expected = stream.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    chunks = LineChunks(9, chunk_lines, chunk_bytes)
    found = cut(stream, sizes, chunks)
    numbered = [pair for chunk in found for pair in enumerate(chunk.data.split(b"\n"), chunk.first_line)]
    kept = [line if len(line) <= 9 else b"" for line in expected]
    assert numbered == list(enumerate(kept, 1))
    assert [one.line for one in chunks.take_refused()] == [n for n, line in enumerate(expected, 1) if len(line) > 9]
    assert chunks.n_lines == len(expected) == sum(chunk.n_lines for chunk in found)
    assert all(len([*chunk.lines()]) <= chunk_lines for chunk in found)
    assert all(len(chunk.data) + 1 <= chunk_bytes + 9 for chunk in found)


def test_a_line_that_is_too_long_is_not_held() -> None:
    chunks = LineChunks(10)
    for _ in range(1_000):
        assert chunks.add(b"x" * 100) == []
        assert len(chunks._rest) <= 10
    (chunk,) = cut(b"\nshort", [100], chunks)
    assert chunk.data == b"\nshort"
    (refused,) = chunks.take_refused()
    assert (refused.line, refused.reason) == (1, "must be at most 10 bytes")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_stream_of_another_encoding_is_refused_as_a_whole(encoding: str) -> None:
    with pytest.raises(InvalidInput, match="must be UTF-8, it begins as UTF-16"):
        LineChunks(100).add("\ufeff{}\n".encode(encoding))
