"""What a service answers, as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Column, Table

import nearbit
from service.safe_text import cell

_SHOWN_WORDS = 3


def matches_table(result: dict[str, Any], title: str | None = None) -> Table:
    """The matches of a query as a table: distance in bits, score if re-ranked, id, first line of the text."""
    scored = bool(result["matches"]) and "score" in result["matches"][0]
    columns = ("bits", "score", "id", "text") if scored else ("bits", "id", "text")
    table = Table(*columns, title=cell(title, "bold") if title else None, title_justify="left")
    for match in result["matches"]:
        score = (f"{match['score']:.3f}",) if scored else ()
        table.add_row(str(match["distance"]), *score, cell(match["id"]), cell(_first_line(match.get("text", ""))))
    return table


def duplicates_table(page: nearbit.Duplicates) -> Table:
    """Groups of near duplicates as a table: distance in bits from the representative, which comes first, id, title."""
    table = Table("bits", "id", "title")
    for group in page.items:
        for place, document in enumerate(group.documents):
            title = _first_line(document.title or "")
            table.add_row(str(document.distance), cell(document.id, "" if place else "bold"), cell(title))
        table.add_section()
    return table


def found_table(result: dict[str, Any], title: str | None = None) -> Table:
    """What a search found, as a table: score, BM25 of its words, agreement of its code, id, title or first line.

    Of a search that was sorted also the value that it was sorted by.
    """
    is_sorted = any("sort_value" in match for match in result["matches"])
    columns = ("score", "words", "code", *(("sorted by",) if is_sorted else ()), "id", "text")
    table = Table(*columns, title=cell(title, "bold") if title else None, title_justify="left")
    for match in result["matches"]:
        scores = match["scores"]
        parts = ("" if scores[part] is None else f"{scores[part]:.2f}" for part in ("words", "code"))
        named = match.get("title")
        text = _first_line(match.get("text", ""))
        if named and named != match["id"]:
            text = f"{_first_line(named)}: {text}"
        value = match.get("sort_value")
        sorted_by = (cell("" if value is None else _first_line(str(value))),) if is_sorted else ()
        table.add_row(f"{match['score']:.3f}", *parts, *sorted_by, cell(match["id"]), cell(text))
    return table


def facet_table(field: str, counts: dict[str, Any]) -> Table:
    """How many of all matches have each value of a field, or lie in each range of it."""
    table = Table("matches", Column(cell(field)))
    for one in counts.get("values", ()):
        table.add_row(f"{one['count']:,}", cell(_first_line(str(one["value"]))))
    for one in counts.get("ranges", ()):
        bounds = ("" if bound is None else bound for bound in (one["from"], one["to"]))
        table.add_row(f"{one['count']:,}", cell("..".join(map(str, bounds))))
    for name in ("other", "missing"):
        if counts.get(name):
            table.add_row(f"{counts[name]:,}", cell(f"({name})", "dim"))
    return table


def explanation_table(match: dict[str, Any]) -> Table:
    """Why a document was found: what words and bits add to its score, and the words behind the strongest bits."""
    explanation = match["explain"]
    table = Table("score", "by", "because", title=cell(match["id"], "bold"), title_justify="left")
    for word in explanation["words"]:
        table.add_row(f"{word['score']:+.3f}", cell(word["found"]), cell(f"the query has {word['typed']}"))
    agreeing, differing = (len(explanation[name]) for name in ("agreeing", "differing"))
    code = explanation["parts"].get("code")
    if code is not None:
        table.add_row(f"{code:+.3f}", "code", f"{agreeing} of {agreeing + differing} bits agree")
    for bit in explanation["strongest"]:
        share = "" if bit["score"] is None else f"{bit['score']:+.3f}"
        table.add_row(share, f"  bit {bit['bit']} {'agrees' if bit['agrees'] else 'differs'}", cell(_reasons(bit)))
    return table


def _reasons(bit: dict[str, Any]) -> str:
    """The words behind a bit: of the query, of the document, and of the documents that have the same value."""
    words = {
        "query": [word for word, _ in bit["query"]],
        "document": [word for word, _ in bit["document"]],
        "others": bit["ones"] if bit["value"] else bit["zeros"],
    }
    return "; ".join(f"{name}: {' '.join(some[:_SHOWN_WORDS])}" for name, some in words.items() if some)


def _first_line(text: str) -> str:
    """The first line that is not blank, cut to the width of a terminal, with tabs as spaces."""
    lines = text.lstrip()[:1_000].splitlines()
    return lines[0].replace("\t", " ").rstrip()[:100] if lines else ""
