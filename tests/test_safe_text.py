from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest
from rich.console import Console
from rich.table import Table

from service.safe_text import cell, escape_what_cannot_be_encoded, safe_json, safe_lines, safe_text, say

NASTY = (
    "[/INST] [error]x[/error] \x1b[31mred\x1b]0;title\x07 \x9b2J \u202eevil\u202c \u2066x\u2069 a\rb \x00 \ud800 \u200b"
)


def test_no_control_bidi_control_or_surrogate_is_left() -> None:
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        category = unicodedata.category(character)
        control = category in ("Cc", "Cs", "Zl", "Zp")
        direction = unicodedata.bidirectional(character) in (
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        )
        if control or direction:
            assert safe_text(character).isascii(), hex(point)
            assert safe_text(character).isprintable(), hex(point)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "Müller",
        "[/INST]",
        "\\x1b",
        "a\u00a0b\u202fc\u3000d",
        "می\u200cخواهم",
        "👩\u200d💻",
        "日本語",
        "co\u00adop",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


def test_escapes_are_those_of_python() -> None:
    assert safe_text("\x1b[0m\n\t\x9b\u202e\U000e0041\ud800") == "\\x1b[0m\\n\\t\\x9b\\u202e\\U000e0041\\ud800"
    assert safe_lines("a\n\tb\r\x1b") == "a\n\tb\\r\\x1b"


def test_json_reads_back_as_the_same_value() -> None:
    value = {"text": NASTY.replace("\ud800", "") + "\U000e0041 Müller 日本", "\u202e": [1, None]}
    line = safe_json(value)
    assert json.loads(line) == value
    assert line == safe_text(line)
    assert "Müller 日本" in line


def test_a_console_shows_it_without_markup_and_without_a_raw_escape() -> None:
    console = Console(file=io.StringIO(), width=300)
    table = Table("text", title=cell(NASTY))
    table.add_row(cell(NASTY))
    console.print(table)
    say(console, "found ", cell(NASTY, "bold"), f" in {NASTY}")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("[/INST] [error]x[/error] \\x1b[31mred\\x1b]0;title\\x07 \\x9b2J \\u202eevil\\u202c") == 4
    assert not set(shown) & set("\x1b\x9b\x07\u202e\r\x00")


def test_a_line_that_is_said_is_one_line_however_long() -> None:
    console = Console(file=io.StringIO(), width=20)
    say(console, "word " * 50)
    assert console.file.getvalue().count("\n") == 1  # type: ignore[attr-defined]


def test_a_stream_of_another_encoding_writes_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    escape_what_cannot_be_encoded(stream, io.StringIO())
    stream.write("é日")
    stream.flush()
    assert raw.getvalue() == b"\\xe9\\u65e5"
