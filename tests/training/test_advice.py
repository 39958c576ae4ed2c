from dataclasses import replace

import pytest

from training.advice import Findings

GOOD = Findings(
    n_bits=64,
    n_documents=1_000,
    n_distinct_codes=950,
    saturated=0.96,
    agreement=0.3,
    without_features=0.0,
    n_dead_bits=0,
    is_better=True,
)


def test_good_codes_need_no_advice():
    assert GOOD.advice() == []
    assert replace(GOOD, saturated=None, agreement=None, is_better=None).advice() == []


@pytest.mark.parametrize(
    ("change", "kind", "figure", "remedy"),
    [
        ({"saturated": 0.883}, "not_saturated", "88.3%", "twice the epochs"),
        ({"n_documents": 4_762, "n_distinct_codes": 831}, "few_codes", "4,762 documents have 831 codes", "n_bits=128"),
        ({"agreement": 0.021}, "unclear_neighbors", "2.1%", "rank=words"),
        ({"without_features": 0.2}, "unknown_words", "20%", "word_parts=on"),
        ({"n_dead_bits": 9}, "dead_bits", "9 of 64", "balance"),
        ({"is_better": False}, "not_better_than_untrained", "no more than untrained", "aim=nearest"),
    ],
)
def test_what_is_wrong_is_said_with_its_figure_and_with_what_to_do(change, kind, figure, remedy):
    (advice,) = replace(GOOD, **change).advice()
    assert advice.kind == kind
    assert figure in advice.finding
    assert remedy in advice.remedy


def test_the_widest_codes_are_not_told_to_be_wider():
    (advice,) = replace(GOOD, n_bits=256, n_distinct_codes=10).advice()
    assert "n_bits" not in advice.remedy
