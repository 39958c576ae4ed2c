"""Documents as lines of JSON."""

from __future__ import annotations

from nearbit.batches import NewDocument, document_of, to_json


def line_of(document: NewDocument | bytes) -> bytes:
    """A document as a line; bytes are a line already.

    Raises:
        InvalidInput: JSON cannot represent it.
    """
    line = document if isinstance(document, bytes) else to_json(document_of(document))
    return line if line.endswith(b"\n") else line + b"\n"
