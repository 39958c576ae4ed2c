"""Text that others wrote, made safe to show: the one place that says what a terminal or a log line may be sent.

Control characters, the controls of writing direction, invisible characters and halves of surrogate pairs are shown as
escapes, as Python writes them: `\\x1b` for ESC. All else stays, joiners between letters and wide spaces included.
"""

from __future__ import annotations

import json
import re
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console
from rich.text import Text

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters: ESC, and the 8-bit CSI and OSC
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"  # without a glyph or a width
    "\ud800-\udfff"  # halves of surrogate pairs, which no encoding holds
    "]"
)


def safe_text(value: object) -> str:
    """The text of a value on one line, with everything that could steer a terminal or mislead a reader escaped."""
    return _UNSAFE.sub(_escape, str(value))


def safe_lines(value: object) -> str:
    """As `safe_text`, with line ends and tabs kept: for tracebacks."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else _escape(found), str(value))


def safe_json(value: object) -> str:
    """A value as one line of JSON that reads back as the same value, with the same characters escaped."""
    return safe_json_line(json.dumps(value, ensure_ascii=False))


def safe_json_line(line: str) -> str:
    """One line of JSON, without its line end, with the same characters escaped: it reads back as the same value."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], line)


def cell(value: object, style: str = "") -> Text:
    """Text for a table, a title or a progress line, in which brackets are brackets and no markup."""
    return Text(safe_text(value), style=style)


def say(console: Console, *parts: str | Text, style: str = "") -> None:
    """Print one line: what is not `Text` already is made safe, and nothing in it is taken for markup."""
    line = Text(style=style)
    for part in parts:
        line.append_text(part if isinstance(part, Text) else cell(part))
    console.print(line, highlight=False, soft_wrap=True)


def escape_what_cannot_be_encoded(*streams: TextIO) -> None:
    """Have streams write escapes for characters that their encoding lacks, where they would raise."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _escape(found: re.Match[str]) -> str:
    point = ord(found[0])
    if point < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(found[0], f"\\x{point:02x}")
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
