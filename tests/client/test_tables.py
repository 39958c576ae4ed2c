"""Results show themselves in notebooks, safely."""

import sys

import pytest

import nearbit
from nearbit.progress import report_of
from nearbit.tables import Rows

SPACE = {"version": 1, "digest": "d"}
FOUND = {"matches": [{"id": "<b>", "text": "<script>alert(1)</script>", "tomorrow": 1}], "space": SPACE, "new": True}


def test_a_table_escapes_what_documents_hold() -> None:
    shown = nearbit.Matches.model_validate(FOUND)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert shown == Rows(nearbit.Matches.model_validate(FOUND).matches)._repr_html_()


def test_members_that_were_not_sent_have_no_column_and_new_ones_are_kept() -> None:
    matches = nearbit.Matches.model_validate(FOUND)
    assert "highlight" not in matches._repr_html_()
    assert "tomorrow" in matches._repr_html_()
    assert (matches.new, matches[0].tomorrow, len(matches)) == (True, 1, 1)  # type: ignore[attr-defined]


def test_a_table_is_cut_where_nobody_reads_on() -> None:
    rows = Rows(nearbit.Match(id=str(n), text="x" * 1_000) for n in range(150))
    assert len(rows._repr_html_()) < 40_000
    assert "and 50 more" in rows._repr_html_()


def test_without_pandas_a_data_frame_is_refused_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(nearbit.NotInstalled, match="pip install"):
        nearbit.Matches.model_validate(FOUND).to_pandas()


def test_a_bar_stays_in_one_line_until_it_is_full(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(True)
    for share in (None, 0.5, 1.0):
        report("training", share)
    lines = capsys.readouterr().err
    assert lines.count("\n") == 1
    assert lines.endswith("100% training\n") or lines.rstrip(" \n").endswith("100% training")
