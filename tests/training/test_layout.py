from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.layout import lay_out, share_moved, trustworthiness


def _groups(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows in four groups."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 4, n)
    return (4 * np.eye(4, 16)[group] + rng.normal(size=(n, 16))).astype(np.float32), group


def _lay_out(
    rows: NDArray[np.float32], before: NDArray[np.float64] | None = None, **options: bool
) -> NDArray[np.float64]:
    nowhere = np.full((len(rows), 2), np.nan)
    return lay_out(
        rows,
        nowhere if before is None else before,
        is_settled=options.get("is_settled", False),
        report_progress=lambda done, total: None,
    )


def test_rows_that_are_alike_lie_near_one_another_and_equal_calls_give_equal_maps() -> None:
    rows, group = _groups(120)
    first, second = _lay_out(rows), _lay_out(rows)
    assert np.array_equal(first, second)
    middles = np.array([first[group == one].mean(axis=0) for one in range(4)])
    nearest = np.linalg.norm(first[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.9
    chance = np.random.default_rng(1).normal(size=first.shape)
    assert trustworthiness(rows, first) > trustworthiness(rows, chance) + 0.1


def test_points_stay_where_they_were_when_others_come() -> None:
    rows, _ = _groups(130)
    before = np.full((130, 2), np.nan)
    before[:120] = _lay_out(rows[:120])
    after = _lay_out(rows, before, is_settled=True)
    assert np.isfinite(after).all()
    assert share_moved(before[:120], after[:120]) < 0.25


def test_other_rows_begin_in_the_arrangement_of_before_and_are_turned_to_fit() -> None:
    rows, group = _groups(120)
    before = _lay_out(rows)
    turned = before @ np.array([[0.0, -1.0], [1.0, 0.0]]) + 5
    for start in (before, turned):
        after = _lay_out(rows * 2 + 1, start)
        middles = [np.array([place[group == one].mean(axis=0) for one in range(4)]) for place in (start, after)]
        assert np.linalg.norm(middles[0] - middles[1], axis=1).max() < np.ptp(start)


@pytest.mark.parametrize("n", [20, 25])
def test_few_points_do_not_fall_into_one(n: int) -> None:
    assert np.ptp(_lay_out(_groups(n)[0]), axis=0).min() > 0.1


def test_a_report_that_raises_stops_the_layout() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lay_out(_groups(40)[0], np.full((40, 2), np.nan), is_settled=False, report_progress=stop)


def test_the_share_that_moved_counts_from_a_twentieth_of_the_width_on() -> None:
    places = np.array([[0.0, 0.0], [100.0, 0.0], [50.0, 10.0], [50.0, 20.0]])
    moves = np.array([[4.0, 0.0], [0.0, 0.0], [0.0, 6.0], [0.0, -4.0]])
    assert share_moved(places - moves, places) == 0.25
    assert share_moved(places[:0], places[:0]) == 0
