from __future__ import annotations

import pytest

from training.gate import figure_of


@pytest.mark.parametrize(
    ("judge", "aim", "figure"),
    [
        ("aim", "topics", "topic"),
        ("aim", "nearest", "recall"),
        ("aim", "both", "both"),
        ("neighbors", "topics", "recall"),
        ("topics", "nearest", "topic"),
        ("both", "nearest", "both"),
        ("pairs", "topics", "pairs"),
        ("label:group", "topics", "label"),
        ("label:pairs", "topics", "label"),
    ],
)
def test_the_judge_says_which_figure_decides_and_else_the_aim_does(judge: str, aim: str, figure: str) -> None:
    assert figure_of(judge, aim) == figure
