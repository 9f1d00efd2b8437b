"""Lines over time are laid out in percent."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vqe_core.app.charts import Series, nice_ticks, time_chart


def test_points_stand_where_their_values_say():
    chart = time_chart([Series("a", [0.0, 1.0, 4.0], [0.2, 0.3, 0.4], 0.25)], span=(1.0, 2.0))
    assert [(p.x, p.y) for p in chart.lines[0].pieces[0]] == [(0.0, 100.0), (25.0, 50.0), (100.0, 0.0)]
    assert chart.lines[0].whole == 75.0
    assert chart.span == (25.0, 25.0)
    assert [label for _, label in chart.values] == ["0.20", "0.25", "0.30", "0.35", "0.40"]
    assert [label for _, label in chart.times] == ["0", "1", "2", "3", "4"]


def test_a_gap_breaks_the_line():
    chart = time_chart([Series("a", [0.0, 1.0, 2.0], [0.1, None, 0.3])])
    assert [len(piece) for piece in chart.lines[0].pieces] == [1, 1]


def test_one_moment_and_nothing_measured_still_make_a_chart():
    assert time_chart([Series("a", [0.5], [0.3])]).lines[0].pieces[0][0].x == 0.0
    assert time_chart([Series("a", [0.5], [None])]).lines[0].pieces == ()


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (-0.31, 0.77), (0.2131, 0.2134), (0.0, 1.0), (-0.9, -0.2)])
def test_ticks_enclose_the_range_in_even_steps(low, high):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 8
    steps = [after - before for before, after in pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps))


def test_ticks_that_differ_have_labels_that_differ():
    chart = time_chart([Series("a", [0.0, 1.0], [0.2131, 0.2134])])
    labels = [label for _, label in chart.values]
    assert len(set(labels)) == len(labels)
