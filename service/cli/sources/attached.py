"""Vectors and pictures as they are sent: beside the JSON of their documents, in a body of several parts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4


class Attached(Protocol):
    """How the contents of documents become parts of a body."""

    def parts(self, contents: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Name and pieces of each part."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of the same width, which are one `.npy` file.

    Attributes:
        dims: entries of each.
        entries: `<f4` or `<f2`.
    """

    dims: int
    entries: str

    def parts(self, contents: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """The one part `vectors`."""
        file = io.BytesIO()
        head = {"descr": self.entries, "fortran_order": False, "shape": (len(contents), self.dims)}
        from numpy.lib import format as npy  # which only vectors wait for

        npy.write_array_header_1_0(file, head)
        yield "vectors", [file.getvalue(), *contents]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files of pictures."""

    def parts(self, contents: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
        """A part `images` for each."""
        return (("images", [content]) for content in contents)


def multipart_body(documents: bytes, attached: Attached, contents: Sequence[bytes]) -> tuple[str, bytes]:
    """Media type and body of a request with documents, as JSON, and the content of each."""
    boundary = uuid4().hex
    pieces: list[bytes] = []
    for name, part in (("documents", [documents]), *attached.parts(contents)):
        pieces.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode())
        pieces += [*part, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)
