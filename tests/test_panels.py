"""Panels of curves show the numbers they are given, each name in one colour throughout."""

import numpy as np
import pytest

from tests.test_plots import NAMES, texts
from workbench import plots


def panel(**further) -> plots.Panel:
    return plots.Panel("y", {name: ([1, 2], [3, 4]) for name in NAMES}, **further)


def test_every_curve_and_estimate_is_named_even_one_that_matplotlib_would_hide():
    ranges = dict.fromkeys(NAMES, ((0, 1, 2, 3), (1, 1, 1, 1)))
    for figure in (
        plots.curves([panel()], "x"),
        plots.known_and_estimated(NAMES, (0, 1, 2, 3), ranges, "nats"),
    ):
        shown = " ".join(texts(figure))
        assert all(name[:20] in shown for name in NAMES)


def test_a_curve_named_again_keeps_its_colour_and_a_dot_takes_it():
    first = plots.Panel("y", {"a": ([1, 2], [3, 4]), "b": ([1, 2], [4, 3])})
    second = plots.Panel("z", {"b": ([1, 2], [1, 1])}, {"b": ([1.5], [1])}, {"b": [0.2]})
    upper, lower = plots.curves([first, second], "x", at=1.5).axes
    b = upper.lines[1].get_color()
    assert b != upper.lines[0].get_color()
    assert [line.get_color() for line in lower.lines[:2]] == [b, b]
    whisker = lower.collections[0].get_segments()[0][:, 1]
    np.testing.assert_allclose(whisker, (0.8, 1.2))
    assert [axes.lines[-1].get_xdata() for axes in (upper, lower)] == [[1.5, 1.5]] * 2


def test_a_curve_alone_in_its_panel_needs_no_key():
    alone = [plots.Panel(name, {name: ([1, 2], [3, 4])}) for name in ("a", "b")]
    assert not plots.curves(alone, "x").legends
    assert plots.curves([panel()], "x").legends


def test_levels_are_drawn_across_and_named():
    figure = plots.curves([panel(levels={"a limit": 3.5})], "x")
    assert "a limit" in texts(figure)
    assert [3.5, 3.5] in [list(line.get_ydata()) for line in figure.axes[0].lines]


def test_a_filled_curve_is_an_area():
    figure = plots.curves([panel(filled=NAMES[0])], "x")
    assert len(figure.axes[0].collections) == 1
    assert len(figure.axes[0].lines) == len(NAMES) - 1


@pytest.mark.parametrize(("ends", "shown"), [((1e-5, 1.0), "0.0001"), ((20, 500), "200")])
def test_a_logarithmic_axis_has_plain_numbers(ends, shown):
    figure = plots.curves([plots.Panel("y", {"a": (ends, [1, 2])})], "x", logarithmic=True)
    assert shown in texts(figure)
    assert not [text for text in texts(figure) if "$" in text or "e-" in text]


def test_estimates_stand_beside_what_is_known():
    figure = plots.known_and_estimated(("a",), (0.5,), {"one": ((0.4,), (0.1,))}, "nats")
    known, whisker = (one.get_segments()[0] for one in figure.axes[0].collections)
    np.testing.assert_allclose(known[:, 0], 0.5)
    np.testing.assert_allclose(whisker[:, 0], (0.2, 0.6))
