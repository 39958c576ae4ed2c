from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.frontier import draw, frontier

FIGURES = st.fixed_dictionaries({name: st.integers(0, 6).map(float) for name in ("precision", "recall")})


@given(st.dictionaries(st.text(max_size=3), FIGURES, min_size=1))
def test_the_frontier_has_the_points_that_no_other_is_as_good_as_at_both_figures(
    points: Mapping[str, Mapping[str, float]],
) -> None:
    found = {(points[name]["recall"], points[name]["precision"]) for name in frontier(points)}
    everything = {(point["recall"], point["precision"]) for point in points.values()}
    assert found == {
        (recall, precision)
        for recall, precision in everything
        if not any(r >= recall and p >= precision and (r, p) != (recall, precision) for r, p in everything)
    }
    assert len(frontier(points)) == len(found)


def test_the_plot_is_drawn_from_points_alone(tmp_path: Path) -> None:
    points = {
        "a set, 64 bits": {"topics": {"precision": 0.7, "recall": 0.4}, "both": {"precision": 0.6, "recall": 0.5}}
    }
    draw(points, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
