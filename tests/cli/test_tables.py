"""How text of users is shown in a terminal."""

from __future__ import annotations

import io
from typing import Any

import httpx2
import pytest
from rich.console import Console

import nearbit
from service.cli.tables import duplicates_table, explanation_table, facet_table, found_table, matches_table
from service.cli.watching import watch_job

NASTY = "[/INST][red]\x1b[2J\u202e\x9b"
SHOWN = "[/INST][red]\\x1b[2J\\u202e\\x9b"


def console() -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=False)


def written(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_table_shows_ids_texts_and_title_as_they_are_without_markup_or_escapes() -> None:
    matches = [
        {"id": NASTY, "distance": 1, "score": 0.5, "text": f" \r\n{NASTY} words\x0bmore\nnext line"},
        {"id": "b", "distance": 2, "score": 0.25, "text": "\tone\ttwo"},
        {"id": "c", "distance": 3, "score": 0.0, "text": "\u3000"},
    ]
    out = console()
    out.print(matches_table({"matches": matches}, f"similar to {NASTY}"))
    assert written(out).count(SHOWN) == 3
    assert f"{SHOWN} words " in written(out)
    assert "one two" in written(out)
    assert not set(written(out)) & set("\x1b\u202e\x9b\r")


def test_groups_of_duplicates_are_shown_with_ids_and_titles_as_they_are() -> None:
    documents = [{"id": NASTY, "title": NASTY, "distance": 0}, {"id": "b", "distance": 2}]
    out = console()
    group = {"representative": NASTY, "documents": documents}
    page = nearbit.Duplicates.model_validate({"items": [group], "n_groups": 1, "n_documents": 2})
    out.print(duplicates_table(page))
    assert written(out).count(SHOWN) == 2
    assert not set(written(out)) & set("\x1b\u202e\x9b\r")


def test_counts_of_values_and_of_ranges_are_shown_with_what_is_not_listed() -> None:
    out = console()
    out.print(facet_table(NASTY, {"values": [{"value": NASTY, "count": 1_234}], "other": 5, "missing": 0}))
    out.print(facet_table("year", {"ranges": [{"from": None, "to": 2020, "count": 6}]}))
    shown = " ".join(written(out).split())
    assert shown.count(SHOWN) == 2
    for part in ("1,234", "5 │ (other)", "6 │ ..2020"):
        assert part in shown
    assert "missing" not in shown
    assert not set(written(out)) & set("\x1b\u202e\x9b\r")


def test_an_explanation_is_shown_word_by_word_and_bit_by_bit() -> None:
    bit = {"bit": 3, "value": 1, "score": -0.25, "agrees": False, "ones": ["seas"], "zeros": [NASTY]}
    words = {"query": [["boat", 1.0]], "document": [[NASTY, 0.5]]}
    explanation = {
        "parts": {"words": 1.0, "code": 0.5},
        "words": [{"typed": "boat", "found": NASTY, "bm25": 2.0, "score": 1.0}],
        "agreeing": [{}] * 7,
        "differing": [{}],
        "strongest": [bit | words, bit | words | {"score": None, "agrees": True}],
    }
    out = console()
    out.print(explanation_table({"id": NASTY, "explain": explanation}))
    shown = " ".join(written(out).split())
    assert shown.count(SHOWN) == 4
    for part in ("+1.000", "+0.500", "7 of 8 bits agree", "-0.250", "bit 3 differs", "bit 3 agrees", "others: seas"):
        assert part in shown
    assert not set(written(out)) & set("\x1b\u202e\x9b\r")


def test_what_a_search_was_sorted_by_is_shown() -> None:
    match = {"id": "a", "score": 1.5, "scores": {"words": 2.0, "code": None}, "text": "one"}
    out = console()
    out.print(found_table({"matches": [match | {"sort_value": NASTY}, match | {"sort_value": None}]}))
    assert SHOWN in written(out)
    assert "sorted by" in written(out)


def test_progress_and_errors_of_a_job_are_shown_without_markup() -> None:
    states: list[dict[str, Any]] = [
        {"id": "1", "state": "running", "progress": {"stage": NASTY, "done": 1, "total": 2}, "error": None},
        {"id": "1", "state": "failed", "progress": {"stage": NASTY}, "error": NASTY},
    ]
    first, *others = ({"collection": "texts", "kind": "retrain", **state} for state in states)
    answers = iter(others)
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=next(answers)))
    client = nearbit.connect("http://here", transport=transport)
    out = console()
    with pytest.raises(nearbit.JobFailed, match="job 1 failed"):
        watch_job(client, nearbit.Job.model_validate(first), out, every_s=0)
    assert SHOWN in written(out)
    assert not set(written(out)) & set("\x1b\u202e\x9b")
