"""Lines of a stream, cut into chunks of whole lines, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.errors import InvalidInput
from service.store.imports import Chunk, RefusedLine

_OTHER_ENCODINGS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\0\0\xfe\xff", "UTF-32"))


@dataclass
class LineChunks:
    """Takes a stream piece by piece and gives its lines in chunks. A line that is too long is left blank.

    Args:
        max_line_bytes: length of the longest line, without its end.
        chunk_lines: most lines of a chunk that are not blank.
        chunk_bytes: a chunk ends with the line with which it has as many.
    """

    max_line_bytes: int
    chunk_lines: int = 1_000
    chunk_bytes: int = 1 << 20
    refused: list[RefusedLine] = field(default_factory=list)
    n_lines: int = 0
    _rest: bytes = b""
    _is_too_long: bool = False
    _lines: list[bytes] = field(default_factory=list)
    _n_filled: int = 0
    _n_bytes: int = 0

    def add(self, piece: bytes) -> list[Chunk]:
        """The chunks that a piece completes.

        Raises:
            InvalidInput: the stream begins as text of another encoding than UTF-8.
        """
        self._check_encoding(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        chunks = [chunk for line in lines if (chunk := self._add_line(line)) is not None]
        if len(self._rest) > self.max_line_bytes:
            self._refuse(self._rest)
            self._rest = b""
        return chunks

    def finish(self) -> list[Chunk]:
        """What is left, after the last piece."""
        chunks = []
        if (self._rest or self._is_too_long) and (chunk := self._add_line(self._rest)) is not None:
            chunks.append(chunk)
        self._rest = b""
        return [*chunks, self._cut()] if self._lines else chunks

    def take_refused(self) -> list[RefusedLine]:
        """The lines that were too long since the last call."""
        refused, self.refused = self.refused, []
        return refused

    def _check_encoding(self, piece: bytes) -> None:
        if self.n_lines or self._rest:
            return
        for mark, name in _OTHER_ENCODINGS:
            if piece.startswith(mark):
                raise InvalidInput(f"the body must be UTF-8, it begins as {name}")

    def _add_line(self, line: bytes) -> Chunk | None:
        if len(line) > self.max_line_bytes:
            self._refuse(line)
        if self._is_too_long:
            self._is_too_long, line = False, b""
        self._lines.append(line)
        self.n_lines += 1
        self._n_filled += not (line == b"" or line.isspace())
        self._n_bytes += len(line) + 1
        is_full = self._n_filled >= self.chunk_lines or self._n_bytes >= self.chunk_bytes
        return self._cut() if is_full else None

    def _refuse(self, line: bytes) -> None:
        """Note that the next line is too long, the first time that this is seen."""
        if not self._is_too_long:
            reason = f"must be at most {self.max_line_bytes:,} bytes"
            beginning = line[:1_000].decode("utf-8", "replace")
            self.refused.append(RefusedLine(self.n_lines + 1, reason, None, beginning))
        self._is_too_long = True

    def _cut(self) -> Chunk:
        chunk = Chunk(self.n_lines - len(self._lines) + 1, len(self._lines), b"\n".join(self._lines))
        self._lines, self._n_filled, self._n_bytes = [], 0, 0
        return chunk
